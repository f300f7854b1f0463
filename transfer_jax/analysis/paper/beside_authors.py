"""A run beside the authors' own numbers, claim by claim and treatment by treatment."""

from collections.abc import Sequence

import numpy as np

from transfer_jax.analysis.paper.claims import boost, judge
from transfer_jax.analysis.paper.original import original_rows, published_table1
from transfer_jax.analysis.statistics.contrasts import OWN, POOLED, RANDOM_HALVES, Arms, family_of
from transfer_jax.analysis.statistics.verdicts import FAILS, HOLDS, NOT_RUN, Verdict
from transfer_jax.analysis.tables import Table, heading
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

RANGES = ((1, 7), (3, 7), (5, 7))
Rows = Sequence[ResultRow]


def claims_table(*tables: Rows) -> Table | None:
    """The paper's claims that tables of results can test, with their verdicts.

    Args:
      *tables: networks that may be compared with each other stand in one table.

    Returns:
      A line a claim; None where no claim can be tested.
    """
    found = sorted(
        (
            (claim.number, claim.text, _text(verdicts, POOLED), _text(verdicts, OWN))
            for rows in tables
            for claim, verdicts in judge(rows)
            if any(verdict.verdict != NOT_RUN for verdict in verdicts.values())
        ),
        key=lambda line: line[0],
    )
    lines = [(f"{number}", *texts) for number, *texts in found]
    header = ("", "claim of the paper (differences in points)", "pooled", "against its own base")
    return Table("The paper's claims", header, tuple(lines)) if lines else None


def boost_note(rows: Rows) -> str:
    """The answer to the question that the authors' runs left open.

    Their fine-tuned selffers all have target A and their fine-tuned transfers target B, so that
    pooled means compare the targets, too.

    Args:
      rows: the table.

    Returns:
      One sentence; empty where AnB+ or BnB+ was not run on random halves.

    Source: Yosinski et al. (2014), section 4.1; the logs of yosinski/convnet_transfer.
    """
    (own, found), (pooled, _) = (boost(Arms(tuple(rows), mode)) for mode in (OWN, POOLED))
    if own is None or pooled is None:
        return ""
    answer = {
        HOLDS: "Transfer gains over training on from the same task",
        FAILS: "Transfer gains nothing over training on from the same task",
    }.get(found.verdict, "Whether transfer gains over training on from the same task is undecided")
    return (
        f"{answer}: AnB+ less BnB+ is {own} points when each is compared with its own "
        f"target's base network, {pooled} in pooled means (95% intervals)."
    )


def table1(rows: Rows) -> Table | None:
    """Table 1 of the paper: what fine-tuned transfer gains, over ranges of cuts.

    Args:
      rows: the table of results.

    Returns:
      Boosts in points, the published ones beside them; None where there is no AnB+ at n = 7 on
      random halves.

    Source: Yosinski et al. (2014), table 1.
    """
    lines = []
    for (low, high), published in zip(RANGES, published_table1(), strict=True):
        line = [f"{low}-{high}"]
        for mode in (POOLED, OWN):
            arms = Arms(tuple(rows), mode)
            runs = arms.runs(RANDOM_HALVES, Treatment.TRANSFER_PLUS, range(low, high + 1))
            if high not in arms.cuts(RANDOM_HALVES, Treatment.TRANSFER_PLUS):
                return None
            others = arms.runs(RANDOM_HALVES, Treatment.SELFFER_PLUS, range(low, high + 1))
            base = [0.0] if mode == OWN else arms.runs(RANDOM_HALVES, Treatment.BASE, (0,))
            line += [_gain(runs, base), _gain(runs, others)]
        line += [f"+{published[f'published_boost_over_{arm}_pct']}" for arm in ("baseB", "BnBplus")]
        lines.append(tuple(line))
    header = ("n", "over base", "over BnB+", "own: over base", "own: over BnB+",
              "published: over base", "over BnB+")  # fmt: skip
    return Table("Table 1: the boost of AnB+, points", header, tuple(lines))


def beside_the_authors(rows: Rows, reference: str) -> Table:
    """Means of each treatment at each n: the run's, the authors', and the difference.

    Args:
      rows: the run's table.
      reference: which of the authors' experiments it repeats.

    Returns:
      Percent, the paper's statistic: mean of the ten highest accuracies of a run. Without a run,
      the authors' numbers alone.
    """
    ours, theirs = _means(rows), _means(original_rows(reference))
    lines = []
    for key in sorted(set(ours) | set(theirs), key=_place):
        split, treatment, variant, n, examples = key
        a, b = ours.get(key), theirs.get(key)
        name = heading(Treatment(treatment), variant)
        arm = name + (f", first {examples}" if examples else "")
        numbers = ["" if x is None else f"{100 * x:.2f}" for x in (b, a)]
        numbers.append("" if a is None or b is None else f"{100 * (a - b):+.2f}")
        lines.append((split, arm, f"{n}", *(numbers if rows else numbers[:1])))
    header = ("task", "treatment", "n", "authors", *(("here", "difference") if rows else ()))
    return Table(f"Top-1 beside the authors' networks, %: {reference}", header, tuple(lines))


def _means(rows: Rows) -> dict[tuple[str, str, str, int, int], float]:
    groups: dict[tuple[str, str, str, int, int], list[float]] = {}
    for row in rows:
        halves = family_of(row.split) == RANDOM_HALVES
        split = RANDOM_HALVES if halves else f"{row.split}, {row.target}"
        key = (split, row.treatment, row.variant, row.n, row.examples)
        groups.setdefault(key, []).append(row.best10)
    return {key: float(np.mean(values)) for key, values in groups.items()}


def _place(key: tuple[str, str, str, int, int]) -> tuple[object, ...]:
    split, treatment, variant, n, examples = key
    return (split, list(Treatment).index(Treatment(treatment)), variant, n, examples)


def _gain(runs: Sequence[float], others: Sequence[float]) -> str:
    return f"{100 * (np.mean(runs) - np.mean(others)):+.2f}" if len(others) else ""


def _text(verdicts: dict[str, Verdict], mode: str) -> str:
    if mode not in verdicts or verdicts[mode].verdict == NOT_RUN:
        return ""
    return f"{verdicts[mode].verdict} ({verdicts[mode].evidence})"
