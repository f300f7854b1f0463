"""The transfer curves: accuracy against the number of transferred layers."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.statistics import Cell
from transfer_jax.analysis.tables import arms, heading
from transfer_jax.conditions import Treatment

# Paths, not fonts, so that the SVG looks the same everywhere; no random ids in it.
RC: Any = {"font.size": 13, "svg.fonttype": "path", "svg.hashsalt": "transfer_jax"}

# Okabe and Ito's colours, which stay apart for every kind of colour vision; shapes differ too.
STYLES = {
    Treatment.SELFFER: ("#0072B2", "o", "-"),
    Treatment.SELFFER_PLUS: ("#56B4E9", "s", "--"),
    Treatment.TRANSFER: ("#D55E00", "o", "-"),
    Treatment.TRANSFER_PLUS: ("#E69F00", "s", "--"),
    Treatment.RANDOM: ("#777777", "^", ":"),
}
Ends = dict[str, tuple[float, str]]


def transfer_curves(cells: Sequence[Cell]) -> Figure:
    """Accuracy of each treatment against n, a panel for each split.

    Args:
      cells: accuracies by split, treatment and n.

    Returns:
      The figure: lines of means, bars of 95% intervals, a faint point a seed.

    Source: Yosinski et al. (2014), figure 2.
    """
    splits = list(dict.fromkeys(cell.setting for cell in cells))
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(5.6 * len(splits), 5.0), layout="constrained")
        axes = figure.subplots(1, len(splits), squeeze=False, sharey=True)[0]
        axes[0].set_ylabel("test accuracy, mean of both targets")
        ends = []
        for axis, split in zip(axes, splits, strict=True):
            axis.set_title(f"{split} split")
            ends.append(_draw_panel(axis, [cell for cell in cells if cell.setting == split]))
        for axis, lines in zip(axes, ends, strict=True):
            _label_ends(axis, lines)
    return figure


def _draw_panel(axis: Axes, cells: Sequence[Cell]) -> Ends:
    """Draw the lines of one split; where each ends, and its colour."""
    base = [cell for cell in cells if cell.treatment == Treatment.BASE]
    depths = sorted({cell.n for cell in cells} | {0})
    for cell in base:
        axis.axhline(cell.mean, color="black", linewidth=0.8, linestyle=(0, (1, 2)), zorder=0)
        _draw_points(axis, cell, "black", "D", 0.0)
    ends: Ends = {}
    present = [arm for arm in arms(cells) if arm[0] in STYLES]
    for place, (treatment, variant) in enumerate(present):
        colour, marker, line = STYLES[treatment]
        if variant:
            marker, line = "x", "-."
        here = [c for c in cells if (c.treatment, c.variant) == (treatment, variant)]
        curve = sorted(here, key=lambda c: c.n)
        shift = 0.07 * (place - (len(present) - 1) / 2)
        means = [cell.mean for cell in curve]
        axis.plot([c.n + shift for c in curve], means, line, color=colour, linewidth=2)
        for cell in curve:
            _draw_points(axis, cell, colour, marker, shift)
        ends[heading(treatment, variant).replace(", ", ",\n")] = (means[-1], colour)
    axis.set_xticks(depths)
    axis.set_xlim(-0.4, depths[-1] + 0.4)
    axis.set_xlabel("n, number of transferred layers")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    if base:
        axis.annotate("base", (0, base[0].mean), (0, 14), textcoords="offset points", ha="center")
    return ends


def _draw_points(axis: Axes, cell: Cell, colour: str, marker: str, shift: float) -> None:
    x = cell.n + shift
    axis.scatter(np.full(len(cell.values), x), cell.values, s=14, color=colour, alpha=0.5, lw=0)
    axis.errorbar(
        x, cell.mean, cell.half_width, fmt=marker, color=colour, markersize=6, elinewidth=1.2
    )


def _label_ends(axis: Axes, ends: Ends) -> None:
    """Names at the right end of each line, moved apart where they would overlap."""
    low, high = axis.get_ylim()
    right = axis.get_xlim()[1] + 0.05
    gap = 0.055 * (high - low)
    lines = {name: gap * (1 + 0.8 * name.count("\n")) for name in ends}
    ordered = sorted(ends, key=lambda name: ends[name][0])
    heights = [ends[name][0] for name in ordered]
    for i in range(1, len(ordered)):
        room = (lines[ordered[i]] + lines[ordered[i - 1]]) / 2
        heights[i] = max(heights[i], heights[i - 1] + room)
    ceiling = high
    for i in reversed(range(len(ordered))):
        half = lines[ordered[i]] / 2
        heights[i] = min(heights[i], ceiling - half)
        ceiling = heights[i] - half
    for name, height in zip(ordered, heights, strict=True):
        axis.text(right, height, name, color=ends[name][1], va="center", clip_on=False)
