"""Files that are there whole or not at all."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from etils import epath

from transfer_jax.folder.places import in_bucket


def write_whole(path: epath.Path, content: str | bytes) -> None:
    """Write a file beside its place and rename it, so that nobody ever reads half of it.

    In a bucket it is written at its place: an object appears there whole.

    Args:
      path: the file; an earlier one is replaced.
      content: its text or bytes.

    Raises:
      OSError: it cannot be written; the file is named.
    """
    whole = in_bucket(path)
    partial = path if whole else path.parent / f".{path.name}.partial"
    try:
        if isinstance(content, str):
            partial.write_text(content)
        else:
            partial.write_bytes(content)
        if not whole:
            partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def write_table(path: epath.Path, names: Sequence[str], lines: Iterable[Iterable[object]]) -> None:
    """Write a table as CSV, all of it or nothing.

    Args:
      path: the file.
      names: of the columns.
      lines: the rows.

    Raises:
      OSError: it cannot be written; the file is named.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(lines)
    write_whole(path, buffer.getvalue())


def write_json(path: epath.Path, content: dict[str, Any]) -> None:
    """Write JSON, all of it or nothing.

    Args:
      path: the file.
      content: what to write.
    """
    write_whole(path, json.dumps(content, indent=2) + "\n")


def read_json(path: epath.Path) -> dict[str, Any]:
    """The fields of a JSON file that only tells how things stand.

    Args:
      path: the file.

    Returns:
      Its fields; none where it is missing, damaged, or holds something else.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def write_arrays(path: epath.Path, **arrays: np.ndarray) -> None:
    """Write named arrays, compressed, all of them or nothing.

    Args:
      path: the file, `.npz`; its folder is made.
      **arrays: the arrays.

    Raises:
      OSError: it cannot be written; the file is named.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue())


def read_arrays(path: epath.Path, names: Sequence[str]) -> list[np.ndarray]:
    """Read named arrays; nothing in the file is executed.

    Args:
      path: the file, `.npz`.
      names: the arrays that are wanted.

    Returns:
      The arrays, in the order of the names.

    Raises:
      ValueError: the file is missing or damaged, or lacks an array.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "arrays.npz"
      >>> write_arrays(path, a=np.arange(3))
      >>> read_arrays(path, ["a"])
      [array([0, 1, 2])]
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as held:
            return [held[name] for name in names]
    except Exception as error:  # zlib and zipfile raise many errors on damaged bytes
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise ValueError(f"{path} cannot be read: {reason}") from None
