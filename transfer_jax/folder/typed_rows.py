"""Tables whose lines are of a dataclass of texts and numbers: written, and read by column."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields
from typing import Any, TypeVar

from etils import epath

from transfer_jax.folder.results import ResultsError
from transfer_jax.folder.whole_file import write_table

Row = TypeVar("Row")


def write_typed(path: epath.Path, kind: type[Any], rows: Iterable[Any]) -> None:
    """Write rows as CSV, all of them or nothing.

    Args:
      path: the file.
      kind: the dataclass.
      rows: some of it.
    """
    write_table(path, [field.name for field in fields(kind)], (astuple(row) for row in rows))


def read_typed(path: epath.Path, kind: type[Row], wrong: str = "is damaged") -> list[Row]:
    """Read rows from CSV.

    Args:
      path: the file.
      kind: the dataclass; its fields are texts, whole numbers and numbers.
      wrong: what is said of a file with a line that is no row.

    Returns:
      The rows.

    Raises:
      ResultsError: the file is missing, or a line is no row; the line is named.
    """
    try:
        lines = list(csv.reader(io.StringIO(path.read_text())))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultsError(f"{path} cannot be read: {error}") from None
    header, found = lines[0] if lines else [], []
    for number, line in enumerate(lines[1:], start=2):
        try:
            held = dict(zip(header, line, strict=True))
            values: dict[str, Any] = {
                field.name: field.type(held[field.name])  # pyright: ignore
                for field in fields(kind)  # pyright: ignore
            }
        except (KeyError, ValueError):
            raise ResultsError(f"{path} {wrong}: line {number}") from None
        found.append(kind(**values))
    return found
