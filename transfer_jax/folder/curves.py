"""How networks learn: accuracy at every test, and lines of metrics."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Float, Int

from transfer_jax.folder.whole_file import write_whole
from transfer_jax.grid.conditions import Column

Line = dict[str, Any]
# Steps done to accuracy.
Curve = dict[int, float]


def write_curves(
    path: epath.Path,
    column: Column,
    steps: Int[np.ndarray, " test"],
    tests: Float[np.ndarray, "test condition"],
) -> None:
    """Write a column's learning curves as CSV: a line a test, a field a condition.

    Args:
      path: the file.
      column: the column.
      steps: training steps done at each test.
      tests: accuracy of each condition at each test.
    """
    lines = [["step", *(c.label for c in column.conditions)]]
    lines += [[str(step), *map(str, row)] for step, row in zip(steps, tests.tolist(), strict=True)]
    write_whole(path, "".join(f"{','.join(line)}\n" for line in lines))


def read_curves(path: epath.Path) -> dict[str, Curve]:
    """Read a column's learning curves.

    Args:
      path: the file.

    Returns:
      The label of each condition to its curve; none where the file is missing or damaged.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "curves.csv"
      >>> _ = path.write_text("step,A1B\\n5,0.25\\n")
      >>> read_curves(path)
      {'A1B': {5: 0.25}}
    """
    try:
        head, *lines = [line.split(",") for line in path.read_text().splitlines()]
        rows = [(int(step), [float(x) for x in values]) for step, *values in lines]
        return {
            label: {step: values[i] for step, values in rows} for i, label in enumerate(head[1:])
        }
    except (OSError, ValueError, IndexError):
        return {}


def read_metrics(path: epath.Path) -> Iterator[Line]:
    """The lines of a file of metrics that can be read; others are left out.

    Args:
      path: the file; there may be none.

    Yields:
      The lines.

    Returns:
      An iterator over lines.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        return
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and isinstance(found.get("step"), int):
            yield found


def training_curves(path: epath.Path) -> dict[str, Curve]:
    """Accuracy on training batches, where there are no tests on the way.

    Args:
      path: a file of metrics; there may be none.

    Returns:
      The label of each condition to its curve.
    """
    found: dict[str, Curve] = {}
    for line in read_metrics(path):
        accuracy = line.get("accuracy")
        if isinstance(accuracy, int | float):
            found.setdefault(str(line.get("condition")), {})[line["step"]] = float(accuracy)
    return found
