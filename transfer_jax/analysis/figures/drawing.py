"""What all figures share: colours, shapes, panels, names beside lines, notes below them."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.figures.letters import legible
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.pretrained import (
    FREEZE,
    FULL,
    GRADUAL,
    HEAD2TOE,
    LP_FT,
    PROBE,
    SURGICAL,
)

# Paths, not fonts, so that the SVG looks the same everywhere; no random ids in it.
RC: Any = {"font.size": 13, "svg.fonttype": "path", "svg.hashsalt": "transfer_jax"}

# Okabe and Ito's colours, which stay apart for every kind of colour vision; shapes differ too:
# blue for the same task, orange for the other one; circles for frozen layers, squares for tuned.
STYLES = {
    Treatment.BASE: ("black", "D", (0, (1, 2))),
    Treatment.SCRATCH: ("black", "P", "-"),
    Treatment.SELFFER: ("#0072B2", "o", "-"),
    Treatment.SELFFER_PLUS: ("#56B4E9", "s", "--"),
    Treatment.TRANSFER: ("#D55E00", "o", "-"),
    Treatment.TRANSFER_PLUS: ("#E69F00", "s", "--"),
    Treatment.RANDOM: ("#777777", "^", ":"),
}
# Of families that start from given weights: linear heads and frozen layers as circles, whole
# networks that are tuned as squares; none has a treatment's colour where both may stand in one
# picture.
FAMILY_STYLES = {
    PROBE: ("#0072B2", "o", "-"),
    HEAD2TOE: ("#882255", "o", "--"),
    FREEZE: ("#009E73", "o", "-"),
    SURGICAL: ("#CC79A7", "D", "-."),
    GRADUAL: ("#999933", "s", ":"),
    LP_FT: ("#56B4E9", "s", "--"),
    FULL: ("#332288", "s", "-"),
}
# Of groups of networks, or of runs: none is a treatment's.
GROUP_STYLES = (("#009E73", "o"), ("#CC79A7", "s"), ("#332288", "D"), ("#999933", "v"))
# Of cuts, from the first to the last.
CUT_MAP = "viridis"
WIDEST = 4
Ends = dict[str, tuple[float, str]]
Style = tuple[str, str, object]
# Sizes of letters, in points: of notes; of names that are long.
SMALL, SMALLEST = 10, 7
MOST_TICKS = 9


def style_of(treatment: Treatment, variant: str, *, plain: bool = False) -> Style:
    """Colour, shape and line of a treatment.

    Args:
      variant: name of the choice of layers; empty for the paper's.
      plain: whether variants are families that start from given weights.

    Returns:
      Those of the family; of another variant the colour is its treatment's.
    """
    if plain and variant in FAMILY_STYLES:
        return FAMILY_STYLES[variant]
    colour, marker, line = STYLES[treatment]
    return (colour, "x", "-.") if variant else (colour, marker, line)


def panels(
    count: int, *, room: float = 1.1, sharey: bool = True, note: str = ""
) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side.

    Args:
      room: to the right of each, for the names of lines, in inches.
      sharey: whether they have one vertical axis.
      note: what stands below them.

    Returns:
      The figure and its panels.
    """
    between = room + (0.3 if sharey else 0.85)
    rooms = [*[between] * (count - 1), room]
    figure, (axes,) = grid(1, rooms, across=3.9, high=3.96, sharey=sharey, note=note)
    return figure, axes


def grid(
    rows: int,
    rooms: Sequence[float],
    *,
    across: float = 3.0,
    high: float = 2.6,
    left: float = 1.0,
    above: float = 0.0,
    below: float = 0.0,
    sharey: bool = False,
    note: str = "",
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with rows of panels of one size.

    Args:
      rooms: to the right of each panel of a row, in inches.
      across: width of a panel.
      high: its height.
      left: to the left of each row.
      above: above the first row.
      below: below each row, beside what numbers and a name of the axis take.
      sharey: whether the panels of a row have one vertical axis.
      note: what stands below them: what bars and bands are.

    Returns:
      The figure and its panels, row by row.
    """
    # In inches: a layout that measures every letter takes as long as the drawing.
    title, label, inner = 0.42, 0.62 + below, 0.36 + below
    width = left + len(rooms) * across + sum(rooms)
    lines = textwrap.wrap(note, int((width - 0.3) * 72 / (0.56 * SMALL)))
    foot = 0.1 + len(lines) * 1.35 * SMALL / 72 if lines else 0.0
    height = above + rows * (title + high + inner) + label - inner + foot
    figure = Figure(figsize=(width, height))
    made = []
    for row in range(rows):
        bottom = height - above - (row + 1) * (title + high) - row * inner
        starts = [left + i * across + sum(rooms[:i]) for i in range(len(rooms))]
        boxes = [(x / width, bottom / height, across / width, high / height) for x in starts]
        first = figure.add_axes(boxes[0])
        rest = [figure.add_axes(box, sharey=first if sharey else None) for box in boxes[1:]]
        for axis in rest if sharey else ():
            axis.tick_params(labelleft=False)
        made.append([first, *rest])
        for axis in made[-1]:
            axis.yaxis.set_label_coords(-min(left - 0.3, 0.68) / across, 0.5)
    place = (0.15 / width, 0.08 / height)
    style: Any = {"fontsize": SMALL, "color": "#444444", "va": "bottom", "linespacing": 1.3}
    figure.text(*place, "\n".join(lines), **style)
    return figure, made


def pairs(count: int, room: float, *, last: float = 0.0, **sizes: Any) -> tuple[Figure, list[Axes]]:
    """A figure with panels in rows of two.

    Args:
      room: to the right of the first panel of each row, in inches.
      last: to the right of the second.
      sizes: as of `grid`.

    Returns:
      The figure and its panels.
    """
    rooms = [room, last or room] if count > 1 else [last or room]
    figure, rows = grid(-(-count // 2), rooms, **sizes)
    axes = [axis for row in rows for axis in row]
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def cut_ticks(axis: Axes, cuts: Iterable[int]) -> None:
    """Ticks at cuts: at all of them, or at every second or third, so that numbers stay apart."""
    found = sorted(set(cuts))
    axis.set_xticks(found[:: -(-len(found) // MOST_TICKS)])


def room_for(names: Iterable[str], size: float = 13) -> float:
    """How wide the names of lines are.

    Args:
      size: of the letters, in points.

    Returns:
      Inches, on the safe side.
    """
    letters = max((len(line) for name in names for line in legible(name).split("\n")), default=0)
    return 0.15 + letters * 0.62 * size / 72


def tidy(axis: Axes) -> None:
    """Lines to read values by, and no frame."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)


def name_panel(axis: Axes, name: str, *, room: float = 0.0) -> None:
    """A name above a panel, in letters so small that there is room for it.

    Args:
      axis: the panel.
      name: what it shows.
      room: to the right of the panel, in inches.
    """
    wide = room + axis.get_position().width * axis.figure.bbox.width / axis.figure.dpi
    most = 72 * wide / (0.7 * SMALLEST)
    shown = legible(name)
    shown = shown if len(shown) <= most else f"{shown[: int(most) - 1]}…"
    size = min(13.0, 72 * wide / (0.7 * max(1, len(shown))))
    axis.set_title(shown, loc="left", weight="bold", fontsize=size)


def label_ends(axis: Axes, ends: Ends, *, size: float = 13) -> None:
    """Names at the right end of each line, moved apart where they would overlap.

    Args:
      axis: the panel; its limits, and those of panels beside it, are final.
      ends: name to the height of the line's end and its colour.
      size: of the letters, in points.
    """
    low, high = axis.get_ylim()
    right = axis.get_xlim()[1] + 0.01 * (axis.get_xlim()[1] - axis.get_xlim()[0])
    # Lines of text stand 1.25 letters apart.
    inches = axis.get_position().height * axis.figure.bbox.height / axis.figure.dpi
    gap = (high - low) * 1.25 * size / (72 * inches)
    rooms = {name: gap * (1 + 0.8 * name.count("\n")) for name in ends}
    ordered = sorted(ends, key=lambda name: ends[name][0])
    heights = _apart([ends[name][0] for name in ordered], [rooms[n] for n in ordered], high)
    for name, height in zip(ordered, heights, strict=True):
        axis.text(
            right, height, name, color=ends[name][1], va="center", clip_on=False, fontsize=size
        )


def _apart(heights: Sequence[float], rooms: Sequence[float], ceiling: float) -> list[float]:
    """The same heights, ascending, moved so that names of these heights do not overlap."""
    moved = list(heights)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + (rooms[i] + rooms[i - 1]) / 2)
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], ceiling - rooms[i] / 2)
        ceiling = moved[i] - rooms[i] / 2
    return moved
