"""The transfer curves, in both of the paper's forms; distances; and what each cut costs."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.figures.drawing import (
    GROUP_STYLES,
    STYLES,
    Ends,
    label_ends,
    panels,
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
from transfer_jax.analysis.tables import heading, title
from transfer_jax.grid.conditions import Treatment

XLABEL = "n, number of transferred layers"
# A band thinner than this share of the panel has no room for its name.
THIN = 0.05
MANY = 4000
Points = Sequence[tuple[float, float]]


def transfer_curves(found: Sequence[Effects]) -> Figure:
    """Means of each treatment against n, a panel a group, what separates them shaded and named.

    Returns:
      The figure: lines of means, bars of 95% intervals, a faint point a seed.

    Source: Yosinski et al. (2014), figure 2, below.
    """
    figure, axes = panels(len(found))
    axes[0].set_ylabel("test accuracy, mean of both targets")
    ends = [_draw_panel(axis, own) for axis, own in zip(axes, found, strict=True)]
    for axis, own, lines in zip(axes, found, ends, strict=True):
        _shade(axis, own)
        label_ends(axis, lines)
    return figure


def points_of_networks(found: Sequence[Effects]) -> Figure:
    """A point a network against n, a panel a group.

    Returns:
      The figure; targets are filled differently.

    Source: Yosinski et al. (2014), figure 2, above.
    """
    figure, axes = panels(len(found))
    axes[0].set_ylabel("test accuracy of each network")
    # As shapes, so many points would be most of the page.
    many = sum(len(held) for own in found for held in own.group.rows.values()) > MANY
    for axis, own in zip(axes, found, strict=True):
        arms = [Treatment.BASE, *STYLES]
        for arm, held in own.group.rows.items():
            if arm.variant:
                continue
            colour, marker, _ = STYLES.get(arm.treatment, ("black", "D", ""))
            shift = 0.13 * (arms.index(arm.treatment) - 3) if arm.n else 0.0
            for target in sorted({place.target for place in held}):
                values = [r.top1 for p, rows in held.items() if p.target == target for r in rows]
                face = colour if target == "A" else "none"
                x = np.full(len(values), arm.n + shift)
                style: Any = {"marker": marker, "edgecolors": colour, "facecolors": face}
                axis.scatter(x, values, s=20, lw=1, rasterized=many, **style)
        axis.set_title(f"{title(own)} (filled: target A)")
        axis.set_xticks(sorted({arm.n for arm in own.group.arms} | {0}))
        axis.set_xlabel(XLABEL)
        tidy(axis)
    for axis, own in zip(axes, found, strict=True):
        label_ends(axis, _last_means(own))
    return figure


def _last_means(own: Effects) -> Ends:
    """Where the mean of each treatment stands at its last cut."""
    return {
        heading(e.quantity.treatment).replace(", ", ",\n"): (
            e.mean,
            STYLES.get(e.quantity.treatment, ("black",))[0],
        )
        for e in _ordered(own.effects, ACCURACY)
        if not e.quantity.variant
    }


def distances(found: Sequence[Effects]) -> Figure | None:
    """How much frozen transfer loses, as a share of base, between tasks of each distance.

    Returns:
      The figure, random frozen layers beside it; None where neither was run.

    Source: Yosinski et al. (2014), figure 3, right.
    """
    names = [f"random, {own.group.name}" for own in found]
    figure, (axis,) = panels(1, room=room_for(names))
    ends: Ends = {}
    whole = [own for own in found if own.of(ACCURACY, Treatment.BASE)]
    for number, own in enumerate(whole):
        base = own.of(ACCURACY, Treatment.BASE)[0].mean
        colour, marker = GROUP_STYLES[number % len(GROUP_STYLES)]
        for treatment, line in ((Treatment.TRANSFER, "-"), (Treatment.RANDOM, ":")):
            curve = sorted(own.of(GAIN, treatment), key=lambda e: e.quantity.first_n)
            if not curve:
                continue
            xs = [e.quantity.first_n for e in curve]
            ys = [100 * e.mean / base for e in curve]
            bars = [np.nan if e.half_width is None else 100 * e.half_width / base for e in curve]
            axis.errorbar(xs, ys, bars, fmt=line, marker=marker, color=colour, lw=2, elinewidth=1)
            kind = "random" if treatment == Treatment.RANDOM else "AnB"
            ends[f"{kind}, {own.group.name}"] = (ys[-1], colour)
    if not ends:
        return None
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_ylabel("change of accuracy, % of base")
    axis.set_xlabel("n, number of frozen layers")
    axis.xaxis.get_major_locator().set_params(integer=True)  # pyright: ignore
    tidy(axis)
    label_ends(axis, ends)
    return figure


def decomposition(found: Sequence[Effects]) -> Figure | None:
    """What frozen transfer costs at each cut, as co-adaptation and specialisation, stacked.

    Returns:
      The figure; None where no group has both costs.

    Source: Yosinski et al. (2014), section 4.1.
    """
    whole = [own for own in found if own.of(CO_ADAPTATION) and own.of(SPECIALISATION)]
    if not whole:
        return None
    figure, axes = panels(len(whole), room=0.2)
    axes[0].set_ylabel("cost of accuracy, points")
    colours = {CO_ADAPTATION: STYLES[Treatment.SELFFER][0], SPECIALISATION: "#D55E00"}
    for axis, own in zip(axes, whole, strict=True):
        above: dict[int, float] = {}
        below: dict[int, float] = {}
        for kind, colour in colours.items():
            for effect in own.of(kind):
                n, cost = effect.quantity.first_n, 100 * effect.mean
                stack = above if cost >= 0 else below
                start = stack.get(n, 0.0)
                axis.bar(n, cost, 0.62, bottom=start, color=colour, alpha=0.85, lw=0)
                stack[n] = start + cost
        total = [(e.quantity.first_n, -100 * e.mean) for e in own.of(GAIN, Treatment.TRANSFER)]
        halves = [e.half_width for e in own.of(GAIN, Treatment.TRANSFER)]
        bars = [np.nan if half is None else 100 * half for half in halves]
        axis.errorbar(*_xy(total), bars, fmt="D", color="black", ms=5, lw=1.2, capsize=3)
        axis.axhline(0, color="black", linewidth=0.8)
        axis.set_title(title(own))
        axis.set_xlabel(XLABEL)
        axis.set_xticks([n for n, _ in total])
        tidy(axis)
        names = {**colours, "both: base − AnB": "black"}
        for i, (name, colour) in enumerate(names.items()):
            axis.text(
                0.03, 0.94 - 0.075 * i, name, color=colour, transform=axis.transAxes, weight="bold"
            )
    return figure


def _draw_panel(axis: Axes, own: Effects) -> Ends:
    """Draw the lines of one group; where each ends, and its colour."""
    levels = _ordered(own.effects, ACCURACY)
    axis.set_title(title(own))
    for effect in levels:
        if effect.quantity.treatment == Treatment.BASE:
            axis.axhline(effect.mean, color="black", lw=0.8, linestyle=(0, (1, 2)), zorder=0)
            _draw_point(axis, effect, "black", "D", 0.0)
            place = (0, effect.mean)
            axis.annotate("base", place, (0, 14), textcoords="offset points", ha="center")
    ends: Ends = {}
    present = [arm for arm in own.group.curves() if arm[0] in STYLES]
    for place, (treatment, variant) in enumerate(present):
        colour, marker, line = STYLES[treatment]
        if variant:
            marker, line = "x", "-."
        curve = [
            e for e in levels if (e.quantity.treatment, e.quantity.variant) == (treatment, variant)
        ]
        shift = 0.07 * (place - (len(present) - 1) / 2)
        means = [effect.mean for effect in curve]
        xs = [effect.quantity.first_n + shift for effect in curve]
        axis.plot(xs, means, line, color=colour, linewidth=2)
        for effect in curve:
            _draw_point(axis, effect, colour, marker, shift)
        ends[heading(treatment, variant).replace(", ", ",\n")] = (means[-1], colour)
    depths = sorted({effect.quantity.first_n for effect in levels} | {0})
    axis.set_xticks(depths)
    axis.set_xlim(-0.4, depths[-1] + 0.4)
    axis.set_xlabel(XLABEL)
    tidy(axis)
    return ends


def _draw_point(axis: Axes, effect: Effect, colour: str, marker: str, shift: float) -> None:
    x = effect.quantity.first_n + shift
    axis.scatter(np.full(len(effect.values), x), effect.values, s=14, color=colour, alpha=0.5, lw=0)
    half = effect.half_width
    axis.errorbar(x, effect.mean, half, fmt=marker, color=colour, markersize=6, elinewidth=1.2)


def _shade(axis: Axes, own: Effects) -> None:
    """The costs between the lines of means, named where there is room."""
    base = own.of(ACCURACY, Treatment.BASE)
    lines = [
        {e.quantity.first_n: e.mean for e in own.of(ACCURACY, t)}
        for t in (Treatment.SELFFER, Treatment.TRANSFER)
    ]
    depths = sorted(lines[0].keys() & lines[1].keys())
    if not base or len(depths) < 2:
        return
    top = np.full(len(depths), base[0].mean)
    middle, low = (np.array([line[n] for n in depths]) for line in lines)
    bounds = [top, np.minimum(top, middle), np.minimum(np.minimum(top, middle), low)]
    names = ((CO_ADAPTATION, "#0072B2"), (SPECIALISATION, "#D55E00"))
    height = axis.get_ylim()[1] - axis.get_ylim()[0]
    for (name, colour), (upper, lower) in zip(names, pairwise(bounds), strict=True):
        axis.fill_between(depths, upper, lower, color=colour, alpha=0.12, lw=0)
        widest = int(np.argmax(upper - lower))
        if upper[widest] - lower[widest] > THIN * height:
            # High in the band, where the line of means is farthest from it.
            at = (depths[widest], 0.82 * upper[widest] + 0.18 * lower[widest])
            side = "right" if widest == len(depths) - 1 else "center"
            axis.text(*at, f"{name} ", color=colour, ha=side, va="center", style="italic")


def _ordered(effects: Sequence[Effect], kind: str) -> list[Effect]:
    return sorted((e for e in effects if e.quantity.kind == kind), key=lambda e: e.quantity.first_n)


def _xy(points: Points) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
