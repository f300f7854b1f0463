"""What a person reads: tables that fit the terminal."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

# A heading, or a word in the first column, is folded beyond this.
WORD = 20
# What a table takes beside its cells: around each column, and at its edges.
AROUND, EDGES = 3, 1


class Terminal(Console):
    """A console for names that people gave: nothing in them is markup."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False)


class _Column(NamedTuple):
    name: str
    cells: list[str]
    width: int


def print_table(
    console: Console, header: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = ""
) -> None:
    """Print a table; columns that have no room beside the others come below, and none is cut.

    Args:
      console: where to.
      header: names of the columns, which may be wrapped.
      rows: the cells; the first one of a row says what the row is, and may be wrapped.
      title: of the table.
    """
    columns = [_column(name, [row[i] for row in rows]) for i, name in enumerate(header)]
    for block in _blocks(columns, console.width - EDGES):
        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
        for column in block:
            justify = "right" if all(map(_is_number, column.cells)) else "left"
            table.add_column(column.name, justify=justify, width=column.width, overflow="fold")
        for cells in zip(*(column.cells for column in block), strict=True):
            table.add_row(*cells)
        console.print(table)
        title = ""


def _column(name: str, cells: list[str]) -> _Column:
    heading = min(WORD, max(map(cell_len, name.split()), default=1))
    return _Column(name, cells, max(heading, *map(cell_len, cells)))


def _blocks(columns: list[_Column], room: int) -> Iterator[list[_Column]]:
    """The columns in as many tables as it takes; each begins with the first one."""
    first, *others = columns
    beside = room - AROUND - sum(column.width + AROUND for column in others)
    first = first._replace(width=min(first.width, max(WORD, beside)))
    block, left = [first], room - first.width - AROUND
    for column in others:
        if column.width + AROUND > left and len(block) > 1:
            yield block
            block, left = [first], room - first.width - AROUND
        block.append(column)
        left -= column.width + AROUND
    yield block


def _is_number(cell: str) -> bool:
    return not cell or re.match(r"[-+−<]?\d", cell) is not None
