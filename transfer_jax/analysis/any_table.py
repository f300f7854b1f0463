"""A table of accuracies from whatever holds it, as cells of text or numbers: none is guessed at."""

import codecs
import csv
import difflib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etils import epath

from transfer_jax.grid.registry import nearest

NEEDED = ("split", "seed", "target", "treatment", "n", "top1")
OPTIONAL = ("base", "variant", "examples", "validation", "diverged")
SEPARATORS = (",", ";", "\t", "|")
NEAR = 0.85


class TableError(ValueError):
    """A table that cannot be read as one of networks."""


@dataclass(frozen=True)
class Cells:
    """One line of a table.

    Attributes:
      where: what the line is called, in messages.
      held: columns to what stands there.
      given: the line as it came, of a table in Python.
    """

    where: str
    held: Mapping[str, Any]
    given: Mapping[str, Any]


def of_file(path: epath.Path) -> list[Cells]:
    """The lines of a CSV file, whatever separates them, with decimal points or commas.

    Args:
      path: the file.

    Returns:
      A line each.

    Raises:
      TableError: it is not there, is no table, lacks a column or has a line of another length.
    """
    try:
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from None
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise TableError(f"{path} is empty; allowed: a table with {_list(NEEDED)}")
    separator = max(SEPARATORS, key=lambda mark: _known(lines[first].split(mark)))
    try:
        reader = csv.reader(io.StringIO("\n".join(lines[first:])), delimiter=separator)
        found = [(reader.line_num + first, line) for line in reader]
    except csv.Error as error:
        raise TableError(f"{path} is no table: {error}") from None
    (_, header), *rows = found
    columns = _columns(header, str(path))
    return [
        Cells(f"{path}, line {number}", cells, cells)
        for number, line in rows
        if any(cell.strip() for cell in line)
        for cells in [_cells(line, header, columns, f"{path}, line {number}", separator)]
    ]


def of_python(table: object) -> list[Cells]:
    """The rows of a table of pandas, or of a list of dicts.

    Args:
      table: one of these.

    Returns:
      A line each.

    Raises:
      TableError: it is another thing, or lacks a column.
    """
    rows: Any = table
    to_dict = getattr(table, "to_dict", None)
    if callable(to_dict) and hasattr(table, "columns"):
        header = [str(name) for name in table.columns]  # pyright: ignore
        _columns(header, "the table")  # Of two columns of one name a dict would keep one.
        rows = to_dict("records")
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Sequence):
        raise TableError(
            f"the table is a {type(table).__name__}; allowed: tj.Results, a table of pandas, a "
            "list of dicts, the path of a CSV file or of a run's folder"
        )
    found = []
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TableError(f"row {number} is a {type(row).__name__}; allowed: dicts")
        columns = _columns([str(name) for name in row], f"row {number}" if number else "the table")
        held = dict(zip(columns, row.values(), strict=True))
        found.append(Cells(f"row {number}", held, row))
    return found


def _decoded(raw: bytes) -> str:
    """Text of any usual program; a byte order mark is none of it."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _plain(name: str) -> str:
    """A column's name without capitals, blanks and marks."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _known(header: Sequence[str]) -> int:
    return len({_plain(name) for name in header} & {*NEEDED, *OPTIONAL})


def _columns(header: Sequence[str], where: str) -> list[str]:
    """The names of all columns as they are known here; others stay as they are."""
    columns = [_plain(name) if _plain(name) in (*NEEDED, *OPTIONAL) else name for name in header]
    for name in (*NEEDED, *OPTIONAL):
        if columns.count(name) > 1:
            raise TableError(f"{where} has the column '{name}' {columns.count(name)} times")
    others = [name.strip() for name in columns if name not in (*NEEDED, *OPTIONAL)]
    if missing := [name for name in NEEDED if name not in columns]:
        hints = nearest(missing[0], [_plain(name) for name in others])
        of = f" '{missing[0]}'" if len(missing) == 1 else f"s {_list(missing)}"
        raise TableError(
            f"{where} has no column{of}; found: {_list(header)}; needed: {_list(NEEDED)}{hints}"
        )
    for name in others:
        absent = [known for known in OPTIONAL if known not in columns]
        if near := difflib.get_close_matches(_plain(name), absent, n=1, cutoff=NEAR):
            raise TableError(f"{where} has an unknown column '{name}'; nearest: {near[0]}")
    return columns


def _cells(
    line: Sequence[str], header: Sequence[str], columns: Sequence[str], where: str, separator: str
) -> dict[str, str]:
    line = list(line)
    while len(line) > len(header) and not line[-1].strip():
        line.pop()
    if len(line) != len(header):
        comma = separator == "," and len(line) > len(header)
        hint = "; decimal commas need another separator, or quotes" if comma else ""
        raise TableError(f"{where} has {len(line)} cells, its header {len(header)}{hint}")
    return dict(zip(columns, line, strict=True))


def _list(names: Iterable[str]) -> str:
    return ", ".join(name.strip() or "''" for name in names)
