"""A race on disk: its rules, written before its first step, and what each look saw of a network."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Bool

from transfer_jax.folder.results import ResultsError
from transfer_jax.folder.whole_file import read_arrays, read_json, write_arrays, write_json


@dataclass(frozen=True)
class WayPrice:
    """A way, and what one network of it costs, to its end, in full fine-tunings."""

    treatment: str
    n: int
    variant: str
    price: float


# Of each task, of each way: how many looks were paid.
Paid = tuple[tuple[int, ...], ...]
# And whether its network failed.
Failed = tuple[tuple[bool, ...], ...]


@dataclass(frozen=True)
class Smaller:
    """A smaller budget that a race had before, and what was paid and had failed before that."""

    budget: float
    before: Paid = ()
    failed: Failed = ()


@dataclass(frozen=True)
class RaceFile:
    """What is fixed before a race; prices are in full fine-tunings.

    Attributes:
      tasks: what is raced for, each for itself: split, target, and a number of examples.
      ways: all that enter, in the order in which they begin.
      budget: what a race may cost, what comes first included.
      first: what comes first costs: linear heads, and frozen layers that are kept.
      looking: what it costs to look at one network.
      margin: a difference that does not matter.
      seeds: how many networks of a way are trained at most.
      unit: multiply-adds of one full fine-tuning.
      before: what smaller budgets paid; empty where there were none.
      failed: which ways failed then.
      smaller: they, in order.
    """

    tasks: tuple[str, ...]
    ways: tuple[WayPrice, ...]
    budget: float
    first: float
    looking: float
    margin: float
    seeds: int
    unit: int
    before: Paid = ()
    failed: Failed = ()
    smaller: tuple[Smaller, ...] = ()

    def enlarged(self, budget: float, paid: Paid, failed: Failed) -> "RaceFile":
        """The race that goes on with a larger budget.

        Args:
          budget: the larger one.
          paid: what was paid of the smaller one.
          failed: which ways failed.

        Returns:
          Its rules.
        """
        smaller = (*self.smaller, Smaller(self.budget, self.before, self.failed))
        return replace(self, budget=budget, before=paid, failed=failed, smaller=smaller)

    @property
    def of_smaller(self) -> "RaceFile | None":
        """The race of the budget before this one."""
        if not self.smaller:
            return None
        *earlier, last = self.smaller
        return replace(self, **vars(last), smaller=tuple(earlier))


class Looked(NamedTuple):
    """What a look saw: which validation images a network gets right, and whether it failed."""

    right: Bool[np.ndarray, " image"]
    failed: bool


def task_name(split: str, target: str, examples: int | None) -> str:
    """What a task of a race is called in files.

    Example:
      >>> task_name("whole", "A", None), task_name("whole", "A", 100)
      ('whole.A', 'whole.A.first100')
    """
    return f"{split}.{target}" + (f".first{examples}" if examples else "")


def write_race(path: epath.Path, race: RaceFile) -> None:
    """Write the rules of a race.

    Args:
      path: the file.
    """
    write_json(path, asdict(race))


def read_race(path: epath.Path) -> RaceFile | None:
    """Read the rules of a race.

    Args:
      path: the file.

    Returns:
      The rules; None where there is no race.

    Raises:
      ResultsError: the file is damaged, or cannot be read.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "race.json"
      >>> race = RaceFile(("whole.A",), (WayPrice("AnB", 3, "probe", 0.0),), 2, 0, 0, 0.01, 1, 9)
      >>> write_race(path, race)
      >>> read_race(path) == race, read_race(path.with_name("none.json"))
      (True, None)
    """
    if not path.exists():
        return None
    try:
        return race_of_json(json.loads(path.read_text()))
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror or error}") from None
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        told = f"it has no {error}" if isinstance(error, KeyError) else error
        raise ResultsError(
            f"{path} is damaged: {told}; delete it and results.csv beside it, and run again with "
            "the same budget: what was trained is kept, and smaller budgets are forgotten"
        ) from None


def race_of_json(held: Mapping[str, Any]) -> RaceFile:
    """The rules of a race, as JSON holds them.

    Args:
      held: their fields.

    Returns:
      The rules.

    Raises:
      KeyError, TypeError, ValueError: there are others, or one is missing or damaged.
    """
    lists = {
        "tasks": tuple(held["tasks"]),
        "ways": tuple(WayPrice(**way) for way in held["ways"]),
        "smaller": tuple(
            Smaller(own["budget"], **_had(own, held)) for own in held.get("smaller", ())
        ),
    }
    found = RaceFile(**{**held, **lists, **_had(held, held)})
    _check_kinds(found)
    return found


def _check_kinds(race: RaceFile) -> None:
    """JSON may hold anything: what is counted with must be numbers, and tasks names."""
    for name in ("budget", "first", "looking", "margin", "seeds", "unit"):
        kind = int if name in ("seeds", "unit") else int | float
        value = getattr(race, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise TypeError(f"{name} is {value!r}")
    if odd := [task for task in race.tasks if not isinstance(task, str)]:
        raise TypeError(f"tasks holds {odd[0]!r}")
    if odd := [way.price for way in race.ways if not isinstance(way.price, int | float)]:
        raise TypeError(f"a price is {odd[0]!r}")


def _had(held: Mapping[str, Any], race: Mapping[str, Any]) -> dict[str, Any]:
    """What ways had and which failed, of each task; empty where there was no smaller budget."""
    shape = len(race["tasks"]) * [len(race["ways"])]
    found = {name: tuple(map(tuple, held.get(name, ()))) for name in ("before", "failed")}
    for name, tasks in found.items():
        if tasks and [len(ways) for ways in tasks] != shape:
            raise ValueError(f"{name} is of other ways or tasks")
    return found


def note_seconds(path: epath.Path, task: str, number: int, seconds: float) -> None:
    """Note how long a network took from one look to the next, that one included.

    Args:
      path: the file of its way.
      task: what it is raced for.
      number: of the look, from 0.
      seconds: without compilation.
    """
    write_json(path, {**read_json(path), f"{task}.look{number}": seconds})


def read_seconds(path: epath.Path, task: str, looks: int) -> float | None:
    """How long a network took up to its last look.

    Args:
      path: the file of its way.
      task: what it is raced for.
      looks: how many have seen it.

    Returns:
      Seconds; None where they are not known of each.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "seconds.json"
      >>> note_seconds(path, "whole.A", 0, 2.5)
      >>> note_seconds(path, "whole.A", 1, 4.0)
      >>> read_seconds(path, "whole.A", 2), read_seconds(path, "whole.A", 3)
      (6.5, None)
    """
    held = read_json(path)
    found = [held.get(f"{task}.look{number}") for number in range(looks)]
    known = [own for own in found if isinstance(own, float)]
    return sum(known) if looks and len(known) == looks else None


def write_look(path: epath.Path, right: Sequence[bool] | np.ndarray, failed: bool) -> None:
    """Write what a look saw of a network.

    Args:
      path: the file.
      right: which validation images it gets right.
      failed: whether its loss is no number.
    """
    held = np.asarray(right, bool)
    write_arrays(path, bits=np.packbits(held), images=np.array(len(held)), failed=np.array(failed))


def read_look(path: epath.Path) -> Looked | None:
    """Read what a look saw of a network.

    Args:
      path: the file; nothing in it is executed.

    Returns:
      It; None where the look is still to come.

    Raises:
      ResultsError: the file is damaged.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "look.npz"
      >>> write_look(path, [True, False, True], False)
      >>> read_look(path).right.tolist(), read_look(path.with_name("no.npz"))
      ([True, False, True], None)
    """
    if not path.exists():
        return None
    try:
        bits, images, failed = read_arrays(path, ("bits", "images", "failed"))
        right = np.unpackbits(bits, count=int(images)).astype(bool)
    except (ValueError, TypeError) as error:
        raise ResultsError(f"{error}; delete it and run again") from None
    return Looked(right, bool(failed))
