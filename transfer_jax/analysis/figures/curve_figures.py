"""Accuracy against the number of transferred layers: differences, levels, every network."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.figures.bars import bars_note, draw_points, fit
from transfer_jax.analysis.figures.drawing import (
    Ends,
    cut_ticks,
    grid,
    label_ends,
    name_panel,
    room_for,
    style_of,
    tidy,
)
from transfer_jax.analysis.statistics.choices import is_pretrained
from transfer_jax.analysis.statistics.effects import (
    ACCURACY,
    CONVERGENCE,
    GAIN,
    GAIN_OVER_CONTROL,
    Effect,
    Effects,
)
from transfer_jax.analysis.tables import heading, title
from transfer_jax.grid.conditions import Treatment

XLABEL = "n, number of transferred layers"
TUNED = (Treatment.SELFFER_PLUS, Treatment.TRANSFER_PLUS)
CONTROLS = (Treatment.BASE, Treatment.SCRATCH)
MANY = 4000


def transfer_curves(found: Sequence[Effects]) -> Figure:
    """What each treatment gains or loses at each n, and how accurate it is; a row a group.

    Returns:
      The figure: to the left paired differences from the fair base, a faint point a seed; to the
      right accuracies; bars are 95% intervals.

    Source: Yosinski et al. (2014), figure 2, below.
    """
    room = room_for([line for own in found for name in _names(own) for line in name.split("\n")])
    note = f"{_compared(found)} {bars_note(found)} Faint points are seeds."
    figure, rows = grid(len(found), (room + 0.9, 0.25), across=2.6, note=note)
    for (left, right), own in zip(rows, found, strict=True):
        name_panel(left, title(own), room=room + 0.7)
        left.set_ylabel(f"points above {_control(own)}")
        right.set_ylabel("test accuracy, %")
        left.axhline(0, color="black", lw=0.9, zorder=0)
        ends = _draw(left, own, _over_control(own), seeds=True)
        _draw(right, own, own.at_cuts(ACCURACY), seeds=False)
        label_ends(left, {_control(own): (0.0, "black"), **ends})
    for axis in rows[-1]:
        axis.set_xlabel(XLABEL)
    return figure


def points_of_networks(found: Sequence[Effects]) -> Figure:
    """A point a network against n, a row a group, a column a target.

    Returns:
      The figure; the target's mean base network as a dotted line.

    Source: Yosinski et al. (2014), figure 2, above.
    """
    targets = sorted({place.target for own in found for place in own.group.places})
    room = room_for([name for own in found for name in _names(own)])
    level = "base networks" if any(own.group.base for own in found) else "networks from scratch"
    note = f"A point a network; a line at the mean of the target's {level}."
    rooms = [*[room + 0.7] * (len(targets) - 1), room]
    figure, rows = grid(len(found), rooms, across=3.4, note=note)
    # As shapes, so many points would be most of the page.
    many = sum(len(held) for own in found for held in own.group.rows.values()) > MANY
    for axes, own in zip(rows, found, strict=True):
        axes[0].set_ylabel("test accuracy, %")
        for axis, target in zip(axes, targets, strict=True):
            of = f", target {target}" if len(targets) > 1 or own.group.base else ""
            name_panel(axis, f"{title(own)}{of}", room=room - 0.1)
            label_ends(axis, _draw_networks(axis, own, target, many))
    for axis in rows[-1]:
        axis.set_xlabel("n, number of layers" if is_pretrained(found[0].group) else XLABEL)
    return figure


def _draw(axis: Axes, own: Effects, effects: Sequence[Effect], *, seeds: bool) -> Ends:
    """Draw the numbers of all treatments; where each ends, and its colour."""
    ends: Ends = {}
    held: dict[tuple[Treatment, str], list[Effect]] = {}
    for effect in sorted(effects, key=lambda effect: effect.quantity.first_n):
        held.setdefault((effect.quantity.treatment, effect.quantity.variant), []).append(effect)
    shown = [curve for curve in own.group.curves() if curve in held]
    cuts = [curve for curve in shown if curve[0] not in CONTROLS]
    plain = is_pretrained(own.group)
    for curve in shown:
        style = style_of(*curve, plain=plain)
        shift = _shift(0.11, cuts, curve) if curve in cuts else 0.0
        if curve not in cuts:
            # A level to compare with, though it has but one n.
            axis.axhline(100 * held[curve][0].mean, color=style[0], lw=0.9, ls=style[2], zorder=0)
            shift = -0.2 * (curve[0] == Treatment.SCRATCH)
        for effect in held[curve] if seeds else ():
            x = np.full(len(effect.values), effect.quantity.first_n + shift)
            ys = [100 * value for value in effect.values]
            axis.scatter(x, ys, s=10, color=style[0], alpha=0.4, lw=0)
        draw_points(axis, held[curve], style, shift=shift, size=5)
        ends[_name(*curve, plain=plain)] = (100 * held[curve][-1].mean, style[0])
    fit(axis, also=(0.0,) if seeds else ())
    _layers_below(axis, own)
    return ends


def _draw_networks(axis: Axes, own: Effects, target: str, many: bool) -> Ends:
    """Draw the networks of one target; where the mean of each treatment ends, and its colour."""
    ends: Ends = {}
    cuts = [curve for curve in own.group.curves() if curve[0] not in CONTROLS]
    plain = is_pretrained(own.group)
    for arm, held in own.group.rows.items():
        values = [100 * r.top1 for p, rows in held.items() if p.target == target for r in rows]
        if not values:
            continue
        curve = (arm.treatment, arm.variant)
        colour, marker, line = style_of(*curve, plain=plain)
        shift = -0.2 * (arm.treatment == Treatment.SCRATCH)
        if curve in cuts:
            shift = _shift(0.12, cuts, curve)
        x = np.full(len(values), arm.n + shift)
        faces = (
            "none" if arm.treatment in (Treatment.SELFFER_PLUS, Treatment.TRANSFER_PLUS) else None
        )
        style: Any = {"marker": marker, "color": colour, "facecolors": faces or colour}
        axis.scatter(x, values, s=18, lw=1, rasterized=many, **style)
        if arm == (own.group.base or own.group.control):
            axis.axhline(float(np.mean(values)), color=colour, lw=0.9, ls=line, zorder=0)
        if arm.n == max(own.group.cuts(*curve)):
            ends[_name(*curve, plain=plain)] = (float(np.mean(values)), colour)
    _layers_below(axis, own)
    return ends


def _shift(apart: float, curves: Sequence[object], curve: object) -> float:
    """Where a curve's points stand beside their n: all between two numbers."""
    apart = min(apart, 0.7 / len(curves))
    return apart * (curves.index(curve) - (len(curves) - 1) / 2)


def _layers_below(axis: Axes, own: Effects) -> None:
    depths = {arm.n for arm in own.group.arms} | {0}
    cut_ticks(axis, depths)
    if is_pretrained(own.group):
        # At 0 stand the ways that have no n.
        ticks = [int(n) for n in axis.get_xticks()]
        axis.set_xticks(ticks, [str(n) if n else "no n" for n in ticks])
    axis.set_xlim(-0.4, max(depths) + 0.4)
    tidy(axis)


def _name(treatment: Treatment, variant: str, *, plain: bool) -> str:
    return heading(treatment, variant, plain=plain).replace(", ", ",\n")


def _names(own: Effects) -> list[str]:
    plain = is_pretrained(own.group)
    return [_name(*curve, plain=plain) for curve in own.group.curves()]


def _over_control(own: Effects) -> list[Effect]:
    """What each way gains over the fair base; the base networks, too, where that is another."""
    kind = GAIN if own.group.control == own.group.base else GAIN_OVER_CONTROL
    return [*map(_turned, own.of(CONVERGENCE)), *own.at_cuts(kind)]


def _turned(gain: Effect) -> Effect:
    """What scratch gains over base networks, as what these lose to it."""
    quantity = gain.quantity._replace(treatment=Treatment.BASE)
    estimate = replace(gain.estimate, mean=-gain.mean)
    values = tuple(-value for value in gain.values)
    return replace(gain, quantity=quantity, estimate=estimate, values=values)


def _control(own: Effects) -> str:
    return own.group.control.treatment.value if own.group.control else "base"


def _compared(found: Sequence[Effects]) -> str:
    """What differences are from, in a sentence."""
    told: dict[str, set[int]] = {}
    for own in found:
        rows = own.group.rows[own.group.control].values() if own.group.control else ()
        told.setdefault(_control(own), set()).update(row.step for held in rows for row in held)
    names = [
        f"{name}, {' or '.join(map(str, sorted(steps)))} steps" for name, steps in told.items()
    ]
    return f"Left: paired with networks that were trained from scratch ({'; '.join(names)})."
