"""Learning rates: how networks did at each that was tried, and which were chosen."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from etils import epath

from transfer_jax.folder.results import ResultsError
from transfer_jax.folder.typed_rows import read_typed, write_typed
from transfer_jax.folder.whole_file import write_json


@dataclass(frozen=True)
class RateRow:
    """The networks of a pilot of one split, target, number of examples and family, at one rate.

    Attributes:
      split, target: where they were trained.
      examples: training images of each class; 0 for all.
      family: "scratch", "frozen" or "fine-tuned".
      rate: the multiple of the config's learning rate.
      validation: mean share of validation images classified right.
      networks: how many they are.
      diverged: how many of them diverged.
    """

    split: str
    target: str
    examples: int
    family: str
    rate: float
    validation: float
    networks: int
    diverged: int


def write_rates(path: epath.Path, rows: Iterable[RateRow]) -> None:
    """Write the pilot's table as CSV, all of it or nothing.

    Args:
      path: the file.
    """
    write_typed(path, RateRow, rows)


def read_rates(path: epath.Path) -> list[RateRow]:
    """Read the pilot's table.

    Args:
      path: the file.

    Returns:
      The rows; none where there is no file: nothing was tried.

    Raises:
      ResultsError: it is damaged.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "rates.csv"
      >>> write_rates(path, [RateRow("halves", "A", 0, "frozen", 3.0, 0.5, 4, 0)])
      >>> read_rates(path)[0].rate
      3.0
    """
    return read_typed(path, RateRow, "cannot be read") if path.exists() else []


def write_chosen(path: epath.Path, chosen: Mapping[str, float]) -> None:
    """Write which rate each family has.

    Args:
      path: the file.
      chosen: family to rate.
    """
    write_json(path, dict(chosen))


def read_chosen(path: epath.Path) -> dict[str, float]:
    """Read which rate each family has.

    Args:
      path: the file.

    Returns:
      Family to rate; none where there is no such file: nothing was chosen.

    Raises:
      ResultsError: it is damaged.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "rates.json"
      >>> read_chosen(path)
      {}
      >>> write_chosen(path, {"frozen": 3.0})
      >>> read_chosen(path)
      {'frozen': 3.0}
    """
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise ResultsError(f"{path} holds a {type(found).__name__}; allowed: families with rates")
    for family, rate in found.items():
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
            raise ResultsError(f"{path}: '{family}' is {rate!r}; allowed: numbers above 0")
    return {family: float(rate) for family, rate in found.items()}
