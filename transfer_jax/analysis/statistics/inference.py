"""What the units are, what an interval is, what may be said: every sentence of a report asks here.

Units are splits where there are three or more, else the seeds within each split. An interval is
the wider of two. One has the standard error of units and test images together, with
Satterthwaite's degrees of freedom: these are largest where units happen to differ little, and then
it is too short. The other has the units' own standard error, with Student's degrees of freedom.
One unit gives no interval.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from transfer_jax.analysis.statistics import students
from transfer_jax.analysis.statistics.students import CONFIDENCE
from transfer_jax.analysis.statistics.wording import written

ENOUGH_SPLITS = 3
NO_PLACE = "no networks of the same split, seed and target to compare"
ONE_UNIT = "one seed, or one split, gives no interval"


class Word(StrEnum):
    """What may be said of a difference between two things."""

    ABOVE = "above"
    BELOW = "below"
    SAME = "as"
    OPEN = "not shown to differ from"


class Unit(NamedTuple):
    """What is drawn as one, and among which others: a split, or a seed of its split."""

    stratum: str
    name: str


def are_splits(splits: Iterable[str]) -> bool:
    """Whether splits are the units.

    Args:
      splits: their names.

    Returns:
      True where there are enough of them; else seeds are.

    Example:
      >>> are_splits(["random-0", "random-1", "random-2"]), are_splits(["random-0"])
      (True, False)
    """
    return len(set(splits)) >= ENOUGH_SPLITS


def units(places: Iterable[tuple[str, int]]) -> list[Unit]:
    """The unit that each network belongs to.

    Args:
      places: their splits and seeds.

    Returns:
      A unit each.

    Example:
      >>> units([("x", 0), ("x", 1)])
      [Unit(stratum='x', name='0'), Unit(stratum='x', name='1')]
    """
    held = list(places)
    if are_splits(split for split, _ in held):
        return [Unit("", split) for split, _ in held]
    return [Unit(split, str(seed)) for split, seed in held]


class Spread(NamedTuple):
    """A standard error and its degrees of freedom."""

    error: float
    freedom: float


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is; shares: 0.01 is a point.

    Attributes:
      mean: the number.
      spreads: standard errors that each hold by themselves, of which the wider interval counts;
        none where there is one unit.
      units: how many splits or seeds are behind it.
    """

    mean: float
    spreads: tuple[Spread, ...]
    units: int

    @property
    def lacks(self) -> str:
        """Why there is no number, or no interval; empty where there is one."""
        return "" if self.spreads else ONE_UNIT if self.units else NO_PLACE

    @property
    def freedom(self) -> float | None:
        """Degrees of freedom of the standard error whose 95% interval counts."""
        widest = max(self.spreads, key=_reach, default=None)
        return None if widest is None else widest.freedom

    @property
    def p(self) -> float | None:
        """Two-sided, that it is 0; below 0.05 where the 95% interval leaves 0 out."""
        return max((_p(self.mean, spread) for spread in self.spreads), default=None)

    def half_width(self, confidence: float = CONFIDENCE, *, sides: int = 2) -> float | None:
        """Half of the interval.

        Args:
          confidence: how often the interval holds the truth.
          sides: ends of the interval.

        Returns:
          Half of its width; None where there is no interval.

        Example:
          >>> Estimate(0.0, (Spread(1.0, 3.0), Spread(1.1, 9.0)), 4).half_width()  # of the first
          3.18244630528...
          >>> Estimate(0.0, (), 1).half_width()
        """
        return max(
            (_reach(spread, confidence, sides=sides) for spread in self.spreads), default=None
        )

    def word(self, margin: float, *, among: int = 1) -> Word:
        """What may be said of the number, where it is a difference.

        Args:
          margin: a difference that does not matter.
          among: of how many numbers one is picked, all of which must be right (Bonferroni).

        Returns:
          `ABOVE` or `BELOW` where the 95% interval leaves 0 out; `SAME` where two one-sided tests
          at 5% show it within the margin; else `OPEN`.

        Example:
          >>> few, many = (Spread(0.01, 3.0),), (Spread(0.001, 3.0),)
          >>> cases = (0.05, few), (0.0, many), (0.0, few)
          >>> [Estimate(mean, spreads, 4).word(0.01).value for mean, spreads in cases]
          ['above', 'as', 'not shown to differ from']

        Source: Schuirmann (1987), A comparison of the two one-sided tests procedure.
        """
        half = self.half_width(1 - (1 - CONFIDENCE) / among)
        if half is not None and abs(self.mean) > half:
            return Word.ABOVE if self.mean > 0 else Word.BELOW
        return Word.SAME if self.is_within(margin, among=among) else Word.OPEN

    def is_within(self, margin: float, *, among: int = 1) -> bool:
        """Whether the number is shown to be within a margin of 0.

        Args:
          margin: a difference that does not matter.
          among: of how many numbers one is picked, all of which must be right (Bonferroni).

        Returns:
          Whether both one-sided tests at 5% say so.
        """
        half = self.half_width(1 - (1 - CONFIDENCE) / among, sides=1)
        return half is not None and abs(self.mean) + half <= margin

    def points(self, digits: int = 1, *, signed: bool = True) -> str:
        """In points, with its interval: the one way in which a number is written.

        Args:
          digits: after the point.
          signed: whether a plus is written.

        Returns:
          The text; without an interval where there is none, empty where there is no number. With
          a digit more where it would not be seen whether the interval leaves 0 out.

        Example:
          >>> one, two = (Spread(0.001, 3.0),), (Spread(0.00093, 3.0),)
          >>> [Estimate(*own, 4).points() for own in ((0.012, one), (0.0034, two), (0.012, ()))]
          ['+1.2±0.3', '+0.34±0.30', '+1.2']
        """
        return written(self.mean, self.half_width(), digits, signed=signed)


def independent(first: Estimate, second: Estimate) -> Estimate:
    """One number less another, of networks that have nothing in common.

    Args:
      first: a number.
      second: what is taken away.

    Returns:
      The difference; without an interval where one of them has none.

    Example:
      >>> one = Estimate(0.5, (Spread(3.0, 3.0), Spread(3.0, 3.0)), 4)
      >>> found = independent(one, Estimate(0.1, (Spread(4.0, 5.0), Spread(4.0, 5.0)), 6))
      >>> found.mean, found.spreads[0].error, found.spreads[1].freedom, found.units
      (0.4, 5.0, 8.0, 10)

    Source: Welch (1947), The generalization of "Student's" problem.
    """
    mean = first.mean - second.mean
    if not (first.spreads and second.spreads):
        return Estimate(mean, (), min(first.units, second.units))
    (a, own_a), (b, own_b) = first.spreads, second.spreads
    total = Spread(float(np.hypot(a.error, b.error)), _welch(a, b))
    own = Spread(float(np.hypot(own_a.error, own_b.error)), own_a.freedom + own_b.freedom)
    return Estimate(mean, (total, own), first.units + second.units)


def over_units(values: Iterable[tuple[tuple[str, int], float]]) -> Estimate:
    """The mean of numbers that networks have one by one, such as correlations.

    Args:
      values: the split and seed of each, and the number.

    Returns:
      The mean over splits, of each over its seeds, with its interval.

    Example:
      >>> found = over_units([(("x", 0), 1.0), (("x", 0), 3.0), (("x", 1), 4.0)])
      >>> found.mean, found.units, found.spreads[0]
      (3.0, 2, Spread(error=1.0, freedom=1.0))
    """
    held = list(values)
    by_unit: dict[Unit, list[float]] = {}
    for unit, (_, value) in zip(units(place for place, _ in held), held, strict=True):
        by_unit.setdefault(unit, []).append(value)
    strata: dict[str, list[float]] = {}
    for unit, own in by_unit.items():
        strata.setdefault(unit.stratum, []).append(float(np.mean(own)))
    mean = float(np.mean([np.mean(own) for own in strata.values()])) if strata else np.nan
    if not strata or min(map(len, strata.values())) == 1:
        return Estimate(mean, (), len(by_unit))
    parts = [
        Spread(float(np.std(own, ddof=1) / np.sqrt(len(own)) / len(strata)), len(own) - 1)
        for own in strata.values()
    ]
    error = float(np.sqrt(sum(part.error**2 for part in parts)))
    freedoms = _welch(*parts), len(by_unit) - len(strata)
    return Estimate(mean, tuple(Spread(error, freedom) for freedom in freedoms), len(by_unit))


def _reach(spread: Spread, confidence: float = CONFIDENCE, *, sides: int = 2) -> float:
    return spread.error * students.quantile(spread.freedom, sides=sides, confidence=confidence)


def _p(mean: float, spread: Spread) -> float:
    if spread.error == 0:
        return 1.0 if mean == 0 else 0.0
    return students.two_sided_p(mean / spread.error, spread.freedom)


def _welch(*spreads: Spread) -> float:
    total = sum(spread.error**2 for spread in spreads)
    below = sum(spread.error**4 / spread.freedom for spread in spreads)
    return total**2 / below if below else sum(spread.freedom for spread in spreads)
