"""Numbers as points with bars, and in words what the bars are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from transfer_jax.analysis.statistics.effects import Effect, Effects
from transfer_jax.analysis.statistics.inference import are_splits
from transfer_jax.analysis.tables import title

Style = tuple[str, str, object]
POINTS = 100.0


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


def bars_note(found: Sequence[Effects], what: str = "Bars", *, images: bool = True) -> str:
    """What the bars of a figure are, for its foot.

    Args:
      what: is called so.
      images: whether test images were drawn, where they were kept.

    Returns:
      A sentence.
    """
    texts = {title(own): _of_group(own, images) for own in found}
    if len(set(texts.values())) == 1:
        each = ", each split by itself" if len(texts) > 1 else ""
        return f"{what}: {next(iter(texts.values()))}{each}."
    return f"{what}: {'; '.join(f'{name}, {text}' for name, text in texts.items())}."


def _of_group(own: Effects, images: bool) -> str:
    splits = own.group.splits
    seeds = len({(place.split, place.seed) for place in own.group.places})
    if all(effect.high is None for effect in own.effects):
        return "one seed gives no intervals"
    over = f"{seeds} seeds"
    if len(splits) > 1:
        count = f"{len(splits)} splits"
        over = f"{count} ({over} in all)" if are_splits(splits) else f"{over} of {count}"
    also = " and the test images" if images and own.sampled.examples else ""
    return f"95% intervals over {over}{also}"
