"""Advice on anybody's table of accuracies: which layers to transfer, and whether to freeze them."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath

from transfer_jax.analysis.any_table import TableError, of_file, of_python
from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.networks_of_table import Network, check_compared, networks
from transfer_jax.analysis.reading import read_evidence, with_layers
from transfer_jax.analysis.statistics import margins
from transfer_jax.analysis.statistics.advice import Networks, advise_each
from transfer_jax.analysis.statistics.crossing import RANDOM_HALVES, by_validation, family_of
from transfer_jax.analysis.statistics.images import Tested, TestOf
from transfer_jax.analysis.statistics.telling import Advice
from transfer_jax.analysis.statistics.wording import written
from transfer_jax.folder.places import place
from transfer_jax.folder.results import ResultRow, Results
from transfer_jax.folder.whole_file import read_json

if TYPE_CHECKING:
    import pandas as pd

Right = Sequence[float] | np.ndarray
Correct = Sequence[Right] | np.ndarray | Mapping[int, Right] | Callable[[Mapping[str, Any]], Right]
# Accuracies are often written with two digits.
ROUNDED = 0.005
ALL = "all splits"


def advise(
    table: "Results | pd.DataFrame | Sequence[Mapping[str, Any]] | str | os.PathLike[str]",
    margin: float | None = None,
    *,
    correct: Correct | None = None,
) -> Advice:
    """Choose how to train a network, by a table of networks that were trained in several ways.

    The networks may come from any framework. A row is one of them: the columns split, seed, target
    (what it was tested on), treatment, n (transferred layers) and top1 (share of test images that
    are classified right); and if at hand base, variant, examples (training images a class),
    validation (share of validation images classified right) and diverged. A treatment is "scratch",
    "frozen" ("AnB"), "tuned" ("AnB+") or any other name, which is a way by itself; "BnB", "BnB+"
    and "random" are no ways. Of a pretrained network that is kept whole but for its head: "probe"
    (a linear head after layer n), "head2toe" (one on all layers' activations), "freeze" (the first
    n layers, the rest tuned from pretrained), "full", "lp-ft", "surgical" (the part that ends at n)
    and "gradual". "base" is scratch, too; where both are there, "scratch" must have had the whole
    budget, as many steps as base and transfer together. Splits whose names differ in a last number
    are draws of one kind. Networks are compared with those of the same split, seed and target.

    Args:
      table: results of a run, a table of pandas, a list of dicts, the path of a CSV file, or that
        of a run's folder.
      margin: a difference that does not matter: 0.01 is one point; None for that of the run's
        config, else one point, or a tenth of the error of training from scratch where that is less.
      correct: which test images each row's network classifies right, the same images in the same
        order for all of a target: rows of 0 and 1 in the order of the table, by number of row (from
        0), or from a function of the row. A run's folder has its own.

    Returns:
      The advice; undecided, with the reason, where the table does not show enough.

    Raises:
      TableError: the table is none, lacks a column or networks, or holds one that cannot be.
      ValueError: the margin is no share.

    Example:
      >>> ways = {"scratch": 0, "frozen": 2, "tuned": 2}
      >>> right = {"scratch": 0.70, "frozen": 0.62, "tuned": 0.75}
      >>> table = [
      ...     {"split": "birds", "seed": seed, "target": "finches", "treatment": way, "n": n,
      ...      "top1": right[way] + 0.001 * seed}
      ...     for way, n in ways.items() for seed in range(3)
      ... ]
      >>> found = advise(table)
      >>> found.choice, found.decided, round(found.gain, 3)
      (('tuned', 2), True, 0.05)

    Source: Hsu (1981), Simultaneous confidence intervals for all distances from the "best".
    """
    wanted = margins.checked(margin)
    if isinstance(table, Results):
        return advise_run(_evidence(table), margin)
    if isinstance(table, str | os.PathLike):
        path = place(table, "table")
        if not path.exists():
            raise TableError(f"{path} is not there; give a CSV file, or the folder of a run")
        if path.is_dir():
            return advise_run(_run(path), margin)
        found = networks(of_file(path))
    else:
        found = networks(of_python(table))
    check_compared(found)
    rows = [network.row for network in found]
    return advise_rows(rows, _tests(found, correct), wanted)


def advise_run(evidence: Evidence, margin: float | None = None) -> Advice:
    """Advice on a run: that of its report.

    Args:
      evidence: its folder.
      margin: a difference that does not matter; None for that of its config.

    Returns:
      The advice on all of it; its parts are on each kind of splits.

    Raises:
      TableError: all networks failed.
    """
    found = evidence.with_margin(margin).advice
    if not found:
        raise TableError("no advice: all networks failed")
    return _together(found)


def advise_rows(rows: Sequence[ResultRow], test_of: TestOf, margin: float = 0.0) -> Advice:
    """Advice on networks of anybody's table.

    Args:
      rows: the networks.
      test_of: the test of each; None where it was not kept.
      margin: a difference that does not matter; 0 for the rule.

    Returns:
      The advice on all of them; its parts are on each kind of splits.
    """
    tested, judged = Networks(rows, test_of), by_validation(rows)
    validated = Networks(judged, lambda _: None) if judged else None
    return _together(advise_each(tested, validated, margin=margin, kind_of=kind_of))


def kind_of(split: str) -> str:
    """What kind of split one is a draw of, in anybody's table.

    Args:
      split: its name.

    Returns:
      The name without a last number.

    Example:
      >>> kind_of("fold12"), kind_of("random-0"), kind_of("3"), kind_of("distant")
      ('fold', 'random halves', 'all splits', 'distant')
    """
    if family_of(split) == RANDOM_HALVES:
        return RANDOM_HALVES
    return re.sub(r"[\s_.-]*\d+$", "", split) or ALL


def _together(parts: Sequence[Advice]) -> Advice:
    """One advice for several kinds of splits: only where all of them give it."""
    if len(parts) == 1:
        return parts[0]
    choices = {part.choice for part in parts}
    told = " ".join(f"{part.group}: {part.verdict}" for part in parts)
    known = [part.not_excluded for part in parts if part.not_excluded]
    everywhere = [c for c in known[0] if all(c in own for own in known)] if known else []
    margin = min(part.margin for part in parts)
    gains = [part.gain for part in parts if part.gain is not None]
    if len(choices) > 1 or None in choices:
        undecided = [part.group for part in parts if not part.decided]
        why = f"undecided for {', '.join(undecided)}" if undecided else "they disagree"
        verdict = f"No advice for all kinds of tasks together: {why}. {told}"
        reason = f"All kinds of tasks would have to agree: {why}."
        return Advice(
            "all tasks", verdict, (reason,), not_excluded=tuple(everywhere), margin=margin,
            parts=tuple(parts),
        )  # fmt: skip
    # The mean of the ends covers at least as often as each interval, however they hang together.
    ends = np.mean([part.interval or (np.nan, np.nan) for part in parts], axis=0)
    gain, half = float(np.mean(gains)), float(ends[1] - ends[0]) / 2
    reason = f"The mean of their gains is {written(gain, half)} points."
    return Advice(
        "all tasks", f"The same for all kinds of tasks. {told}", (reason,),
        parts[0].choice, gain, (float(ends[0]), float(ends[1])),
        tuple(everywhere), margin, tuple(parts), parts[0].choice,
    )  # fmt: skip


def _evidence(results: Results) -> Evidence:
    """Results with what their folder, if it is still there, tells of single images."""
    if not results.rows:
        raise TableError("the table holds no rows")
    folder = place(results.workdir, "workdir")
    return with_layers(Evidence(folder, results.rows, read_json(folder / "config.json")))


def _run(folder: epath.Path) -> Evidence:
    evidence = read_evidence(folder)
    if not evidence.rows:
        raise TableError(f"{folder} is no folder of a run: {'; '.join(evidence.problems)}")
    return evidence


def _tests(found: Sequence[Network], correct: Correct | None) -> TestOf:
    """The tests of all networks, image by image."""
    if correct is None:
        return lambda _: None
    tests: dict[ResultRow, Tested] = {}
    sizes: dict[str, tuple[int, int]] = defaultdict(lambda: (sum(n for _, n in sizes.values()), 0))
    for number, network in enumerate(found):
        right = _right(network, number, correct)
        first, size = sizes[network.row.target]
        if size not in (0, len(right)):
            raise TableError(
                f"{network.cells.where}: correct has {len(right)} images, others of target "
                f"{network.row.target} {size}"
            )
        _check_mean(network, right)
        sizes[network.row.target] = first, len(right)
        tests[network.row] = np.arange(first, first + len(right)), right
    return tests.get


def _right(network: Network, number: int, correct: Correct) -> np.ndarray:
    where = network.cells.where
    try:
        held = correct(network.cells.given) if callable(correct) else correct[number]
    except (KeyError, IndexError):
        raise TableError(f"{where}: correct has nothing for it") from None
    right = np.asarray(held, np.float32).ravel()
    if not len(right) or not np.isin(right, (0, 1)).all():
        raise TableError(f"{where}: correct is not a list of 0 and 1")
    return right


def _check_mean(network: Network, right: np.ndarray) -> None:
    mean, row = float(right.mean()), network.row
    if not row.diverged and abs(mean - row.top1) > ROUNDED:
        where = network.cells.where
        raise TableError(f"{where}: correct has a mean of {mean:.4f}, top1 is {row.top1}")
