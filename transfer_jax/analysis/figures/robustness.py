"""Which layers must be trained: what is lost where one is put back, as a map of cuts and layers."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.figures.control_notes import bars_text, place_names, titled
from transfer_jax.analysis.figures.drawing import WIDEST, panels
from transfer_jax.analysis.statistics.control_numbers import by_tasks, put_back
from transfer_jax.analysis.statistics.inference import Estimate
from transfer_jax.folder.control_results import REINITIALISATION, ControlRow

MAP = "Purples_r"
# Columns of a map whose cells have room for numbers.
NUMBERED = 10


def robustness(rows: Iterable[ControlRow]) -> Figure:
    """Points of accuracy less than those of the network as it is; a panel a group of splits.

    Returns:
      The figure.

    Source: Zhang, Bengio and Singer (2019), Are all layers created equal?
    """
    own = [row for row in rows if row.control == REINITIALISATION]
    found = {tasks: put_back(held) for tasks, held in list(by_tasks(own).items())[:WIDEST]}
    layers = list(dict.fromkeys(row.layer for row in own if row.layer))
    ticks, key = place_names(layers)
    numbers = "" if len(layers) > NUMBERED else bars_text(own).replace("Bars are", "After ± stand")
    note = f"Points of test accuracy, mean over targets, dark where much is lost. {numbers} {key}"
    figure, axes = panels(len(found), room=0.3, note=note)
    axes[0].set_ylabel("n, number of transferred layers")
    worst = min(cell.mean for maps in found.values() for cell in maps.values())
    for axis, (tasks, cells) in zip(axes, found.items(), strict=True):
        _draw_map(axis, cells, layers, min(worst, -0.01))
        axis.set_xticks(range(len(layers)), ticks, fontsize=11)
        axis.set_xlabel("layer put back to its start")
        axis.set_title(titled(tasks))
    return figure


def _draw_map(
    axis: Axes, cells: Mapping[tuple[int, str], Estimate], layers: Sequence[str], worst: float
) -> None:
    ns = sorted({n for n, _ in cells})
    means = np.full((len(ns), len(layers)), np.nan)
    for (n, layer), cell in cells.items():
        means[ns.index(n), layers.index(layer)] = cell.mean
    axis.imshow(means, cmap=MAP, vmin=1.3 * worst, vmax=0, aspect="auto", origin="lower")
    axis.set_yticks(range(len(ns)), [str(n) for n in ns])
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    if len(layers) > NUMBERED:
        return
    for (n, layer), cell in cells.items():
        half = cell.half_width()
        text = f"{round(100 * cell.mean):+d}" + ("" if half is None else f"\n±{100 * half:.0f}")
        colour = "white" if cell.mean < 0.7 * worst else "black"
        place = (layers.index(layer), ns.index(n))
        axis.text(*place, text, ha="center", va="center", fontsize=9, color=colour)
