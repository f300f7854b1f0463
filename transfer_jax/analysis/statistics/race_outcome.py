"""What came of a race, as a value; `race_telling` has it in sentences."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.race_rules import Look, Rules


class Fate(StrEnum):
    """What a look does to a way; one that goes on after the last look has finished."""

    DROPPED = "dropped"
    SET_ASIDE = "set aside"
    FAILED = "failed"
    GOES_ON = "goes on"


class Verdict(NamedTuple):
    """What became of a way at a look; accuracies are shares.

    Attributes:
      look: number of the look, from 1; 0 for a way that never began.
      below: by how much its accuracy is below the highest of the look.
      error: the standard error of that, where there is one.
      why: a sentence.
    """

    arm: Arm
    fate: Fate
    look: int
    accuracy: float
    below: float
    error: float
    why: str


@dataclass(frozen=True)
class Round:
    """A look, what it saw of each way, the highest first, and what the training up to it cost."""

    look: Look
    verdicts: tuple[Verdict, ...]
    cost: float

    def of(self, fate: Fate) -> tuple[Arm, ...]:
        """The ways that this look does something to.

        Args:
          fate: what.

        Returns:
          Them, the highest first.
        """
        return tuple(verdict.arm for verdict in self.verdicts if verdict.fate == fate)


class WouldDecide(NamedTuple):
    """What would decide an open race, each alone: numbers of validation images, of seeds, a budget.

    The first two are about the ways that were trained to the end; with the budget no way is set
    aside, whichever are dropped. None where it would not.
    """

    images: int | None = None
    seeds: int | None = None
    budget: float | None = None


@dataclass(frozen=True)
class RaceOutcome:
    """What a race says, after its last look or before.

    Attributes:
      rules: of the race.
      rounds: its looks so far.
      never_began: ways that there was no money for from the start; they are set aside, too.
      going_on: ways to train up to the next look; none after the last one.
      finished: ways that reached the last look and were not dropped, the highest first.
      choice: the cheapest of these that is shown to be within the margin of all others of them.
      taken: what to take for now: the choice, else the cheapest that is within a standard error, or
        the margin, of the highest.
      images: how many validation images there are.
      would_decide: what would, where there is no choice or a way was set aside.
    """

    rules: Rules
    rounds: tuple[Round, ...]
    never_began: tuple[Verdict, ...] = ()
    going_on: tuple[Arm, ...] = ()
    finished: tuple[Arm, ...] = ()
    choice: Arm | None = None
    taken: Arm | None = None
    images: int = 0
    would_decide: WouldDecide = field(default_factory=WouldDecide)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to train."""
        return not self.going_on

    @property
    def decided(self) -> bool:
        """Whether the choice is as good as the best of all ways: none was lost on the way."""
        return self.choice is not None and not (self.set_aside or self.failed)

    @property
    def leader(self) -> Arm | None:
        """The way with the highest accuracy at the last look so far."""
        return self.rounds[-1].verdicts[0].arm if self.rounds else None

    @property
    def dropped(self) -> tuple[Verdict, ...]:
        """Ways that are shown to be worse than the best by more than the margin."""
        return self._with(Fate.DROPPED)

    @property
    def set_aside(self) -> tuple[Verdict, ...]:
        """Ways that there was no money for; they are not excluded."""
        return (*self.never_began, *self._with(Fate.SET_ASIDE))

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """Ways whose network failed: its loss was no number."""
        return self._with(Fate.FAILED)

    @property
    def not_excluded(self) -> tuple[Arm, ...]:
        """All ways but those that were dropped or failed."""
        here = self.finished or self.going_on
        return (*here, *(verdict.arm for verdict in self.set_aside))

    @property
    def cost(self) -> float:
        """Of what was trained, by smaller budgets, too."""
        return self.rules.paid_before + sum(found.cost for found in self.rounds)

    @property
    def saved(self) -> float:
        """The share of the complete grid's cost that was not spent."""
        return 1 - self.cost / self.rules.complete if self.rules.complete else 0.0

    def looks_at(self, arm: Arm) -> int:
        """How many looks saw a way.

        Args:
          arm: the way.

        Returns:
          The number.
        """
        return sum(any(v.arm == arm for v in found.verdicts) for found in self.rounds)

    def to_pay(self, verdict: Verdict) -> float:
        """What it costs to train a way that was stopped to its end.

        Args:
          verdict: on it.

        Returns:
          The price of what is left.
        """
        return sum(self.rules.prices(verdict.arm, verdict.look))

    def _with(self, fate: Fate) -> tuple[Verdict, ...]:
        return tuple(v for found in self.rounds for v in found.verdicts if v.fate == fate)
