"""The tables of what was measured beside accuracy, in words that its intervals allow."""

from collections.abc import Iterable, Sequence

import numpy as np

from transfer_jax.analysis.statistics.control_numbers import (
    Barrier,
    barriers,
    base_accuracies,
    by_tasks,
    stitched,
    transfers,
)
from transfer_jax.analysis.statistics.inference import Estimate, Word
from transfer_jax.analysis.statistics.margins import margin_of
from transfer_jax.analysis.statistics.ranks import FEWER, NAMES, TAU_MARGIN, Ranked, ranks
from transfer_jax.analysis.tables import Table
from transfer_jax.folder.control_results import FORMER, ControlRow
from transfer_jax.folder.results import ResultRow

# What is said of the accuracy that is lost between two runs.
BARRIERS = {
    Word.ABOVE: "a barrier",
    Word.BELOW: "better half way",
    Word.SAME: "no barrier",
    Word.OPEN: "a barrier is not shown",
}
# How a score ranks the cuts, beside the trivial predictor.
RANKS = {
    Word.ABOVE: "better than",
    Word.BELOW: "worse than",
    Word.SAME: "as well as",
    Word.OPEN: "not shown to differ from",
}
OVER_SCRATCH = {
    Word.ABOVE: "higher",
    Word.BELOW: "lower",
    Word.SAME: "as high",
    Word.OPEN: "not shown to differ",
}


def control_tables(
    rows: Sequence[ControlRow], networks: Sequence[ResultRow], margin: float = 0.0
) -> list[Table]:
    """The tables of the controls.

    Args:
      rows: what was measured.
      networks: the networks.
      margin: a difference of accuracies that does not matter; 0 for the rule of `margin_of`.

    Returns:
      What stitching gives at each cut, what lies between two runs, how scores rank the cuts, and
      what cannot be shown; those without a number have no rows.
    """
    own = transfers(rows, networks)
    margins = {t: margin or _margin(held, networks) for t, held in by_tasks(own).items()}
    return [
        _stitching_table(own, networks, margins),
        _barrier_table(barriers(own), margins),
        _rank_table(ranks(own, networks)),
        _former_table(rows),
    ]


def tau_text(tau: Estimate) -> str:
    """A rank correlation with its interval.

    Returns:
      Such as "+0.62±0.11"; without an interval where there is none.

    Example:
      >>> tau_text(Estimate(0.5, (), 1))
      '+0.50'
    """
    half = tau.half_width()
    return f"{tau.mean:+.2f}" + ("" if half is None else f"±{half:.2f}")


def against_fewer(ranked: Ranked) -> str:
    """How a score ranks the cuts, in the words that the interval of the difference allows.

    Returns:
      A clause; empty for the trivial predictor itself, and where there is no number.
    """
    if ranked.predictor == FEWER or not ranked.columns:
        return ""
    word = RANKS[ranked.over_fewer.word(TAU_MARGIN)]
    return f"{word} “{FEWER}” ({tau_text(ranked.over_fewer)})"


def _stitching_table(
    rows: Sequence[ControlRow], networks: Sequence[ResultRow], margins: dict[str, float]
) -> Table:
    names = ("trained", "untrained", "frozen")
    lines = []
    for (tasks, n), found in stitched(rows, networks).items():
        cells = [found[name].points() if name in found else "" for name in names]
        trained = found.get("trained")
        word = f"{trained.word(margins[tasks]).value} base" if trained else ""
        lines.append((tasks, f"{n}", *cells, word))
    header = ("tasks", "n", "stitched, trained", "stitched, untrained", "AnB", "trained stitch is")
    return Table("Stitching: points above base", header, tuple(lines))


def _barrier_table(found: Iterable[Barrier], margins: dict[str, float]) -> Table:
    lines = []
    for one in found:
        margin = margins[one.tasks]
        words = [BARRIERS[one.lost.word(margin)], ""]
        if one.over_scratch.units:
            words[1] = OVER_SCRATCH[one.over_scratch.word(margin)]
        start = f"AnB+, n = {one.n}" if one.n else "from scratch"
        numbers = [one.lost.points(), one.over_scratch.points()]
        lines.append((one.tasks, start, numbers[0], words[0], numbers[1], words[1]))
    header = ("tasks", "two runs", "lost half way", "hence", "more than from scratch", "hence")
    return Table("Between two runs from one start: points of accuracy", header, tuple(lines))


def _rank_table(found: Iterable[Ranked]) -> Table:
    lines = []
    for one in found:
        columns = f"{one.columns}" + (f", {one.without} without a τ" if one.without else "")
        told = tau_text(one.tau) if one.columns else ""
        lines.append((one.tasks, NAMES[one.predictor], told, against_fewer(one), columns))
    header = ("tasks", "predictor", "Kendall's τ", "ranks the cuts", "columns")
    return Table("How scores of the cuts rank with the accuracy of AnB", header, tuple(lines))


def _former_table(rows: Iterable[ControlRow]) -> Table:
    there = {row.control for row in rows}
    lines = tuple((name, text) for name, text in FORMER.items() if name in there)
    header = ("in controls/", "is")
    return Table("Measured by an earlier version, and not shown", header, lines)


def _margin(rows: Iterable[ControlRow], networks: Sequence[ResultRow]) -> float:
    """Of the base networks of their targets."""
    places = {(row.split, row.seed, row.target) for row in rows}
    found = [top1 for place, top1 in base_accuracies(networks).items() if place in places]
    return margin_of(1 - float(np.mean(found)) if found else 1.0)
