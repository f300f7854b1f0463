"""What all figures share: colours, shapes, panels, names beside lines."""

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from transfer_jax.analysis.figures.letters import legible
from transfer_jax.grid.conditions import Treatment

# Paths, not fonts, so that the SVG looks the same everywhere; no random ids in it.
RC: Any = {"font.size": 13, "svg.fonttype": "path", "svg.hashsalt": "transfer_jax"}

# Okabe and Ito's colours, which stay apart for every kind of colour vision; shapes differ too.
STYLES = {
    Treatment.SELFFER: ("#0072B2", "o", "-"),
    Treatment.SELFFER_PLUS: ("#56B4E9", "s", "--"),
    Treatment.TRANSFER: ("#D55E00", "o", "-"),
    Treatment.TRANSFER_PLUS: ("#E69F00", "s", "--"),
    Treatment.RANDOM: ("#777777", "^", ":"),
}
# Of groups of networks: tasks of different distance.
GROUP_STYLES = (("#D55E00", "o"), ("#009E73", "s"), ("#CC79A7", "D"), ("#0072B2", "v"))
# Of cuts, from the first to the last.
CUT_MAP = "viridis"
WIDEST = 4
Ends = dict[str, tuple[float, str]]


def panels(count: int, *, room: float = 1.1, sharey: bool = True) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side.

    Args:
      count: number of panels.
      room: to the right of each, for the names of lines, in inches.
      sharey: whether they have one vertical axis.

    Returns:
      The figure and its panels.
    """
    # Margins in inches: a layout that measures every letter takes as long as the drawing.
    left, bottom, top, across, high = 1.0, 0.62, 0.42, 3.9, 3.96
    between = room + (0.3 if sharey else 0.85)
    width = left + count * across + (count - 1) * between + room
    figure = Figure(figsize=(width, bottom + high + top))
    axes = list(figure.subplots(1, count, squeeze=False, sharey=sharey)[0])
    height = figure.get_size_inches()[1]
    figure.subplots_adjust(
        left / width, bottom / height, 1 - room / width, 1 - top / height, wspace=between / across
    )
    return figure, axes


def room_for(names: Iterable[str], size: float = 13) -> float:
    """How wide the names of lines are.

    Args:
      names: the names.
      size: of the letters, in points.

    Returns:
      Inches, on the safe side.
    """
    letters = max((len(line) for name in names for line in legible(name).split("\n")), default=0)
    return 0.15 + letters * 0.62 * size / 72


def tidy(axis: Axes) -> None:
    """Lines to read values by, and no frame.

    Args:
      axis: the panel.
    """
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)


def label_ends(axis: Axes, ends: Ends, *, size: float = 13) -> None:
    """Names at the right end of each line, moved apart where they would overlap.

    Args:
      axis: the panel; its limits, and those of panels beside it, are final.
      ends: name to the height of the line's end and its colour.
      size: of the letters, in points.
    """
    low, high = axis.get_ylim()
    right = axis.get_xlim()[1] + 0.01 * (axis.get_xlim()[1] - axis.get_xlim()[0])
    grid = axis.get_subplotspec()
    rows = grid.get_gridspec().nrows if grid else 1
    # A panel takes about four fifths of its row; lines of text stand 1.25 letters apart.
    inches = axis.figure.bbox.height / axis.figure.dpi
    gap = (high - low) * 1.25 * size / (72 * 0.8 * inches / rows)
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
