"""A run beside the authors' own numbers, claim by claim and treatment by treatment."""

from collections.abc import Sequence

import numpy as np

from transfer_jax.analysis.paper.claims import judge
from transfer_jax.analysis.paper.original import original_rows, published_table1, statistic_of
from transfer_jax.analysis.statistics.crossing import RANDOM_HALVES, family_of
from transfer_jax.analysis.statistics.effects import BOOST, Effects
from transfer_jax.analysis.statistics.inference import Word
from transfer_jax.analysis.statistics.verdicts import NOT_RUN
from transfer_jax.analysis.tables import Table, heading
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

RANGES = ((1, 7), (3, 7), (5, 7))
Rows = Sequence[ResultRow]
QUESTION = "transfer gains over training on from the same task"
ANSWERS = {
    Word.ABOVE: "Transfer gains over training on from the same task",
    Word.BELOW: "Transfer loses against training on from the same task",
    Word.SAME: "Transfer gains nothing that matters over training on from the same task",
    Word.OPEN: "Transfer is not shown to gain or lose against training on from the same task",
}


def claims_table(found: Sequence[Effects]) -> Table | None:
    """The paper's claims that the numbers of a report can test, with their verdicts.

    Args:
      found: the numbers of each group.

    Returns:
      A line a claim; None where no claim can be tested.
    """
    lines = [
        (f"{claim.number}", claim.text, verdict.verdict, verdict.evidence)
        for claim, verdict in judge(found)
        if verdict.verdict != NOT_RUN
    ]
    header = ("", "claim of the paper", "verdict", "differences in points")
    return Table("The paper's claims", header, tuple(lines)) if lines else None


def boost_note(found: Sequence[Effects]) -> str:
    """Whether transfer gains over training on, which the authors' runs left open.

    Their fine-tuned selffers all have target A and their fine-tuned transfers target B, so that
    there is nothing to pair.

    Args:
      found: the numbers of each group.

    Returns:
      One sentence; empty where AnB+ or BnB+ was not run on random halves.

    Source: Yosinski et al. (2014), section 4.1; the logs of yosinski/convnet_transfer.
    """
    own = next((o for o in found if o.group.family == RANDOM_HALVES and not o.group.examples), None)
    boost = next(iter([*own.ranges(BOOST), *own.of(BOOST)]), None) if own else None
    if own is None or boost is None:
        return ""
    estimate, cuts = boost.estimate, boost.quantity
    if estimate.lacks:
        number = f" ({estimate.points()} points)" if estimate.units else ""
        return f"Whether {QUESTION} is undecided{number}: {estimate.lacks}."
    word = estimate.word(own.margin)
    return (
        f"{ANSWERS[word]}: AnB+ less BnB+ is {estimate.points()} points, mean of "
        f"n = {cuts.first_n} to {cuts.last_n}."
    )


def table1(rows: Rows) -> Table | None:
    """Table 1 of the paper: what fine-tuned transfer gains, over ranges of cuts.

    Means of all networks, as in the paper; beside them, of what is left after subtracting the base
    network of the same split, seed and target.

    Returns:
      Boosts in points, the published ones beside them; None where there is no AnB+ at n = 7 on
      random halves.

    Source: Yosinski et al. (2014), table 1.
    """
    halves = [
        r for r in rows if family_of(r.split) == RANDOM_HALVES and not (r.variant or r.examples)
    ]
    base = {(r.split, r.seed, r.target): r.best10 for r in halves if r.treatment == Treatment.BASE}
    lines = []
    for (low, high), published in zip(RANGES, published_table1(), strict=True):
        arms = {
            treatment: [r for r in halves if r.treatment == treatment and low <= r.n <= high]
            for treatment in (Treatment.TRANSFER_PLUS, Treatment.SELFFER_PLUS)
        }
        moved, stayed = arms.values()
        if high not in {row.n for row in moved}:
            return None
        pooled, stayed_pooled = ([row.best10 for row in own] for own in (moved, stayed))
        paired, stayed_paired = (
            [r.best10 - base[place] for r in own if (place := (r.split, r.seed, r.target)) in base]
            for own in (moved, stayed)
        )
        line = [f"{low}-{high}", _gain(pooled, list(base.values())), _gain(pooled, stayed_pooled)]
        line += [_gain(paired, [0.0]), _gain(paired, stayed_paired)]
        line += [f"+{published[f'published_boost_over_{arm}_pct']}" for arm in ("baseB", "BnBplus")]
        lines.append(tuple(line))
    header = ("n", "over base", "over BnB+", "own: over base", "own: over BnB+",
              "published: over base", "over BnB+")  # fmt: skip
    return Table(f"Table 1: the boost of AnB+, points; {statistic_of(rows)}", header, tuple(lines))


def beside_the_authors(rows: Rows, reference: str) -> Table:
    """Means of each treatment at each n: the run's, the authors', and the difference.

    Args:
      reference: which of the authors' experiments it repeats.

    Returns:
      Percent, the paper's statistic: mean of the ten highest accuracies of a run, chosen on the
      test images; the title says where a run has but one test. Without a run, the authors' numbers
      alone.
    """
    authors = original_rows(reference)
    ours, theirs = _means(rows), _means(authors)
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
    statistic = statistic_of(rows, authors)
    return Table(
        f"Top-1 beside the authors' networks, %: {reference}; {statistic}", header, tuple(lines)
    )


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
