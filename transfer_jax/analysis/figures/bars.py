"""Numbers as points with bars, and in words what the bars are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from transfer_jax.analysis.figures.drawing import Style
from transfer_jax.analysis.statistics.effects import Effect, Effects
from transfer_jax.analysis.statistics.inference import are_splits
from transfer_jax.analysis.tables import title

POINTS = 100.0
ONE_SEED = "One seed gives no intervals."


def draw_points(
    axis: Axes,
    curve: Sequence[Effect],
    style: Style,
    *,
    shift: float = 0.0,
    scale: float = POINTS,
    size: float = 6.0,
) -> None:
    """Draw numbers against n, with their intervals.

    Args:
      axis: the panel.
      curve: the numbers.
      style: colour, marker, and the line between them; no line where it is empty.
      shift: of all, so that bars do not hide each other.
      scale: of the numbers; negative to draw what was lost as positive.
      size: of the markers.
    """
    colour, marker, line = style
    xs = [effect.quantity.first_n + shift for effect in curve]
    ys = [scale * effect.mean for effect in curve]
    halves = [np.nan if e.half_width is None else abs(scale) * e.half_width for e in curve]
    if line:
        axis.plot(xs, ys, linestyle=line, color=colour, lw=2)  # pyright: ignore
    axis.errorbar(xs, ys, halves, fmt=marker, color=colour, ms=size, elinewidth=1.2)


def fit(*axes: Axes, also: Sequence[float] = ()) -> None:
    """Limits in which one long bar does not make all others short.

    No bar needs more room to a side than the numbers are apart; where it goes on, an arrowhead
    says so.

    Args:
      axes: panels of one vertical axis, with all numbers drawn.
      also: numbers that are in the picture, too.
    """
    drawn = {axis: _bars(axis) for axis in axes}
    numbers = [*also, *(y for own in drawn.values() for _, y, *_ in own)]
    if not numbers or not (most := max(numbers) - min(numbers)):
        return
    ends = [
        float(np.clip(end, y - most, y + most))
        for own in drawn.values() for _, y, *both, _ in own for end in both
    ]  # fmt: skip
    low, high = min([*numbers, *ends]), max([*numbers, *ends])
    low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
    for axis, own in drawn.items():
        axis.set_ylim(low, high)
        for x, _, bottom, top, colour in own:
            style: Any = {"color": colour, "ms": 6, "clip_on": False}
            if bottom < low:
                axis.plot([x], [low], "v", **style)
            if top > high:
                axis.plot([x], [high], "^", **style)


def _bars(axis: Axes) -> list[tuple[float, float, float, float, Any]]:
    """Of every bar, where it stands, its number, its ends and its colour."""
    found = []
    for drawn in axis.containers:
        if isinstance(drawn, ErrorbarContainer):
            points, _, (bars, *_) = drawn.lines
            xs, ys = map(np.asarray, points.get_data())
            for x, y, segment in zip(xs, ys, bars.get_segments(), strict=True):
                # Where there is no interval, there are no ends.
                ends = segment[:, 1] if len(segment) == 2 else np.array([y, y])
                found.append((x, y, *np.where(np.isnan(ends), y, ends), points.get_color()))
    return [bar for bar in found if not np.isnan(bar[1])]


def bars_note(found: Sequence[Effects], what: str = "Bars", *, images: bool = True) -> str:
    """What the bars of a figure are, for its foot.

    Args:
      what: is drawn so.
      images: whether test images count, where they were kept.

    Returns:
      Such as "Bars are 95% intervals over 4 seeds and the test images, each split by itself."
    """
    texts = {title(own): _over(own, images) for own in found}
    if not any(texts.values()):
        return ONE_SEED
    alone = next(iter(texts.values()))
    if any(text != alone for text in texts.values()):
        each = "; ".join(f"{name}: {text or 'none'}" for name, text in texts.items())
        return f"{what} are 95% intervals ({each})."
    return f"{what} are 95% intervals {alone}{', each split by itself' * (len(texts) > 1)}."


def _over(own: Effects, images: bool) -> str:
    if all(effect.high is None for effect in own.effects):
        return ""
    splits = own.group.splits
    seeds = len({(place.split, place.seed) for place in own.group.places})
    over = f"{seeds} seeds"
    if len(splits) > 1:
        count = f"{len(splits)} splits"
        over = f"{count} ({over} in all)" if are_splits(splits) else f"{over} of {count}"
    return f"over {over}{' and the test images' * (images and own.sampled.examples)}"
