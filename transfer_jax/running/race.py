"""Races: of some ways to train a network those go on that may still be the best, for a budget.

What a race knows lies in the folder: its rules, and what each look saw. So a race that was stopped
goes on as if it never had been. Process 0 alone reads it, and says how the race stands: a disk that
several machines share may show each of them something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from transfer_jax.analysis.raced import folder_name, race_of, rules_of
from transfer_jax.analysis.statistics import halving
from transfer_jax.analysis.statistics.choices import typed
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.engine.processes import all_meet, is_first, said_by_first
from transfer_jax.folder.correctness import read_correctness
from transfer_jax.folder.race_files import Looked, RaceFile, note_seconds, read_look, write_look
from transfer_jax.folder.results import read_rows
from transfer_jax.grid.conditions import Column
from transfer_jax.plan.plan import plan_mesh
from transfer_jax.running.run import Run, RunColumn
from transfer_jax.running.session import Session
from transfer_jax.running.slot import Slot
from transfer_jax.running.watch import stop_if_asked
from transfer_jax.running.ways import arm_of, race_file, task_of

if TYPE_CHECKING:  # Statistics take a second to import: late, where there is a race.
    from transfer_jax.analysis.statistics.race_rules import Rules

WAVE = "race"


def run_races(runs: Sequence[Run], session: Session) -> None:
    """Carry out what is left of the races of some runs, whose linear heads are solved.

    Args:
      runs: any; those without a budget have none.
      session: who looks on, and who may stop it.

    Raises:
      Stopped: the process was asked to stop, and did.
    """
    for run in runs:
        if run.is_raced:
            file = race_file(run)
            for task in file.tasks:
                Race(run, run.ways, file, task, session).carry_out()


class Stand(NamedTuple):
    """How a race stands, as all processes hear it.

    Attributes:
      looks: how many there were.
      going_on: the ways to train up to the next one; none where it is over.
      cost: of what was trained.
      told: what the last look did, in words.
    """

    looks: int
    going_on: tuple[Arm, ...]
    cost: float
    told: str


@dataclass(frozen=True)
class Race:
    """A race for one task.

    Attributes:
      run: the run that it is a part of.
      ways: a run for each way that is trained.
      file: what is fixed before.
      task: its name.
      session: who looks on, and who may stop it.
    """

    run: Run
    ways: dict[Arm, Run]
    file: RaceFile
    task: str
    session: Session

    @cached_property
    def rules(self) -> "Rules":
        """What holds at all of its looks."""
        return rules_of(self.file, self.task)

    def carry_out(self) -> None:
        """Train up to look after look, until nothing is left to train or to pay with."""
        stand = self._stand()
        while stand.going_on:
            paid = [arm for arm in stand.going_on if arm in self.ways]
            self._expect(stand, paid)
            for place, arm in enumerate(paid, 1):
                self._say_where(arm, stand.looks, f"{place} of {len(paid)} ways")
                self._look_at_network(arm, stand.looks)
            self.session.progress.at("")
            for arm in stand.going_on:
                if arm not in self.ways:
                    self._look_at_head(arm, stand.looks)
            stand = self._stand()
            if paid or not stand.going_on:  # Linear heads are the same at every look.
                self.session.progress.say(stand.told)

    def _stand(self) -> Stand:
        """How the race stands by what lies in the folder."""

        def found() -> list[object]:
            raced = race_of(self.run.folder.path, self.file, self.task)
            outcome = raced.outcome
            on = [self.rules.arms.index(arm) for arm in outcome.going_on]
            return [len(outcome.rounds), on, outcome.cost, raced.last_look]

        looks, on, cost, told = said_by_first(found)
        return Stand(looks, tuple(self.rules.arms[i] for i in on), cost, told)

    def _expect(self, stand: Stand, paid: Sequence[Arm]) -> None:
        """Steps up to the next look are known; of later ones, the most that can be paid."""
        rules, number = self.rules, stand.looks
        left = rules.budget - stand.cost
        prices = [rules.prices(arm, number) for arm in paid if not rules.is_there(arm)]
        ways = halving.schedule(prices, left).ways
        looks = range(number, len(rules.looks))
        now = sum(own[0] > 0 for own in prices)
        each = zip((now, *ways[1:]), map(self._steps_of, looks), strict=False)
        self.session.progress.expect(sum(count * steps for count, steps in each))

    def _say_where(self, arm: Arm, number: int, which: str) -> None:
        """The steps of all looks together change from look to look: those up to this one do not."""
        looks, steps = self.rules.looks, self.run.plan.recipe.steps
        seed = f", seed {looks[number].seeds}" if looks[-1].seeds > 1 else ""
        until = f"to step {self._until(number)} of {steps}"
        self.session.progress.at(f"{typed(arm)}{seed}, {until}, {which}")

    def _until(self, number: int) -> int:
        """The step of a look."""
        return max(1, round(self.rules.looks[number].share * self.run.plan.recipe.steps))

    def _before(self, number: int) -> int:
        """The step that a network goes on from, up to a look: each seed begins anew."""
        same = number and self.rules.looks[number].seeds == self.rules.looks[number - 1].seeds
        return self._until(number - 1) if same else 0

    def _steps_of(self, number: int) -> int:
        return self._until(number) - self._before(number)

    def _look_at_network(self, arm: Arm, number: int) -> None:
        """Train a network up to a look, and keep what that sees."""
        way, seed = self.ways[arm], self.rules.looks[number].seeds - 1
        column = self._column(way, seed)
        path, until = way.folder.look(self.task, number), self._until(number)
        there, finished = said_by_first(lambda: [path.exists(), way.has_finished(column)])
        if there:
            return
        stop_if_asked(self.session.stop)
        on_the_way = until < self.run.plan.recipe.steps
        # A look that was lost is seen again, whatever was trained since.
        look = None
        if on_the_way or not finished:
            began, seconds, look = self._trained(RunColumn(way, column), number)
            if began == self._before(number) and is_first():
                note_seconds(way.folder.seconds, self.task, number, seconds)
        with all_meet(f"the next look of {folder_name(arm)}") as first:
            if first:
                write_look(path, *(look or _at_its_end(way, column)))

    def _trained(self, own: RunColumn, number: int) -> tuple[int, float, Looked | None]:
        """From which step it was trained, in how many seconds, and what a look on the way sees.

        Of a network at its end, which is kept, that is nothing.
        """
        (way, column), until = own, self._until(number)
        # A column has all devices: it is alone in its program, whenever it is trained.
        compiled = self.session.programs.of(way.plan, column, plan_mesh(way.plan, [own]))
        slot = Slot(WAVE, [own], compiled, self.session, until if until < own.steps else 0)
        if slot.done < self._before(number):
            self.session.progress.say(
                f"{column.name}: no checkpoint of step {self._before(number)} is left; trained "
                f"again from step {slot.done} on, which was paid for once"
            )
        (outcome,) = outcomes = slot.train()
        if until < own.steps:
            look = Looked(outcome.validation_right[0], bool(outcome.diverged[0]))
            return slot.done, slot.seconds, look
        slot.keep(outcomes)
        return slot.done, slot.seconds, None

    def _look_at_head(self, arm: Arm, number: int) -> None:
        """A linear head was solved, and is the same at every look."""
        folder = self.run.folder
        path = folder.way(folder_name(arm)).look(self.task, number)
        column, label = next(
            (column, condition.label)
            for column in self.run.plan.probes
            for condition in column.conditions
            if task_of(condition) == self.task and arm_of(condition) == arm
        )
        with all_meet("the look of a head") as first:
            if first and read_look(path) is None:
                write_look(path, read_correctness(folder.validated(column)).right(label), False)

    def _column(self, way: Run, seed: int) -> Column:
        columns = way.plan.columns(way.plan.grid)
        return next(c for c in columns if c.seed == seed and task_of(c) == self.task)


def _at_its_end(way: Run, column: Column) -> Looked:
    (row,) = read_rows(way.folder.column(column))
    right = read_correctness(way.folder.validated(column)).right(row.label)
    return Looked(right, row.diverged > 0)
