"""What came of a race, as a value, and the answer in sentences."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from transfer_jax.analysis.statistics.choices import told_by_family, typed
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.race_rules import Look, Rules
from transfer_jax.analysis.statistics.wording import at_least, capital, in_points


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
        """Of what was trained."""
        return sum(found.cost for found in self.rounds)

    @property
    def saved(self) -> float:
        """The share of the complete grid's cost that was not spent."""
        return 1 - self.cost / self.rules.complete if self.rules.complete else 0.0

    def _with(self, fate: Fate) -> tuple[Verdict, ...]:
        return tuple(v for found in self.rounds for v in found.verdicts if v.fate == fate)

    def __str__(self) -> str:
        """All of it, a sentence a line."""
        numbers = self._more_images(), *self._stopped(), self._more_money()
        lines = (self.answer, self._about(), *numbers, self._price())
        return "\n".join(line for line in lines if line)

    @property
    def answer(self) -> str:
        """The answer in one sentence."""
        if not self.rounds and self.is_over:
            least = min(sum(self.rules.prices(arm)) for arm in self.rules.arms)
            budget, least = (self.rules.first + own for own in (self.rules.budget, least))
            return f"A budget of {budget:.3g} trains no way to its end; one: {at_least(least)}."
        if not self.rounds:
            return "No way was looked at yet."
        if not self.is_over:
            lead = self.rounds[-1].verdicts[0]
            return (
                f"So far the highest is {typed(lead.arm)} with {lead.accuracy:.1%}, "
                f"{self.rounds[-1].look}."
            )
        if not self.finished:
            return "No way was trained to the end: every network failed."
        count = len(self.finished)
        left = "" if not self.set_aside else f"; {len(self.set_aside)} set aside, not excluded"
        left += "" if not self.failed else f"; {len(self.failed)} failed"
        near = in_points(self.rules.margin)
        if len(self.rules.costs) == 1:
            return f"{capital(typed(self.finished[0]))} was the only way that was asked about."
        if self.decided and self.choice is not None:
            return (
                f"{capital(typed(self.choice))} is within {near} of the best of all "
                f"{len(self.rules.costs)} ways, whichever that is."
            )
        if count == 1:
            return f"Only {typed(self.finished[0])} is left of those trained to the end{left}."
        if self.choice is not None:
            return (
                f"{capital(typed(self.choice))} is within {near} of the best of the {count} ways "
                f"trained to the end{left}."
            )
        assert self.taken is not None and self.leader is not None
        take = (
            f"take {typed(self.taken)}, the cheapest of those within a standard error of the "
            f"highest, {typed(self.leader)}"
        )
        if self.taken == self.leader:
            alike = sum(verdict.below <= 0 for verdict in self.rounds[-1].verdicts)
            take = f"take {typed(self.leader)}, the highest"
            if alike > 1:
                take = f"take {typed(self.leader)}, the cheapest of the {alike} highest"
        told = f"Of the {count} ways that finished none is shown to be the best"
        return f"{told} ({told_by_family(self.finished)}): {take}{left}."

    def _about(self) -> str:
        if not self.is_over or not self.finished:
            return ""
        what = (
            "ways, on new seeds and new images"
            if self.rules.about_ways
            else "these networks, on new images; one seed does not tell of others"
        )
        return f"This is about {what}, with {1 - self.rules.error:.0%} for the whole race."

    def _stopped(self) -> Sequence[str]:
        return [
            f"{capital(fate)} {self._when(look)}: {told_by_family([v.arm for v in stopped])}"
            f"{self._left(fate, stopped)}."
            for fate, look, stopped in self._stops()
        ]

    def _left(self, fate: Fate, stopped: Sequence[Verdict]) -> str:
        """What is left to pay for ways that were set aside; why others failed."""
        if fate == Fate.FAILED:
            return "; their loss was no number, as with too high a learning rate"
        if fate == Fate.SET_ASIDE:
            return f"; to their ends for {at_least(sum(map(self.to_pay, stopped)))} more"
        return ""

    def to_pay(self, verdict: Verdict) -> float:
        """What it costs to train a way that was stopped to its end.

        Args:
          verdict: on it.

        Returns:
          The price of what is left.
        """
        return sum(self.rules.prices(verdict.arm, verdict.look))

    def _stops(self) -> list[tuple[Fate, int, list[Verdict]]]:
        found: dict[tuple[Fate, int], list[Verdict]] = {}
        for verdict in (*self.dropped, *self.failed, *self.set_aside):
            found.setdefault((verdict.fate, verdict.look), []).append(verdict)
        return [(*key, own) for key, own in sorted(found.items(), key=lambda item: item[0])]

    def _when(self, look: int) -> str:
        return str(self.rounds[look - 1].look) if look else "before the first step"

    def _more_images(self) -> str:
        """What would decide between ways that are at their ends; of others, money does."""
        if self.choice is not None or len(self.finished) < 2:
            return ""
        need = self.would_decide
        numbers = (need.images, "validation images"), (need.seeds, "seeds")
        told = [f"{number:,} {name}" for number, name in numbers if number is not None]
        between = f"would decide between the finished ways ({self.images:,} images now)"
        return f"About {' or '.join(told)} {between}." if told else ""

    def _more_money(self) -> str:
        if (budget := self.would_decide.budget) is None:
            return ""
        return f"A budget of {at_least(budget)} would train all to the end."

    def _price(self) -> str:
        if not self.rounds:
            return ""
        told = f"{abs(self.saved):.0%} {'less' if self.saved >= 0 else 'more'}"
        looks = "" if self.saved >= 0 else ", since networks were looked at on their way"
        return f"Training cost {self.cost:.3g}, {told} than the complete grid{looks}."
