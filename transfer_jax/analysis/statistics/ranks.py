"""How well scores foretell transfer: Kendall's tau, beside that of the trivial predictor."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from transfer_jax.analysis.statistics.control_numbers import (
    ColumnKey,
    Placed,
    by_tasks,
    column_of,
    frozen_accuracies,
)
from transfer_jax.analysis.statistics.inference import Estimate, Spread, over_units
from transfer_jax.analysis.statistics.rounding import variance_of
from transfer_jax.folder.control_results import LEEP, LOGME, ControlRow
from transfer_jax.folder.results import ResultRow

# What is left to compare a score of the cuts with: that they are cuts.
FEWER = "fewer layers"
NAMES = {LEEP: "LEEP of an LDA", LOGME: "LogME", FEWER: FEWER}
# Fewer cuts have no order to speak of.
ENOUGH = 3
# A difference of Kendall's tau that does not matter: about one of the pairs of seven cuts.
TAU_MARGIN = 0.1


@dataclass(frozen=True)
class Ranked:
    """How well a predictor puts the cuts in the order of frozen transfer's accuracy.

    Attributes:
      tasks: the group of splits.
      predictor: a score, or `FEWER`.
      tau: Kendall's tau over the cuts of a column, the mean over columns.
      over_fewer: by how much it is above that of `FEWER` on the same cuts.
      columns: how many columns have a tau.
      without: how many have none: the score, or the accuracy, is the same at all cuts or missing.
    """

    tasks: str
    predictor: str
    tau: Estimate
    over_fewer: Estimate
    columns: int
    without: int


def ranks(rows: Sequence[ControlRow], networks: Sequence[ResultRow]) -> list[Ranked]:
    """How scores of the cuts rank with the accuracy of AnB, beside the trivial predictor.

    Args:
      rows: controls of several columns.
      networks: the rows of their accuracies.

    Returns:
      One for each group of splits and score, and one for `FEWER`; none where no score was measured
      at three cuts.
    """
    accuracy, found = frozen_accuracies(networks), []
    for tasks, own in by_tasks(r for r in rows if r.control in NAMES).items():
        scores: dict[str, dict[ColumnKey, dict[int, float]]] = {}
        for row in own:
            if row.n in accuracy.get(column_of(row), {}):
                for name, score in ((row.control, row.value), (FEWER, -float(row.n))):
                    scores.setdefault(name, {}).setdefault(column_of(row), {})[row.n] = score
        for predictor in [name for name in NAMES if name in scores]:
            if made := _ranked(tasks, predictor, scores[predictor], accuracy):
                found.append(made)
    return found


def _ranked(
    tasks: str,
    predictor: str,
    scores: Mapping[ColumnKey, Mapping[int, float]],
    accuracy: Mapping[ColumnKey, Mapping[int, float]],
) -> Ranked | None:
    own: list[Placed] = []
    over: list[Placed] = []
    without, step = 0, 0.0
    for column, by_n in scores.items():
        if len(by_n) < ENOUGH:
            continue
        reached = [accuracy[column][n] for n in by_n]
        tau = _tau(list(by_n.values()), reached)
        trivial = _tau([-float(n) for n in by_n], reached)
        if np.isnan([tau, trivial]).any():
            without += 1
            continue
        step = max(step, 4 / (len(by_n) * (len(by_n) - 1)))
        own.append((column[:2], tau))
        over.append((column[:2], tau - trivial))
    if not own and not without:
        return None
    difference = _in_steps(over if predictor != FEWER else (), step)
    return Ranked(tasks, predictor, _in_steps(own, step), difference, len(own), without)


def _in_steps(values: Iterable[Placed], step: float) -> Estimate:
    """Of numbers that move in steps: units that are all alike are not sure to less than one."""
    found = over_units(values)
    if not found.spreads:
        return found
    error = np.sqrt(variance_of(step) / found.units)
    rounding = Spread(float(error), min(spread.freedom for spread in found.spreads))
    return replace(found, spreads=(*found.spreads, rounding))


def _tau(scores: Sequence[float], reached: Sequence[float]) -> float:
    from scipy import stats

    if not np.isfinite(scores).all():
        return float("nan")
    return float(stats.kendalltau(scores, reached).statistic)  # pyright: ignore
