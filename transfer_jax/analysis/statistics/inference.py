"""What an interval is, and what may be said of a number: every sentence of a report asks here."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from transfer_jax.analysis.statistics import students
from transfer_jax.analysis.statistics.students import CONFIDENCE


class Word(StrEnum):
    """What may be said of a difference between two things."""

    ABOVE = "above"
    BELOW = "below"
    SAME = "as"
    OPEN = "not shown to differ from"


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
        ends = [
            spread.error * students.quantile(spread.freedom, sides=sides, confidence=confidence)
            for spread in self.spreads
        ]
        return max(ends, default=None)

    def word(self, margin: float) -> Word:
        """What may be said of the number, where it is a difference.

        Args:
          margin: a difference that does not matter.

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
        half = self.half_width()
        if half is not None and abs(self.mean) > half:
            return Word.ABOVE if self.mean > 0 else Word.BELOW
        return Word.SAME if self.is_within(margin) else Word.OPEN

    def is_within(self, margin: float) -> bool:
        """Whether the number is shown to be within a margin of 0.

        Args:
          margin: a difference that does not matter.

        Returns:
          Whether both one-sided tests at 5% say so.
        """
        half = self.half_width(sides=1)
        return half is not None and abs(self.mean) + half <= margin
