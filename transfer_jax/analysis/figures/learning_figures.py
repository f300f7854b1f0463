"""How networks learn: accuracy at every test, and how soon each way is as good as scratch."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.figures.bars import bars_note
from transfer_jax.analysis.figures.drawing import (
    Ends,
    label_ends,
    name_panel,
    pairs,
    room_for,
    style_of,
    tidy,
)
from transfer_jax.analysis.statistics.choices import TRANSFERRED, is_pretrained
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.effects import ACCURACY, Effects
from transfer_jax.analysis.statistics.inference import Estimate
from transfer_jax.analysis.statistics.steps_to_reach import CurveOf, Reached, by_step
from transfer_jax.analysis.tables import heading, title
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.pretrained import SOLVED

Curves = dict[Arm, dict[int, Estimate]]


def learning_curves(evidence: Evidence, found: Sequence[Effects]) -> Figure | None:
    """Accuracy at every test: from scratch, and with the best cut of either way of transfer.

    Returns:
      The figure, a panel a group, bands of 95% intervals; of training batches where there were no
      tests on the way; None where neither was kept.
    """
    tests, batches = evidence.curve_of, partial(evidence.curve_of, on_batches=True)
    for curve_of, what in (
        (tests, f"accuracy on {evidence.tested_on_the_way}, %"),
        (batches, "accuracy on training batches, %"),
    ):
        drawn = [(own, curves) for own in found if (curves := _curves(own, curve_of))]
        if drawn:
            return _draw(drawn, what)
    return None


def _curves(own: Effects, curve_of: CurveOf) -> Curves:
    found = {arm: by_step(own.group, arm, curve_of) for arm in _shown(own)}
    return {arm: curve for arm, curve in found.items() if len(curve) > 1}


def _shown(own: Effects) -> list[Arm]:
    """Training from scratch, and of each way the cut that is best on validation images."""
    judged = own.validation or own
    pretrained = is_pretrained(own.group)
    levels = {
        Arm(e.quantity.treatment, e.quantity.first_n, e.quantity.variant): e.mean
        for e in (judged.at_cuts(ACCURACY) if pretrained else judged.of(ACCURACY))
    }
    kept = [arm for arm in levels if arm.treatment in (Treatment.BASE, Treatment.SCRATCH)]
    for kind in dict.fromkeys((arm.treatment, arm.variant) for arm in levels):
        mine = [arm for arm in levels if (arm.treatment, arm.variant) == kind]
        # Of a head that is solved there is no way to its end.
        if kind[0] in TRANSFERRED and kind[1] not in SOLVED:
            kept.append(max(mine, key=lambda arm: levels[arm]))
    return kept


def _draw(drawn: Sequence[tuple[Effects, Curves]], what: str) -> Figure:
    room = room_for([_name(arm, own) for own, curves in drawn for arm in curves])
    way = "family" if is_pretrained(drawn[0][0].group) else "way of transfer"
    judged = all(own.validation for own, _ in drawn)
    note = (
        f"{bars_note([own for own, _ in drawn], 'Bands', images=False)} Of each {way}, "
        f"the n with the highest final accuracy on {'validation' if judged else 'test'} images."
    )
    figure, axes = pairs(len(drawn), room + 0.7, last=room, note=note)
    ends = [_draw_panel(axis, own, curves) for axis, (own, curves) in zip(axes, drawn, strict=True)]
    for number, (axis, lines) in enumerate(zip(axes, ends, strict=True)):
        label_ends(axis, lines)
        axis.set_ylabel("" if number % 2 else what)
        axis.set_xlabel("" if number < len(drawn) - 2 else "step")
    return figure


def _draw_panel(axis: Axes, own: Effects, curves: Curves) -> Ends:
    ends: Ends = {}
    for arm, curve in curves.items():
        colour, _, line = style_of(*_kind(arm), plain=is_pretrained(own.group))
        steps, means = list(curve), [100 * estimate.mean for estimate in curve.values()]
        halves = [100 * (estimate.half_width() or 0.0) for estimate in curve.values()]
        low, high = (np.add(means, np.multiply(sign, halves)) for sign in (-1, 1))
        axis.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)
        axis.plot(steps, means, ls=line, color=colour, lw=2)
        ends[_name(arm, own)] = (means[-1], colour)
    name_panel(axis, title(own))
    _look_at_lines(axis, [mean for line in axis.lines for mean in np.asarray(line.get_ydata())])
    tidy(axis)
    return ends


def _look_at_lines(axis: Axes, means: Sequence[float]) -> None:
    """Bands of two seeds reach far beyond what a share can be: they are cut, the lines are not."""
    low, high = min(means), max(means)
    room = max(high - low, 1.0)
    bottom, top = axis.get_ylim()
    axis.set_ylim(max(bottom, 0.0, low - room), min(top, 100.0, high + room))


def _kind(arm: Arm) -> tuple[Treatment, str]:
    return arm.treatment, arm.variant


def _name(arm: Arm, own: Effects) -> str:
    name = heading(*_kind(arm), plain=is_pretrained(own.group))
    return f"{name}, n = {arm.n}" if arm.n else name


def steps_figure(
    found: Sequence[tuple[Effects, Sequence[Reached]]], tested_on: str
) -> Figure | None:
    """How soon each way is shown to be as accurate as scratch is in the end.

    Args:
      found: of each group, its numbers and the steps of its ways.
      tested_on: the images of the tests on the way.

    Returns:
      The figure, a panel a group, a line a way; None where there were no tests on the way.

    Source: He, Girshick and Dollár (2018), Rethinking ImageNet pre-training.
    """
    drawn = [(own, reached) for own, reached in found if len(reached) > 1]
    if not drawn:
        return None
    order = list(Treatment)
    ways = {one.arm: own for own, reached in drawn for one in reached}
    arms = sorted(ways, key=lambda arm: (order.index(arm.treatment), arm.variant, arm.n))
    names = [_name(arm, ways[arm]) for arm in arms]
    margins = dict.fromkeys(f"−{100 * own.margin:.2g}" for own, _ in drawn)
    over = bars_note([own for own, _ in drawn], "These", images=False)
    controls = dict.fromkeys(ways[0].control.treatment.value for _, ways in drawn)
    note = (
        "A mark: the first test from which on the interval of the difference from the final "
        f"accuracy of {' or '.join(controls)} stays above {' or '.join(margins)} points, the "
        f"margin. A cross: this is not shown. Tests on the way are of {tested_on}. {over}"
    )
    size = {"across": 3.2, "high": 0.28 * len(names) + 0.2, "left": room_for(names) + 0.1}
    figure, axes = pairs(len(drawn), 0.45, **size, sharey=True, note=note)
    for number, (axis, (own, reached)) in enumerate(zip(axes, drawn, strict=True)):
        _draw_steps(axis, own, reached, names)
        name_panel(axis, title(own))
        axis.set_xlabel("" if number < len(drawn) - 2 else "step")
    return figure


def _draw_steps(axis: Axes, own: Effects, reached: Sequence[Reached], names: list[str]) -> None:
    for one in reached:
        colour, marker, line = style_of(*_kind(one.arm), plain=is_pretrained(own.group))
        place = names.index(_name(one.arm, own))
        if one.step is None:
            axis.plot([one.whole], [place], "x", color=colour, ms=7)
            continue
        axis.plot([0, one.step], [place, place], ls=line, color=colour, lw=2)
        axis.plot([one.step], [place], marker, color=colour, ms=7)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlim(0, 1.03 * reached[0].whole)
    tidy(axis)
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
