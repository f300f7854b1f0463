"""Text files that are there whole or not at all."""

import json
from typing import Any

from etils import epath


def write_whole(path: epath.Path, text: str) -> None:
    """Write a file beside its place and rename it, so that nobody ever reads half of it.

    Args:
      path: the file; an earlier one is replaced.
      text: its content.

    Raises:
      OSError: it cannot be written; the file is named.
    """
    partial = path.parent / f".{path.name}.partial"
    try:
        partial.write_text(text)
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


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
