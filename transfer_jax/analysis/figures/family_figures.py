"""Networks that start from given weights: accuracy of each family against n, layers by name."""

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.figures.bars import bars_note, draw_points, fit
from transfer_jax.analysis.figures.drawing import (
    Ends,
    grid,
    label_ends,
    name_panel,
    room_for,
    style_of,
    tidy,
)
from transfer_jax.analysis.figures.letters import legible
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.effects import ACCURACY, Effect, Effects
from transfer_jax.analysis.tables import heading, title

# Letters of the names of layers, in points; so many names have room side by side.
LETTERS, MOST_NAMES = 10, 20
LONGEST = 24
ACROSS = 5.6


def family_curves(found: Sequence[Effects]) -> Figure:
    """How accurate each family is at each n; a row a group.

    Args:
      found: the numbers of each group.

    Returns:
      The figure: families that have an n as lines, those that have none as levels; bars are 95%
      intervals, those of levels to the left.
    """
    names = [heading(*kind, plain=True) for own in found for kind in own.group.curves()]
    below = max(_height(own) for own in found)
    levels = any(not arm.n for own in found for arm in own.group.arms)
    told = "Ways that have no n are levels, with their bars to the left. " * levels
    note = f"{told}{bars_note(found)}"
    room = (room_for(names),)
    figure, rows = grid(len(found), room, across=ACROSS, high=3.4, below=below, note=note)
    for (axis,), own in zip(rows, found, strict=True):
        name_panel(axis, title(own))
        axis.set_ylabel("test accuracy, %")
        ends = _draw(axis, own)
        label_ends(axis, ends)
    rows[-1][0].set_xlabel("n, and the layer up to which it counts")
    return figure


def _draw(axis: Axes, own: Effects) -> Ends:
    """Draw all families; where each ends, and its colour."""
    kinds = {kind: _of_kind(own, *kind) for kind in own.group.curves()}
    lines = [kind for kind, held in kinds.items() if held[-1].quantity.first_n]
    levels, depths = [kind for kind in kinds if kind not in lines], _depths(own.group.arms)
    apart = _apart(depths)
    ends: Ends = {}
    for kind, held in kinds.items():
        style, own_kind = style_of(*kind, plain=True), lines if kind in lines else levels
        shift = apart * (own_kind.index(kind) - (len(own_kind) - 1) / 2)
        if kind in levels:
            shift += _left_of(depths)
            colour, _, line = style
            axis.axhline(100 * held[0].mean, color=colour, lw=1.6, ls=line, zorder=1)  # pyright: ignore
        draw_points(axis, held, style, shift=shift, size=5)
        ends[heading(*kind, plain=True)] = (100 * held[-1].mean, style[0])
    fit(axis, also=[100 * held[0].mean for held in kinds.values()])
    # Intervals of few seeds reach beyond what a share can be.
    low, high = axis.get_ylim()
    axis.set_ylim(max(low, 0.0), min(high, 100.0))
    _layers_below(axis, own)
    return ends


def _of_kind(own: Effects, treatment: object, variant: str) -> list[Effect]:
    held = [e for e in own.at_cuts(ACCURACY) if e.quantity[1:3] == (treatment, variant)]
    return sorted(held, key=lambda effect: effect.quantity.first_n)


def _apart(depths: Sequence[int]) -> float:
    """How far apart bars of one n stand: the more layers, the wider in these."""
    return 0.02 * (depths[-1] - depths[0] + 1) if depths else 0.1


def _left_of(depths: Sequence[int]) -> float:
    """Where ways stand that have no n."""
    return depths[0] - 8 * _apart(depths) if depths else 0.0


def _layers_below(axis: Axes, own: Effects) -> None:
    """Every n that some way has, with the name of its layer where that is known."""
    depths = _depths(own.group.arms)
    shown = depths[:: max(1, -(-len(depths) // MOST_NAMES))]
    layers = own.group.layers
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if layers else {}
    left = [_left_of(depths)] * any(not arm.n for arm in own.group.arms)
    places = [*left, *shown]
    names = [*["no n"] * len(left), *(_tick(n, layers) for n in shown)]
    axis.set_xticks(places, names, fontsize=LETTERS, **slanted)
    room = 4 * _apart(depths)
    axis.set_xlim(places[0] - room, places[-1] + room)
    tidy(axis)


def _tick(n: int, layers: Sequence[str]) -> str:
    name = legible(layers[n - 1]) if 0 < n <= len(layers) else ""
    return f"{n}: {name[:LONGEST]}" if name else f"{n}"


def _depths(arms: Iterable[Arm]) -> list[int]:
    return sorted({arm.n for arm in arms if arm.n})


def _height(own: Effects) -> float:
    """How high the slanted names are, in inches."""
    names = [_tick(n, own.group.layers) for n in _depths(own.group.arms)]
    return 0.6 * room_for(names, LETTERS) - 0.1 if own.group.layers else 0.0
