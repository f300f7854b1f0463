"""Means and intervals over seeds."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from transfer_jax.conditions import Treatment
from transfer_jax.results import ResultRow

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Cell:
    """One treatment at one cut of one split, over seeds.

    Attributes:
      setting: name of the split, and the number of examples where it is not all.
      treatment: the arm; selffer and transfer cells hold both targets.
      variant: name of the choice of layers; empty for the paper's.
      n: number of transferred layers.
      values: one number a seed: the mean over the targets.
      mean: mean over seeds.
      half_width: half of the 95% interval; None where there is one seed.
    """

    setting: str
    treatment: Treatment
    variant: str
    n: int
    values: tuple[float, ...]
    mean: float
    half_width: float | None


def interval(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and half-width of its 95% interval, by Student's t.

    Args:
      values: independent measurements.

    Returns:
      (mean, half-width); no half-width for fewer than two values.

    Example:
      >>> mean, half_width = interval([1.0, 2.0, 3.0])
      >>> round(mean, 3), round(half_width, 3)
      (2.0, 2.484)
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    return mean, float(quantile * np.std(values, ddof=1) / np.sqrt(len(values)))


def accuracies(rows: Iterable[ResultRow]) -> list[Cell]:
    """Test accuracy of every treatment at every cut.

    Args:
      rows: the table of results.

    Returns:
      Cells, in the order of the rows.
    """
    return _cells(rows, lambda row: row.top1)


def gains(rows: Sequence[ResultRow]) -> list[Cell]:
    """Accuracy minus that of the base network of the same setting, seed and target.

    Pairing removes what seeds and targets have in common: a target that is hard is hard for
    the base network too.

    Args:
      rows: the table of results.

    Returns:
      Cells of every treatment but the base networks themselves.
    """
    base = {
        (row.setting, row.seed, row.target): row.top1
        for row in rows
        if row.treatment == Treatment.BASE
    }
    others = [row for row in rows if row.treatment != Treatment.BASE]
    return _cells(others, lambda row: row.top1 - base[row.setting, row.seed, row.target])


def _cells(rows: Iterable[ResultRow], value: Callable[[ResultRow], float]) -> list[Cell]:
    by_cell: dict[tuple[str, str, str, int], dict[int, list[float]]] = {}
    for row in rows:
        place = (row.setting, row.treatment, row.variant, row.n)
        seeds = by_cell.setdefault(place, defaultdict(list))
        seeds[row.seed].append(value(row))
    cells = []
    for (setting, treatment, variant, n), seeds in by_cell.items():
        values = tuple(float(np.mean(found)) for found in seeds.values())
        cells.append(Cell(setting, Treatment(treatment), variant, n, values, *interval(values)))
    return cells
