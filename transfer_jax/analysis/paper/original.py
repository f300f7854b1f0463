"""The authors' own networks and results, as rows of the same table that a run makes."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib import resources

import numpy as np

from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import RANDOM_BASE, Treatment

# The group of networks that a config names as `reference`, to the authors' experiments.
EXPERIMENTS = {
    "random_split": ("random_split",),
    "man_natural": ("man_natural",),
    "random_filters": ("whole", "random_filters"),
    "reduced": ("reduced",),
    "preserved": ("random_split",),
}
TREATMENTS = {
    "base": Treatment.BASE,
    "reduced": Treatment.BASE,
    "selffer": Treatment.SELFFER,
    "selffer+": Treatment.SELFFER_PLUS,
    "transfer": Treatment.TRANSFER,
    "transfer+": Treatment.TRANSFER_PLUS,
    "random_frozen": Treatment.RANDOM,
}
# The letters of the paper; its repository has them the other way round.
TASKS = {"manmade": "A", "natural": "B", "whole": "A", "random": RANDOM_BASE}
WHOLE_EXAMPLES = 1300
# What the paper's numbers are, and what they are of a run with one test of all images.
STATISTIC = "means of a run's ten highest test accuracies, chosen on the test images themselves"
FINAL = "accuracies of the one test of all test images, after the last step"


def original_rows(reference: str) -> list[ResultRow]:
    """The authors' networks of one experiment whose logs are published.

    Args:
      reference: one of `EXPERIMENTS`.

    Returns:
      Rows; `best10` is the paper's statistic.

    Raises:
      KeyError: there is no such experiment.

    Example:
      >>> rows = original_rows("random_split")
      >>> len(rows), rows[0].best10
      (112, 0.6151)

    Source: the logs of yosinski/convnet_transfer at 9838c27.
    """
    if reference == "preserved":
        return _preserved()
    return [_row(line) for line in _networks(reference) if line["top1_mean_best10"]]


def as_published(rows: Iterable[ResultRow]) -> list[ResultRow]:
    """Networks with the statistic of the paper in place of their final accuracy.

    Args:
      rows: the authors' networks.

    Returns:
      Rows whose `top1` is `best10`.

    Example:
      >>> as_published(original_rows("random_split"))[0].top1
      0.6151
    """
    return [replace(row, top1=row.best10) for row in rows]


def statistic_of(rows: Sequence[ResultRow], theirs: Sequence[ResultRow] = ()) -> str:
    """What `best10` of networks is: a run has one test where the others are of a part of images.

    Args:
      rows: networks; of none it is the authors' statistic.
      theirs: the authors' networks, where they stand beside these.

    Returns:
      The words.

    Example:
      >>> statistic_of(original_rows("random_split")) == STATISTIC
      True
      >>> statistic_of(as_published(original_rows("random_split"))) == FINAL
      True
    """
    numbers = np.array([(row.best10, row.top1) for row in rows]).reshape(-1, 2)
    if not rows or not np.array_equal(*numbers.T, equal_nan=True):
        return STATISTIC
    return f"here {FINAL}; the authors' {STATISTIC}" if theirs else FINAL


def original_counts(reference: str) -> Counter[str]:
    """How many networks of each treatment the authors trained.

    Args:
      reference: one of `EXPERIMENTS`.

    Returns:
      Treatment to number of networks, those without a published log included.

    Example:
      >>> original_counts("random_split")["AnB+"]
      28

    Source: the folders of yosinski/convnet_transfer at 9838c27.
    """
    if reference == "preserved":
        return Counter(row.treatment for row in _preserved() if row.variant)
    return Counter(TREATMENTS[line["treatment"]].value for line in _networks(reference))


def published_table1() -> list[dict[str, str]]:
    """Table 1 of the paper: the boost of fine-tuned transfer over ranges of layers.

    Returns:
      Field to value, a dict a line; boosts in percentage points.

    Example:
      >>> published_table1()[0]["published_boost_over_baseB_pct"]
      '1.6'

    Source: Yosinski et al. (2014), table 1.
    """
    return _table("table1.csv")


def _networks(reference: str) -> list[dict[str, str]]:
    return [line for line in _table("networks.csv") if line["experiment"] in EXPERIMENTS[reference]]


def _row(line: dict[str, str]) -> ResultRow:
    treatment = TREATMENTS[line["treatment"]]
    target = TASKS.get(line["target_task"], line["target_task"])
    split = f"random-{line['split']}" if line["experiment"] == "random_split" else "man-natural"
    number = int(line["n_or_examples"])
    reduced = line["treatment"] == "reduced"
    return ResultRow(
        split="whole" if line["target_task"] == "whole" else split,
        seed=0,
        treatment=treatment.value,
        base=TASKS.get(line["base_task"], line["base_task"]) or target,
        target=target,
        n=0 if reduced else number,
        fine_tuned=treatment in (Treatment.BASE, Treatment.SELFFER_PLUS, Treatment.TRANSFER_PLUS),
        variant="",
        examples=number if reduced and number != WHOLE_EXAMPLES else 0,
        top1=float(line["top1_final"]),
        validation=None,
        best10=float(line["top1_mean_best10"]),
        loss=float(line["valid_loss_final"]),
        step=int(line["last_iter"]),
        diverged=0,
    )


def _preserved() -> list[ResultRow]:
    """Hand-typed in the authors' notebook: split 0, base A, frozen."""
    rows = []
    for line in _table("preserved.csv"):
        target = "A" if line["treatment"] == "BnB" else "B"
        place = ("random-0", 0, line["treatment"], "A", target)
        for n in range(1, 8):
            if value := line[f"n{n}"]:
                top1 = float(value)
                figures = (top1, None, top1, float("nan"), 450_000, 0)
                rows.append(ResultRow(*place, n, False, line["variant"], 0, *figures))
    bases = [r for r in original_rows("random_split") if (r.split, r.n) == ("random-0", 0)]
    return bases + rows


@cache
def _table(name: str) -> list[dict[str, str]]:
    folder = resources.files("transfer_jax.analysis.paper") / "reference"
    return list(csv.DictReader((folder / name).read_text().splitlines()))
