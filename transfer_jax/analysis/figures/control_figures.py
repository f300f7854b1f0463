"""The controls that were measured beside accuracy, a figure each."""

from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from transfer_jax.analysis.control_tables import against_fewer, tau_text
from transfer_jax.analysis.figures.bars import fit
from transfer_jax.analysis.figures.control_notes import bars_text, place_names, titled
from transfer_jax.analysis.figures.drawing import (
    CUT_MAP,
    STYLES,
    WIDEST,
    Ends,
    label_ends,
    panels,
    room_for,
    tidy,
)
from transfer_jax.analysis.figures.robustness import robustness
from transfer_jax.analysis.statistics.control_numbers import (
    base_accuracies,
    by_tasks,
    column_of,
    frozen_accuracies,
    profiles,
    transfers,
)
from transfer_jax.analysis.statistics.inference import Estimate, over_units
from transfer_jax.analysis.statistics.ranks import FEWER, NAMES, Ranked, ranks
from transfer_jax.folder.control_results import (
    BARRIER,
    CKA,
    DEBIASED_CKA,
    LEEP,
    LOGME,
    REINITIALISATION,
    STITCHING,
    TWO_RUNS,
    ControlRow,
)
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

# The name of a layer, a place or a cut to the number there, in the order of the horizontal axis.
Profile = Mapping[str, Estimate]
SMALL = 11
# On the line between two networks.
PLACES = ["0", "0.5", "1"]
# What stands at n = 0.
ALONE = {DEBIASED_CKA: "target's base", TWO_RUNS: "from scratch"}


def control_figures(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> dict[str, Figure]:
    """The figures of the controls that were measured between different tasks.

    Args:
      rows: what was measured.
      networks: the networks.

    Returns:
      Name of the file to figure.
    """
    own = transfers(rows, networks)
    found = {row.control for row in own}
    figures: dict[str, Figure] = {}
    for name, control, ylabel, xlabel in (
        (CKA, DEBIASED_CKA, "debiased CKA with the base network", "layer"),
        (BARRIER, TWO_RUNS, "test accuracy", "from the first run to the second"),
    ):
        if control in found:
            held = [row for row in own if row.control == control]
            figures[name] = _profiles(held, ylabel, xlabel)
    if REINITIALISATION in found:
        figures[REINITIALISATION] = robustness(own)
    if STITCHING in found:
        figures[STITCHING] = _stitching(own, networks)
    if {LEEP, LOGME} & found:
        figures["scores"] = _scores(own, networks)
    return figures


def _profiles(rows: Sequence[ControlRow], ylabel: str, xlabel: str) -> Figure:
    """A line a cut, along the layers or along the way between two networks; a panel a group."""
    groups = dict(list(by_tasks(rows).items())[:WIDEST])
    lines = {tasks: profiles(own) for tasks, own in groups.items()}
    names = [_cut_name(rows[0].control, n) for found in lines.values() for n in found]
    along = [line for found in lines.values() for line in found.values()]
    places = list(dict.fromkeys(place for line in along for place in line))
    ticks, key = (PLACES, "") if rows[0].control == TWO_RUNS else place_names(places)
    bars = "Bars, at the ends and half way, are" if rows[0].control == TWO_RUNS else "Bars are"
    note = f"Lines are means over targets. {bars_text(rows, bars)} {key}"
    figure, axes = panels(len(groups), room=room_for(names, SMALL), note=note)
    axes[0].set_ylabel(ylabel)
    ends = []
    for axis, (tasks, found) in zip(axes, lines.items(), strict=True):
        ends.append(_draw_lines(axis, rows[0].control, found, places))
        axis.set_xticks(np.linspace(0, len(places) - 1, len(ticks)), ticks, fontsize=SMALL)
        _finish(axis, tasks, xlabel)
    fit(*axes)
    for axis, found in zip(axes, ends, strict=True):
        label_ends(axis, found, size=SMALL)
    return figure


def _draw_lines(
    axis: Axes, control: str, lines: Mapping[int, Profile], places: Sequence[str]
) -> Ends:
    ends: Ends = {}
    for number, (n, line) in enumerate(lines.items()):
        colour = _colour(n, max(lines))
        # Beside one another, so that bars do not hide each other.
        shift = 0.3 * (number / max(1, len(lines) - 1) - 0.5)
        xs = [places.index(place) + shift for place in line]
        bars = [one.half_width() or np.nan for one in line.values()]
        if control == TWO_RUNS:
            bars = [
                bar if place in PLACES else np.nan for place, bar in zip(line, bars, strict=True)
            ]
        _draw(axis, xs, list(line.values()), bars, colour, "-o" if n else "--D")
        ends[_cut_name(control, n)] = (list(line.values())[-1].mean, colour)
    if control == TWO_RUNS:  # All end at about one height: their names stand in order.
        height = float(np.mean([end for end, _ in ends.values()]))
        return {name: (height + 1e-6 * i, own[1]) for i, (name, own) in enumerate(ends.items())}
    return ends


def _draw(
    axis: Axes,
    xs: Sequence[float],
    line: Sequence[Estimate],
    bars: Sequence[float | None],
    colour: str,
    style: str,
) -> None:
    means, halves = [one.mean for one in line], [np.nan if b is None else b for b in bars]
    axis.errorbar(xs, means, halves, fmt=style, color=colour, lw=1.6, ms=4, elinewidth=0.8)


def _stitching(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> Figure:
    mine = [row for row in rows if row.control == STITCHING]
    groups = dict(list(by_tasks(mine).items())[:WIDEST])
    note = f"Lines are means over targets. {bars_text(mine)}"
    names = ["stitched", "untrained", "AnB", "base"]
    figure, axes = panels(len(groups), room=room_for(names), note=note)
    axes[0].set_ylabel("test accuracy")
    ends = []
    for axis, (tasks, here) in zip(axes, groups.items(), strict=True):
        ends.append(_draw_stitches(axis, here, networks))
        _finish(axis, tasks, "n, number of layers of the base network")
        axis.xaxis.get_major_locator().set_params(integer=True)  # pyright: ignore
    fit(*axes, also=[height for found in ends for height, _ in found.values()])
    for axis, found in zip(axes, ends, strict=True):
        label_ends(axis, found)
    return figure


def _draw_stitches(axis: Axes, here: Sequence[ControlRow], networks: Sequence[ResultRow]) -> Ends:
    ends: Ends = {}
    columns = {column_of(row) for row in here}
    bases = base_accuracies(networks)
    places = {(split, seed, target) for split, seed, _, target in columns}
    levels = [bases[place] for place in places if place in bases]
    if levels:
        ends["base"] = (float(np.mean(levels)), "black")
        axis.axhline(ends["base"][0], color="black", lw=0.8, linestyle=(0, (1, 2)))
    frozen = frozen_accuracies(networks)
    curves = {
        "stitched": ([(r.n, _place(r), r.value) for r in here if r.at > 0], "#009E73", "-s"),
        "stitched,\nuntrained": ([(r.n, _place(r), r.value) for r in here if r.at == 0], "#777777",
                                 ":^"),
        "AnB": (
            [(n, key[:2], top1) for key in sorted(columns) for n, top1 in
             frozen.get(key, {}).items()],
            STYLES[Treatment.TRANSFER][0],
            "-o",
        ),
    }  # fmt: skip
    for number, (name, (points, colour, style)) in enumerate(curves.items()):
        ns = sorted({n for n, _, _ in points})
        line = [over_units((place, y) for m, place, y in points if m == n) for n in ns]
        if line:
            bars = [one.half_width() for one in line]
            _draw(axis, [n + 0.08 * (number - 1) for n in ns], line, bars, colour, style)
            ends[name] = (line[-1].mean, colour)
    return ends


def _scores(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> Figure:
    """Each score against the accuracy that frozen transfer then has; so the trivial one."""
    accuracy = frozen_accuracies(networks)
    own = [r for r in rows if r.control in NAMES and r.n in accuracy.get(column_of(r), {})]
    present = [name for name in NAMES if any(row.control == name for row in own)]
    note = f"A point a network. {_taus_text(ranks(own, networks))}"
    figure, axes = panels(len(present) + 1, room=0.4, note=note)
    axes[0].set_ylabel("test accuracy of AnB")
    for axis, name in zip(axes, [*present, FEWER], strict=True):
        mine = [row for row in own if row.control == (present[0] if name == FEWER else name)]
        xs = [float(row.n) if name == FEWER else row.value for row in mine]
        ys = [accuracy[column_of(row)][row.n] for row in mine]
        last = max((row.n for row in mine), default=1)
        axis.scatter(xs, ys, s=26, color=[_colour(row.n, last) for row in mine])
        axis.set_title(NAMES[name])
        axis.set_xlabel("n, by colour in all panels" if name == FEWER else "nats")
        tidy(axis)
    return figure


def _taus_text(found: Iterable[Ranked]) -> str:
    by_group: dict[str, list[str]] = {}
    for one in found:
        if one.columns:
            told = against_fewer(one)
            text = f"{NAMES[one.predictor]} {tau_text(one.tau)}" + (f", {told}" if told else "")
            by_group.setdefault(one.tasks, []).append(text)
    if not by_group:
        return "Fewer than three cuts have no order."
    groups = ". ".join(f"{titled(tasks)}: {'; '.join(own)}" for tasks, own in by_group.items())
    return f"Kendall's τ over the cuts, with 95% intervals over splits or seeds. {groups}."


def _finish(axis: Axes, tasks: str, xlabel: str) -> None:
    axis.set_title(titled(tasks))
    axis.set_xlabel(xlabel)
    tidy(axis)


def _cut_name(control: str, n: int) -> str:
    return f"n = {n}" if n else ALONE[control]


def _colour(n: int, last: int) -> str:
    return to_hex(matplotlib.colormaps[CUT_MAP](0.85 * n / max(1, last))) if n else "black"


def _place(row: ControlRow) -> tuple[str, int]:
    return row.split, row.seed
