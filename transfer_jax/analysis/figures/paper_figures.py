"""The paper's own figures, drawn from any table of results: a run's, or the authors'."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.figures.drawing import RC, STYLES, tidy
from transfer_jax.analysis.statistics.crossing import DISTANT, RANDOM_HALVES, WHOLE, family_of
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

Rows = Sequence[ResultRow]
NATURAL, MAN_MADE = ("#009E73", "s"), ("#CC79A7", "^")
THEIRS: Any = {"color": "#999999", "marker": "x", "linestyle": ":", "linewidth": 1.2}
PRESERVED = (("", "-", "o"), ("preserved1", "--", "s"), ("preserved2", ":", "^"))
MOVED = {
    Treatment.SELFFER: -0.2,
    Treatment.SELFFER_PLUS: -0.07,
    Treatment.TRANSFER: 0.07,
    Treatment.TRANSFER_PLUS: 0.2,
}


def paper_figures(rows: Rows, reference: Rows = ()) -> dict[str, Figure]:
    """All figures of the paper for which a table has networks.

    Args:
      reference: the authors' networks, drawn in grey beside them; none to leave them out.

    Returns:
      Name to figure: "figure2", "figure3", "reduced", "preserved".
    """
    families = {family_of(row.split) for row in rows if row.treatment != Treatment.BASE}
    found = {}
    with matplotlib.rc_context(RC):
        if RANDOM_HALVES in families:
            found["figure2"] = _figure2(rows, reference)
        if families & {DISTANT, WHOLE}:
            found["figure3"] = _figure3(rows, reference)
        if any(row.examples and row.split == WHOLE for row in rows):
            found["reduced"] = _reduced(rows, reference)
        if any(row.variant.startswith("preserved") for row in rows):
            found["preserved"] = _preserved(rows)
    return found


def _figure2(rows: Rows, reference: Rows) -> Figure:
    """Above, a point a network; below, means and what their differences are called."""
    figure = Figure(figsize=(8.5, 9.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    halves = [row for row in rows if family_of(row.split) == RANDOM_HALVES and not row.variant]
    bases = [row.best10 for row in halves if row.treatment == Treatment.BASE]
    above.scatter(np.zeros(len(bases)), bases, s=22, color="black", marker="D", label="base")
    below.axhline(np.mean(bases), color="black", linewidth=0.8, linestyle=(0, (1, 2)))
    below.plot([0], [np.mean(bases)], "D", color="black", label="base")
    theirs = [row for row in reference if family_of(row.split) == RANDOM_HALVES]
    for treatment, shift in MOVED.items():
        colour, marker, line = STYLES[treatment]
        own = [row for row in halves if row.treatment == treatment]
        above.scatter(
            [row.n + shift for row in own],
            [row.best10 for row in own],
            s=22,
            color=colour,
            marker=marker,
            alpha=0.7,
            lw=0,
            label=treatment.value,
        )
        points = _means(own)
        below.plot(*_xy(points), line, marker=marker, color=colour, lw=2, label=treatment.value)
        others = _means([row for row in theirs if row.treatment == treatment])
        if others:
            label = "the authors'" if treatment == Treatment.SELFFER else None
            below.plot(*_xy(others), label=label, **THEIRS)
    frozen = _means([row for row in halves if row.treatment == Treatment.TRANSFER])
    selffer = _means([row for row in halves if row.treatment == Treatment.SELFFER])
    _shade(below, float(np.mean(bases)), selffer, frozen)
    for axis in (above, below):
        axis.set_ylabel("top-1 accuracy")
        axis.legend(frameon=False, fontsize=11, loc="lower left")
        tidy(axis)
    below.set_xlabel("n, number of transferred layers")
    return figure


def _shade(
    axis: Axes, base: float, selffer: dict[float, float], frozen: dict[float, float]
) -> None:
    """The losses by co-adaptation and by specificity, between the lines of means."""
    depths = sorted(set(selffer) & set(frozen))
    if len(depths) < 2:
        return
    middle = [min(base, selffer[n]) for n in depths]
    axis.fill_between(
        depths, base, middle, color="#0072B2", alpha=0.12, lw=0, label="co-adaptation"
    )
    low = [min(m, frozen[n]) for m, n in zip(middle, depths, strict=True)]
    axis.fill_between(depths, middle, low, color="#D55E00", alpha=0.12, lw=0, label="specificity")


def _figure3(rows: Rows, reference: Rows) -> Figure:
    """Between distant tasks; random filters; all of them as shares of their own base."""
    figure = Figure(figsize=(15, 4.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for table, style in ((reference, THEIRS), (rows, {})):
        for target, (colour, marker), name in (
            ("B", NATURAL, "to B (natural)"),
            ("A", MAN_MADE, "to A (man-made)"),
        ):
            curve = _curve(table, DISTANT, Treatment.TRANSFER, target)
            drawn = style or {"color": colour, "marker": marker, "lw": 2, "label": name}
            left.plot(*_xy(curve), **drawn)
        family = WHOLE if any(row.split == WHOLE for row in table) else DISTANT
        random = _curve(table, family, Treatment.RANDOM)
        colour, marker, line = STYLES[Treatment.RANDOM]
        drawn = style or {"color": colour, "marker": marker, "ls": line, "label": "random, frozen"}
        middle.plot(*_xy(random), **drawn)
        for treatment, kind, colour, marker, name in (
            (Treatment.TRANSFER, RANDOM_HALVES, "#D55E00", "o", "random halves"),
            (Treatment.TRANSFER, DISTANT, "#009E73", "s", "distant tasks"),
            (Treatment.RANDOM, family, "#777777", "^", "random filters"),
        ):
            curve = _relative(_curve(table, kind, treatment))
            drawn = style or {"color": colour, "marker": marker, "lw": 2, "label": name}
            right.plot(*_xy(curve), **drawn)
    right.set_ylabel("change relative to base")
    for axis, title in (
        (left, "frozen transfer between distant tasks"),
        (middle, "random frozen layers"),
        (right, "relative to base"),
    ):
        axis.set_title(title)
        axis.set_xlabel("n, number of transferred or random layers")
        axis.legend(frameon=False, fontsize=11)
        tidy(axis)
    left.set_ylabel("top-1 accuracy")
    middle.set_ylabel("top-1 accuracy")
    return figure


def _reduced(rows: Rows, reference: Rows) -> Figure:
    """Base networks on the first k images of each class; k = 0 stands for all."""
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    axis = figure.subplots()
    for table, style in ((reference, THEIRS), (rows, {"color": "black", "marker": "o", "lw": 2})):
        bases = [r for r in table if r.split == WHOLE and r.treatment == Treatment.BASE]
        ks = sorted({row.examples for row in bases} - {0})
        found = {k: np.mean([r.best10 for r in bases if r.examples == k]) for k in (*ks, 0)
                 if any(r.examples == k for r in bases)}  # fmt: skip
        axis.plot([str(k) if k else "all" for k in found], list(found.values()), **style)
    axis.set_xlabel("training images of each class")
    axis.set_ylabel("top-1 accuracy")
    tidy(axis)
    return figure


def _preserved(rows: Rows) -> Figure:
    """Frozen conditions, with none, one or two more layers copied and trained."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axis, treatment in zip(panels, (Treatment.SELFFER, Treatment.TRANSFER), strict=True):
        axis.set_title(treatment.value)
        colour = STYLES[treatment][0]
        for variant, line, marker in PRESERVED:
            own = [r for r in rows if (r.treatment, r.variant) == (treatment, variant)]
            name = variant or "none preserved"
            axis.plot(*_xy(_means(own)), line, marker=marker, color=colour, lw=2, label=name)
        axis.set_xlabel("n, number of frozen layers")
        axis.legend(frameon=False)
        tidy(axis)
    panels[0].set_ylabel("top-1 accuracy")
    return figure


def _curve(
    rows: Rows, family: str, treatment: str, target: str | None = None
) -> dict[float, float]:
    """Means at each n, the base networks at 0."""
    wanted = [
        row
        for row in rows
        if family_of(row.split) == family and not (row.variant or row.examples)
        if row.treatment in (treatment, Treatment.BASE) and target in (None, row.target)
    ]
    return _means(wanted) if any(row.treatment == treatment for row in wanted) else {}


def _means(rows: Rows) -> dict[float, float]:
    depths = sorted({row.n for row in rows})
    return {float(n): float(np.mean([r.best10 for r in rows if r.n == n])) for n in depths}


def _relative(curve: dict[float, float]) -> dict[float, float]:
    return {n: value / curve[0.0] - 1 for n, value in curve.items()} if 0.0 in curve else {}


def _xy(curve: dict[float, float]) -> tuple[list[float], list[float]]:
    return list(curve), list(curve.values())
