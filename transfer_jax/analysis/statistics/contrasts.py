"""Differences between arms with their standard errors: pooled over networks, or paired."""

import functools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from transfer_jax.analysis.statistics import students
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

POOLED, OWN = "pooled", "own"
# Where an arm has one network: the standard deviation between the paper's eight halves.
NOISE, NOISE_FREEDOM = 0.0055, 7
RANDOM_HALVES, DISTANT, WHOLE = "random halves", "distant", "whole"
FEW = 3


@dataclass(frozen=True)
class Estimate:
    """A difference of accuracies, its standard error and degrees of freedom."""

    mean: float
    error: float
    freedom: float

    def bound(self, sides: int = 2) -> float:
        """Half-width of the 95% interval with that many ends."""
        return students.quantile(self.freedom, sides=sides) * self.error

    def __str__(self) -> str:
        """In points, with its two-sided interval."""
        return f"{100 * self.mean:+.2f}±{100 * self.bound():.2f}"


# What one base network stands for, to the accuracies that belong to it.
Sample = dict[tuple[object, ...], float]


@dataclass(frozen=True)
class Arms:
    """The networks of a table, by family of splits, treatment and n.

    Attributes:
      rows: the table; variants and reduced targets are left out.
      mode: "pooled" compares accuracies, as the paper does; "own" compares what is left after
        subtracting the base network of the same split, seed and target.
    """

    rows: tuple[ResultRow, ...]
    mode: str

    def sample(self, family: str, treatment: str, ns: Iterable[int] = (0,)) -> Sample:
        """One number a target network: the mean over the cuts asked for.

        With fewer than three target networks every network counts by itself; empty where a cut
        was not run at all.
        """
        ns, groups = tuple(ns), defaultdict[tuple[object, ...], dict[int, float]](dict)
        for *key, n, value in self._found(family, treatment, ns):
            groups[tuple(key)][n] = value
        if not set(ns) <= {n for found in groups.values() for n in found}:
            return {}
        if len(groups) < FEW:
            return {(*k, n): v for k, found in groups.items() for n, v in found.items()}
        return {k: float(np.mean(list(found.values()))) for k, found in groups.items()}

    def runs(self, family: str, treatment: str, ns: Iterable[int]) -> list[float]:
        """The accuracy of every network, as the paper pools them."""
        return [found[-1] for found in self._found(family, treatment, ns)]

    def _found(
        self, family: str, treatment: str, ns: Iterable[int]
    ) -> Iterator[tuple[str, int, str, str, int, float]]:
        wanted, base = set(ns), self._bases()
        for row in self._rows(family, treatment):
            place = (row.split, row.seed, row.target)
            if row.n not in wanted or (self.mode == OWN and place not in base):
                continue
            own = (row.best10 - base[place]) if self.mode == OWN else row.best10
            yield (*place, row.base, row.n, own)

    def contrast(self, terms: Sequence[tuple[float, Sample]]) -> Estimate | None:
        """A weighted sum of means of arms; None where an arm has no networks."""
        if any(not sample for _, sample in terms):
            return None
        keys = {frozenset(_target(key) for key in sample) for _, sample in terms}
        paired = self.mode == OWN and len(keys) == 1 and len(next(iter(keys))) >= FEW
        return _paired(terms) if paired else _independent(terms)

    def base(self, family: str) -> list[tuple[float, Sample]]:
        """The term that subtracts the base networks; their own is subtracted already."""
        return [] if self.mode == OWN else [(-1.0, self.sample(family, Treatment.BASE))]

    def cuts(self, family: str, treatment: str) -> list[int]:
        """The cuts at which a treatment was run."""
        return sorted({row.n for row in self._rows(family, treatment)})

    def _rows(self, family: str, treatment: str) -> Iterator[ResultRow]:
        for row in self.rows:
            here = family_of(row.split) == family and row.treatment == treatment
            if here and not (row.variant or row.examples):
                yield row

    def _bases(self) -> Mapping[tuple[str, int, str], float]:
        return {
            (row.split, row.seed, row.target): row.best10
            for row in self.rows
            if row.treatment == Treatment.BASE and not (row.variant or row.examples)
        }


@functools.cache
def family_of(split: str) -> str:
    """What kind of split one of that name is.

    Args:
      split: its name.

    Returns:
      One of "random halves", "distant" and "whole".

    Example:
      >>> family_of("random-3"), family_of("man-natural")
      ('random halves', 'distant')
    """
    if re.fullmatch(r"random-\d+", split):
        return RANDOM_HALVES
    return WHOLE if split == "whole" else DISTANT


def slope(points: Sequence[tuple[float, float]]) -> Estimate | None:
    """The slope of the regression line.

    Args:
      points: (x, y) pairs.

    Returns:
      The slope; None for fewer than three points, or for one x.

    Example:
      >>> round(slope([(0.0, 0.0), (1.0, 2.0), (2.0, 4.0)]).mean, 6)
      2.0
    """
    if len(points) < FEW or len({x for x, _ in points}) < 2:
        return None
    xs, ys = np.array(points).T
    line, covariance = np.polyfit(xs, ys, 1, cov=True)
    return Estimate(float(line[0]), float(np.sqrt(covariance[0, 0])), len(points) - 2)


def over(values: Sequence[float]) -> Estimate:
    """The mean of some numbers.

    Args:
      values: independent numbers, at least one.

    Returns:
      It with its standard error.

    Example:
      >>> over([1.0, 3.0]).error
      1.0
    """
    spread = _variance(values) / len(values)
    return Estimate(float(np.mean(values)), float(np.sqrt(spread)), _freedom(len(values)))


def _paired(terms: Sequence[tuple[float, Sample]]) -> Estimate:
    by_key: dict[tuple[object, ...], float] = defaultdict(float)
    for weight, sample in terms:
        means: dict[tuple[object, ...], list[float]] = defaultdict(list)
        for key, value in sample.items():
            means[_target(key)].append(value)
        for key, values in means.items():
            by_key[key] += weight * float(np.mean(values))
    return over(list(by_key.values()))


def _target(key: tuple[object, ...]) -> tuple[object, ...]:
    """What two arms have in common: all but the base task."""
    return key[:3] + key[4:]


def _independent(terms: Sequence[tuple[float, Sample]]) -> Estimate:
    """Welch's standard error and degrees of freedom."""
    mean, parts = 0.0, []
    for weight, sample in terms:
        values = list(sample.values())
        mean += weight * float(np.mean(values))
        parts.append((weight**2 * _variance(values) / len(values), _freedom(len(values))))
    spread = sum(part for part, _ in parts)
    freedom = spread**2 / sum(part**2 / free for part, free in parts) if spread else 1.0
    return Estimate(mean, float(np.sqrt(spread)), freedom)


def _variance(values: Sequence[float]) -> float:
    return float(np.var(values, ddof=1)) if len(values) > 1 else NOISE**2


def _freedom(count: int) -> int:
    return count - 1 if count > 1 else NOISE_FREEDOM
