"""Races of a run's folder: what came of each so far, and where what its networks left lies."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from etils import epath

from transfer_jax.analysis.network_of_way import arm_of
from transfer_jax.analysis.statistics.choices import told_by_family, typed
from transfer_jax.analysis.statistics.crossing import WHOLE, Arm
from transfer_jax.folder.race_files import (
    Looked,
    RaceFile,
    read_look,
    read_race,
    read_seconds,
    task_name,
)
from transfer_jax.folder.results import ResultRow
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.pretrained import SOLVED

if TYPE_CHECKING:  # Statistics take a second to import: late, where there is a race.
    from transfer_jax.analysis.statistics.race_outcome import RaceOutcome
    from transfer_jax.analysis.statistics.race_rules import Rules, Seen


# The task of a run that has one task, of all classes and images.
ALONE = task_name(WHOLE, "A", None)


@dataclass(frozen=True)
class Raced:
    """A race for one task.

    Attributes:
      task: its name.
      file: what was fixed before.
      outcome: what came of it so far.
      seconds: what the networks of each way took, looks with them, without compilation; ways of
        which that is not known are left out.
      goes_on: the larger budget with which it goes on, if it does.
    """

    task: str
    file: RaceFile
    outcome: "RaceOutcome"
    seconds: Mapping[Arm, float] = field(default_factory=dict)
    goes_on: float | None = None

    @property
    def name(self) -> str:
        """What its task is called for people; "" for the only one, of all classes and images."""
        return "" if self.file.tasks == (ALONE,) else self.task

    @property
    def spent(self) -> float:
        """What it cost so far, in full fine-tunings, what comes first included."""
        return self.file.first + self.outcome.cost

    @property
    def title(self) -> str:
        """What a line about it begins with."""
        return self.name or "race"

    @property
    def last_look(self) -> str:
        """What the last look did to the ways that it saw, and what is spent."""
        from transfer_jax.analysis.statistics.race_outcome import Fate

        if not self.outcome.rounds:
            return f"{self.title}: no look yet"
        found = self.outcome.rounds[-1]
        words = {fate: str(fate) for fate in Fate}
        words[Fate.GOES_ON] = "finished" if self.outcome.is_over else "going on"
        parts = [f"{words[f]}: {told_by_family(found.of(f))}" for f in Fate if found.of(f)]
        spent = f"{self.spent:.2f} of {self.file.budget:g} spent"
        return f"{self.title} {found.look}: {'; '.join(parts)}; {spent}"


def folder_name(arm: Arm) -> str:
    """What the folder of a way is called.

    Example:
      >>> folder_name(Arm(Treatment.TRANSFER_PLUS, 3, "freeze"))
      'freeze@3'
    """
    return typed(arm).replace(":", "@")


def home_of(folder: epath.Path, row: ResultRow) -> epath.Path:
    """Where what a network of a race left lies.

    Args:
      folder: the run's folder.
      row: the network.

    Returns:
      The folder of its way, laid out as a run's; that of the run for a linear head.
    """
    if row.variant in SOLVED:
        return folder
    return Workdir(folder).way(folder_name(arm_of(row))).path


def races_of(folder: epath.Path) -> list[Raced]:
    """The races of a run's folder, as far as their looks are there.

    Args:
      folder: the run's folder.

    Returns:
      One entry a task; none where all networks are trained.

    Raises:
      ResultsError: a file is damaged.
    """
    file = read_race(Workdir(folder).race)
    return [_last_answered(folder, file, task) for task in file.tasks] if file else []


def _last_answered(folder: epath.Path, file: RaceFile, task: str) -> Raced:
    """A race; of one that goes on with a larger budget, what it said before, until it is over."""
    now = race_of(folder, file, task)
    then = now
    while not then.outcome.is_over and (smaller := then.file.of_smaller):
        then = race_of(folder, smaller, task)
    return replace(then, goes_on=file.budget) if then.outcome.is_over and then is not now else now


def race_of(folder: epath.Path, file: RaceFile, task: str) -> Raced:
    """The race for one task, as far as its looks are there.

    Args:
      folder: the run's folder.
      file: what was fixed before.
      task: its name.

    Returns:
      It.

    Raises:
      ResultsError: a file is damaged.
    """
    from transfer_jax.analysis.statistics.race import after, race

    outcome = race(rules_of(file, task))
    while not outcome.is_over and (seen := _seen(folder, task, outcome)) is not None:
        outcome = after(outcome, seen)
    return Raced(task, file, outcome, dict(_timed(folder, task, outcome)))


@functools.lru_cache(maxsize=8)
def rules_of(file: RaceFile, task: str) -> "Rules":
    """The rules of a race.

    Args:
      file: what was fixed before.
      task: what it is for.

    Returns:
      They; the budget is what is left of it for training.
    """
    from transfer_jax.analysis.statistics.race_rules import Rules, looks_of

    arms = [Arm(Treatment(way.treatment), way.n, way.variant) for way in file.ways]
    at, none = file.tasks.index(task), (0,) * len(arms)
    paid = file.before[at] if file.before else none
    failed = file.failed[at] if file.failed else none
    return Rules(
        {arm: way.price for arm, way in zip(arms, file.ways, strict=True)},
        file.margin,
        looks_of(seeds=file.seeds),
        max(0.0, file.budget - file.first),
        looking=file.looking,
        first=file.first,
        before={arm: looks for arm, looks in zip(arms, paid, strict=True) if looks},
        failed=frozenset(arm for arm, lost in zip(arms, failed, strict=True) if lost),
        budgets=1 + len(file.smaller),
    )


def enlarged(folder: epath.Path, file: RaceFile, budget: float) -> RaceFile:
    """A race with a larger budget, by what its ways have had, whatever became of them.

    Args:
      folder: the run's folder.
      file: the rules of the race.
      budget: the larger one.

    Returns:
      Its rules.

    Raises:
      ResultsError: a look is damaged.
    """

    def had(task: str, arm: Arm) -> tuple[int, bool]:
        """Up to which look it was trained: an earlier one that is lost is seen again."""
        where, rules = Workdir(folder).way(folder_name(arm)), rules_of(file, task)
        numbers = range(len(rules.looks) if rules.costs[arm] else 0)
        found = {n: look for n in numbers if (look := read_look(where.look(task, n))) is not None}
        return max(found, default=-1) + 1, any(look.failed for look in found.values())

    each = [[had(task, arm) for arm in rules_of(file, task).arms] for task in file.tasks]
    paid = tuple(tuple(looks for looks, _ in ways) for ways in each)
    return file.enlarged(budget, paid, tuple(tuple(lost for _, lost in ways) for ways in each))


def _seen(folder: epath.Path, task: str, outcome: "RaceOutcome") -> "dict[Arm, Seen] | None":
    """What the next look sees of all that run; None where it is still to come."""
    looks, number = outcome.rules.looks, len(outcome.rounds)
    # The networks of earlier seeds are at their ends.
    numbers = [n for n in range(number) if looks[n].share == 1] + [number]
    found = {}
    for arm in outcome.going_on:
        where = Workdir(folder).way(folder_name(arm))
        held = [look for n in numbers if (look := read_look(where.look(task, n))) is not None]
        if len(held) < len(numbers):
            return None
        found[arm] = _of(held)
    return found


def _timed(folder: epath.Path, task: str, outcome: "RaceOutcome") -> Iterator[tuple[Arm, float]]:
    for arm, cost in outcome.rules.costs.items():
        path = Workdir(folder).way(folder_name(arm)).seconds
        seconds = read_seconds(path, task, outcome.looks_at(arm)) if cost else None
        if seconds is not None:
            yield arm, seconds


def _of(held: list[Looked]) -> "Seen":
    from transfer_jax.analysis.statistics.race_rules import Seen

    seen = Seen.of(np.stack([look.right for look in held]))
    failed = np.array([look.failed for look in held])
    return Seen(np.where(failed, np.nan, seen.accuracy), seen.images, seen.right)
