"""What frozen layers cost: of what it is made up, and between tasks of each distance."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from transfer_jax.analysis.figures.bars import bars_note, draw_points, fit
from transfer_jax.analysis.figures.drawing import (
    GROUP_STYLES,
    STYLES,
    Ends,
    cut_ticks,
    grid,
    label_ends,
    pairs,
    room_for,
    tidy,
)
from transfer_jax.analysis.statistics.effects import (
    ACCURACY,
    CO_ADAPTATION,
    GAIN,
    SPECIALISATION,
    Effect,
    Effects,
)
from transfer_jax.analysis.tables import title
from transfer_jax.grid.conditions import Treatment

BOTH = "both: base − AnB"
# Colour, marker and place beside the cut of each cost.
COSTS = {
    CO_ADAPTATION: (STYLES[Treatment.SELFFER][0], "o", -0.26),
    SPECIALISATION: (STYLES[Treatment.TRANSFER][0], "s", 0.0),
    BOTH: ("black", "D", 0.26),
}
NAMES = {
    CO_ADAPTATION: "co-adaptation: base − BnB",
    SPECIALISATION: "specialisation: BnB − AnB",
    BOTH: BOTH,
}
FROZEN = {Treatment.TRANSFER: "frozen transfer (AnB)", Treatment.RANDOM: "random frozen layers"}


def decomposition(found: Sequence[Effects]) -> Figure | None:
    """What frozen transfer costs at each cut: co-adaptation, specialisation, and both.

    Returns:
      The figure, side by side from 0, where a gain is a negative cost; None where no group has
      both costs.

    Source: Yosinski et al. (2014), section 4.1.
    """
    whole = [own for own in found if own.of(CO_ADAPTATION) and own.of(SPECIALISATION)]
    if not whole:
        return None
    note = f"Below 0 is a gain. {bars_note(whole)}"
    figure, axes = pairs(len(whole), 0.3, last=0.2, across=3.6, left=0.9, above=0.9, sharey=True,
                         note=note)  # fmt: skip
    for number, (axis, own) in enumerate(zip(axes, whole, strict=True)):
        _draw_costs(axis, own)
        axis.set_title(title(own), loc="left", weight="bold")
        axis.set_ylabel("" if number % 2 else "cost of accuracy, points")
        axis.set_xlabel("" if number < len(whole) - 2 else "n, number of frozen layers")
        tidy(axis)
    fit(*axes, also=(0.0,))
    handles = [
        Line2D([], [], color=colour, marker=marker, ls="", label=NAMES[kind])
        for kind, (colour, marker, _) in COSTS.items()
    ]
    figure.legend(handles=handles, loc="upper left", frameon=False, borderaxespad=0.3)
    return figure


def _draw_costs(axis: Axes, own: Effects) -> None:
    found = {kind: own.of(kind) for kind in (CO_ADAPTATION, SPECIALISATION)}
    found[BOTH] = own.of(GAIN, Treatment.TRANSFER)
    for kind, (colour, marker, shift) in COSTS.items():
        sign = -100.0 if kind == BOTH else 100.0
        for effect in found[kind]:
            place = effect.quantity.first_n + shift
            axis.bar(place, sign * effect.mean, 0.22, color=colour, alpha=0.3, lw=0)
        draw_points(axis, found[kind], (colour, marker, ""), shift=shift, scale=sign, size=5)
    axis.axhline(0, color="black", linewidth=0.8)
    cut_ticks(axis, [effect.quantity.first_n for own in found.values() for effect in own])


def distances(found: Sequence[Effects]) -> Figure | None:
    """How much frozen layers lose, as a share of base, between tasks of each distance.

    Returns:
      The figure, a panel for transferred and one for random layers; None where neither was run.

    Source: Yosinski et al. (2014), figure 3, right.
    """
    whole = [own for own in found if own.of(ACCURACY, Treatment.BASE)]
    shown = [t for t in FROZEN if any(own.of(GAIN, t) for own in whole)]
    if not shown:
        return None
    room = room_for([own.group.name for own in whole])
    rooms = [*[0.3] * (len(shown) - 1), room]
    note = f"{bars_note(whole)} All as a share of the mean accuracy of the base networks."
    figure, (axes,) = grid(1, rooms, across=3.4, high=3.4, sharey=True, note=note)
    axes[0].set_ylabel("change of accuracy, % of base")
    ends = [_draw_distances(a, whole, treatment) for a, treatment in zip(axes, shown, strict=True)]
    fit(*axes, also=(0.0,))
    label_ends(axes[-1], {name: end for own in ends for name, end in own.items()})
    return figure


def _draw_distances(axis: Axes, whole: Sequence[Effects], treatment: Treatment) -> Ends:
    ends: Ends = {}
    for number, own in enumerate(whole):
        curve = sorted(own.of(GAIN, treatment), key=_cut)
        if not curve:
            continue
        base = own.of(ACCURACY, Treatment.BASE)[0].mean
        colour, marker = GROUP_STYLES[number % len(GROUP_STYLES)]
        shift = 0.1 * (number - (len(whole) - 1) / 2)
        style = (colour, marker, STYLES[treatment][2])
        draw_points(axis, curve, style, shift=shift, scale=100 / base)
        ends[own.group.name] = (100 * curve[-1].mean / base, colour)
    axis.set_title(FROZEN[treatment], loc="left")
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xlabel("n, number of frozen layers")
    axis.xaxis.get_major_locator().set_params(integer=True)  # pyright: ignore
    tidy(axis)
    return ends


def _cut(effect: Effect) -> int:
    return effect.quantity.first_n
