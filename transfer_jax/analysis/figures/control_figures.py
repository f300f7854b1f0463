"""The controls that were measured beside accuracy: a figure and a table of each."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from transfer_jax.analysis.figures.drawing import (
    CUT_MAP,
    STYLES,
    WIDEST,
    Ends,
    label_ends,
    panels,
    tidy,
)
from transfer_jax.analysis.statistics.inference import Estimate, over_units
from transfer_jax.analysis.tables import Table
from transfer_jax.folder.control_results import (
    BARRIER,
    CKA,
    LEEP,
    LOGME,
    REINITIALISATION,
    STITCHING,
    ControlRow,
)
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import RANDOM_BASE, Treatment

# The name of a layer or a cut to the mean there, in the order of the horizontal axis.
Profile = dict[str, float]
BASE = "base"
NAMES = {LEEP: "LEEP", LOGME: "LogME"}
ENOUGH = 3
# A number, and the split and seed that it is of.
Placed = tuple[tuple[str, int], float]


def control_figures(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> dict[str, Figure]:
    """The figures of the controls that were measured between different tasks.

    Returns:
      Name of the file to figure.
    """
    own = transfers(rows)
    found = {row.control for row in own}
    figures: dict[str, Figure] = {}
    if CKA in found:
        figures[CKA] = _profiles(own, CKA, "linear CKA with the base network", "layer")
    if REINITIALISATION in found:
        figures[REINITIALISATION] = _profiles(
            own, REINITIALISATION, "test accuracy", "layer put back to its start"
        )
    if BARRIER in found:
        label = "from the network of n to that of n + 1"
        figures[BARRIER] = _profiles(own, BARRIER, "test accuracy", label)
    if STITCHING in found:
        figures[STITCHING] = _stitching(own, networks)
    if {LEEP, LOGME} & found:
        figures["scores"] = _scores(own, networks)
    return figures


def control_tables(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> list[Table]:
    """The tables of the controls.

    Returns:
      What stitching gives at each cut, and how scores rank the cuts; those that were measured.
    """
    own = transfers(rows)
    return [_stitching_table(own, networks), _rank_table(own, networks)]


def transfers(rows: Iterable[ControlRow]) -> list[ControlRow]:
    """The controls between different trained tasks.

    Returns:
      Those of columns whose base is neither the target nor random, with all examples.
    """
    return [row for row in rows if not row.examples and row.base not in (row.target, RANDOM_BASE)]


def _profiles(rows: Sequence[ControlRow], control: str, ylabel: str, xlabel: str) -> Figure:
    """A line a cut, along the layers or along the way between two networks; a panel a split."""
    mine = [row for row in rows if row.control == control]
    splits = list(dict.fromkeys(row.split for row in mine))[:WIDEST]
    figure, axes = panels(len(splits))
    axes[0].set_ylabel(ylabel)
    ends = []
    for axis, split in zip(axes, splits, strict=True):
        lines = _lines([row for row in mine if row.split == split])
        ends.append(_draw_lines(axis, lines))
        axis.set_title(f"{split} split")
        axis.set_xlabel(xlabel)
        tidy(axis)
    for axis, found in zip(axes, ends, strict=True):
        label_ends(axis, found, size=11)
    return figure


def _lines(rows: Sequence[ControlRow]) -> dict[int, Profile]:
    held: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        held[row.n][row.layer or (f"{row.at:g}" if row.control == BARRIER else "none")].append(
            row.value
        )
    return {
        n: {place: float(np.nanmean(values)) for place, values in line.items()}
        for n, line in sorted(held.items())
    }


def _draw_lines(axis: Axes, lines: dict[int, Profile]) -> Ends:
    colours = matplotlib.colormaps[CUT_MAP]
    ends: Ends = {}
    last = max(lines)
    for n, line in lines.items():
        colour = to_hex(colours(0.85 * n / max(1, last))) if n else "black"
        axis.plot(list(line), list(line.values()), "-o" if n else "--D", color=colour, lw=1.8, ms=4)
        ends[f"n = {n}" if n else "target's base"] = (list(line.values())[-1], colour)
    return ends


def _stitching(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> Figure:
    mine = [row for row in rows if row.control == STITCHING]
    splits = list(dict.fromkeys(row.split for row in mine))[:WIDEST]
    figure, axes = panels(len(splits))
    axes[0].set_ylabel("test accuracy")
    for axis, split in zip(axes, splits, strict=True):
        here = [row for row in mine if row.split == split]
        mates = [r for r in networks if r.split == split and not (r.variant or r.examples)]
        frozen = [r for r in mates if r.treatment == Treatment.TRANSFER]
        bases = [r.top1 for r in mates if r.treatment == Treatment.BASE]
        ends: Ends = {}
        if bases:
            ends["base"] = (float(np.mean(bases)), "black")
            axis.axhline(ends["base"][0], color="black", lw=0.8, linestyle=(0, (1, 2)))
        curves = {
            "stitched": ([(r.n, r.value) for r in here if r.at > 0], "#009E73", "-o"),
            "stitched,\nuntrained": ([(r.n, r.value) for r in here if r.at == 0], "#777777", ":^"),
            "AnB": ([(r.n, r.top1) for r in frozen], STYLES[Treatment.TRANSFER][0], "-s"),
        }
        for name, (points, colour, line) in curves.items():
            means = _means(points)
            if not means:
                continue
            axis.plot(list(means), list(means.values()), line, color=colour, lw=2)
            ends[name] = (list(means.values())[-1], colour)
        axis.set_title(f"{split} split")
        axis.set_xlabel("n, number of layers of the base network")
        axis.xaxis.get_major_locator().set_params(integer=True)  # pyright: ignore
        tidy(axis)
        label_ends(axis, ends)
    return figure


def _scores(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> Figure:
    """Each score against the accuracy that frozen transfer then has."""
    present = [name for name in NAMES if any(row.control == name for row in rows)]
    figure, axes = panels(len(present), room=0.4)
    colours = matplotlib.colormaps[CUT_MAP]
    measured = _measured(networks)
    axes[0].set_ylabel("test accuracy of AnB")
    for axis, name in zip(axes, present, strict=True):
        mine = [row for row in rows if row.control == name and _key(row) in measured]
        last = max((row.n for row in mine), default=1)
        for n in sorted({row.n for row in mine}):
            xs = [row.value for row in mine if row.n == n]
            ys = [measured[_key(row)] for row in mine if row.n == n]
            colour = to_hex(colours(0.85 * n / last))
            axis.scatter(xs, ys, s=26, color=colour)
            axis.annotate(f"n = {n}", (xs[0], ys[0]), color=colour, textcoords="offset points",
                          xytext=(5, 4), fontsize=11)  # fmt: skip
        axis.set_xlabel(f"{NAMES[name]}, nats")
        taus = _taus(mine, measured)
        if taus:
            axis.set_title(
                f"{NAMES[name]}: Kendall's τ over cuts {_told(over_units(taus))}", fontsize=12
            )
        tidy(axis)
    return figure


def _stitching_table(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> Table:
    """How far stitched networks are below base; frozen transfer beside it."""
    base = {
        (r.split, r.seed, r.target): r.top1
        for r in networks
        if r.treatment == Treatment.BASE and not r.examples
    }
    lost: dict[tuple[str, int], dict[str, list[Placed]]] = defaultdict(lambda: defaultdict(list))
    frozen = _measured(networks)
    for row in rows:
        place = (row.split, row.seed, row.target)
        if row.control != STITCHING or place not in base:
            continue
        name = "trained" if row.at > 0 else "untrained"
        lost[row.split, row.n][name].append((place[:2], row.value - base[place]))
        if _key(row) in frozen and row.at > 0:
            lost[row.split, row.n]["frozen"].append((place[:2], frozen[_key(row)] - base[place]))
    lines = tuple(
        (split, f"{n}", *(_points(found.get(k, [])) for k in ("trained", "untrained", "frozen")))
        for (split, n), found in lost.items()
    )
    header = ("split", "n", "stitched, trained", "stitched, untrained", "AnB")
    return Table("Stitching: points above base", header, lines)


def _rank_table(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> Table:
    measured = _measured(networks)
    lines = []
    for split in dict.fromkeys(row.split for row in rows):
        for name in NAMES:
            mine = [r for r in rows if r.control == name and r.split == split]
            taus = _taus([row for row in mine if _key(row) in measured], measured)
            if taus:
                lines.append((split, NAMES[name], _told(over_units(taus)), f"{len(taus)}"))
    header = ("split", "score", "Kendall's τ", "columns")
    return Table("How scores of the cuts rank with the accuracy of AnB", header, tuple(lines))


def _taus(rows: Sequence[ControlRow], measured: dict[tuple[object, ...], float]) -> list[Placed]:
    """The rank correlation over cuts, of each column."""
    from scipy import stats

    columns: dict[tuple[str, int, str, str], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        columns[row.split, row.seed, row.base, row.target].append((row.value, measured[_key(row)]))
    found = [
        (column[:2], float(stats.kendalltau(*zip(*pairs, strict=True)).statistic))  # pyright: ignore
        for column, pairs in columns.items()
        if len(pairs) >= ENOUGH
    ]
    return [(place, tau) for place, tau in found if not np.isnan(tau)]


def _measured(networks: Sequence[ResultRow]) -> dict[tuple[object, ...], float]:
    return {
        (r.split, r.seed, r.base, r.target, r.n): r.top1
        for r in networks
        if r.treatment == Treatment.TRANSFER and not (r.variant or r.examples)
    }


def _key(row: ControlRow) -> tuple[object, ...]:
    return (row.split, row.seed, row.base, row.target, row.n)


def _means(points: Sequence[tuple[int, float]]) -> dict[int, float]:
    ns = sorted({n for n, _ in points})
    return {n: float(np.mean([y for m, y in points if m == n])) for n in ns}


def _points(values: Sequence[Placed]) -> str:
    return over_units(values).points()


def _told(estimate: Estimate) -> str:
    half = estimate.half_width()
    return f"{estimate.mean:+.2f}" + ("" if half is None else f"±{half:.2f}")
