"""The ways of a race: a run each, in a folder of its own, and the prices that they are known by."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from transfer_jax.analysis.raced import enlarged, folder_name, races_of, rules_of
from transfer_jax.analysis.statistics import halving
from transfer_jax.analysis.statistics.choices import told_by_family
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.margins import MOST
from transfer_jax.analysis.statistics.wording import at_least
from transfer_jax.engine.processes import said_by_first
from transfer_jax.folder.race_files import RaceFile, WayPrice, race_of_json, read_race, task_name
from transfer_jax.folder.results import ResultRow, check_complete, read_rows
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Column, Condition
from transfer_jax.grid.pretrained import FREEZE, FULL, LP_FT, SCRATCH
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.plan import Plan
from transfer_jax.plan.prices import Prices, prices_of, way_of

if TYPE_CHECKING:
    from transfer_jax.running.run import Run

# Of ways that cannot all begin, these do first, and scratch last.
FIRST = (FULL, FREEZE, LP_FT)


def arm_of(condition: Condition) -> Arm:
    """The way that a network is one of."""
    name = condition.variant.name if condition.variant else ""
    return Arm(condition.treatment, condition.n, name)


def task_of(place: Column | Condition) -> str:
    """The task that a network is trained for, as a race names it."""
    return task_name(place.split, place.target, place.examples)


def race_file(run: "Run") -> RaceFile:
    """What is fixed before the races of a run; once they have begun, what was then.

    The budget alone may grow: then what the ways have had is paid for. All processes call this
    together.

    Args:
      run: one with a budget.

    Returns:
      It.

    Raises:
      ConfigError: the budget does not pay for what comes first.
    """

    def held() -> dict[str, Any] | None:
        race = held_race(run.folder, run.plan.config.budget)
        return race and asdict(race)

    found = said_by_first(held)
    return race_of_json(found) if found else rules_of_plan(run.plan)


def held_race(folder: Workdir, budget: float) -> RaceFile | None:
    """The race that a folder holds, with a budget that may be larger than its own.

    Args:
      folder: a run's.
      budget: what the race may cost.

    Returns:
      Its rules; None where none was begun.

    Raises:
      ResultsError: a file of it is damaged.
    """
    race = read_race(folder.race)
    if race is None or race.budget == budget:
        return race
    return enlarged(folder.path, race, budget)


def rules_of_plan(plan: Plan) -> RaceFile:
    """What is fixed before the races of a plan.

    Args:
      plan: one with a budget.

    Returns:
      It.

    Raises:
      ConfigError: the budget does not pay for what comes first.
    """
    prices = prices_of(plan)
    _check_budget(plan.config.budget, prices)
    return RaceFile(
        tasks=tuple(dict.fromkeys(map(task_of, plan.grid))),
        ways=tuple(_priced(plan.grid, prices)),
        budget=plan.config.budget,
        first=prices.in_units(prices.first),
        looking=prices.in_units(prices.looking),
        margin=plan.config.margin or MOST,
        seeds=plan.config.seeds,
        unit=prices.unit,
    )


def at_most(file: RaceFile) -> halving.Schedule:
    """How many ways train up to each look, where the dearest do best.

    Args:
      file: what is fixed before the races of a run.

    Returns:
      That of one task, the first, without looks where nothing is left to pay; what was paid
      before is not in it.
    """
    rules = rules_of(file, file.tasks[0])
    return halving.schedule([rules.prices(arm) for arm in rules.unfinished], rules.left)


def schedule_note(file: RaceFile) -> str:
    """How far a budget goes, told before anything is trained.

    Args:
      file: what is fixed before the races of a run.

    Returns:
      A sentence without its full stop.
    """
    rules = rules_of(file, file.tasks[0])
    if not rules.unfinished:
        return f"Of a budget of {file.budget:g} nothing is left to train"
    found = at_most(file)
    looks = "; ".join(
        f"{count} {look}" for count, look in zip(found.ways, rules.looks, strict=True)
    )
    which = "unfinished ways" if rules.before else "ways"
    most = file.first + rules.paid_before + found.cost
    return (
        f"Of {len(rules.unfinished)} {which} train, at most: {looks}. That is {most:.2f} of a "
        f"budget of {file.budget:g}"
    )


def budget_note(file: RaceFile) -> str:
    """What a budget cannot begin, told before anything is trained.

    Args:
      file: what is fixed before the races of a run.

    Returns:
      A sentence; empty where all ways begin.
    """
    from transfer_jax.analysis.statistics.race import race

    rules = rules_of(file, file.tasks[0])
    if not (never := race(rules).never_began):
        return ""
    paid, enough = sum(way.price > 0 for way in file.ways), rules.enough
    return (
        f"A budget of {file.budget:g} begins {paid - len(never)} of {paid} ways that are trained, "
        f"not {told_by_family([verdict.arm for verdict in never])}; {at_least(enough)} pays for all"
    )


def _check_budget(budget: float, prices: Prices) -> None:
    """Linear heads, and frozen layers that are kept, come first."""
    least = prices.in_units(prices.first)
    if budget < least:
        raise ConfigError(
            f"budget is {budget:g} full fine-tunings, but what comes first takes {least:.3g} "
            f"(linear heads, and frozen layers once); allowed: {at_least(least)} or more; a run "
            "takes budget=0, too, for no race"
        )


def _priced(grid: tuple[Condition, ...], prices: Prices) -> Iterator[WayPrice]:
    """Linear heads, which are paid for; then those that begin first."""
    each = {arm_of(condition): condition for condition in grid}
    for arm, condition in sorted(each.items(), key=lambda item: _rank(item[1])):
        cost = 0 if condition.solved else prices.training[way_of(condition)]
        yield WayPrice(arm.treatment.value, arm.n, arm.variant, prices.in_units(cost))


def _rank(condition: Condition) -> tuple[bool, int, int]:
    name = condition.variant.name if condition.variant else condition.base
    place = FIRST.index(name) if name in FIRST else len(FIRST) + (name == SCRATCH)
    return not condition.solved, place, -condition.n


def way_runs(run: "Run") -> dict[Arm, "Run"]:
    """A run for each way that is trained, whose networks are trained alone.

    Args:
      run: one with a budget.

    Returns:
      Way to run: of the same config, with heads that are solved from the folder of all.
    """
    grids: dict[Arm, list[Condition]] = {}
    for condition in run.plan.grid:
        if not condition.solved:
            grids.setdefault(arm_of(condition), []).append(condition)
    return {
        arm: replace(
            run,
            plan=replace(run.plan, grid=tuple(grid)),
            folder=run.folder.way(folder_name(arm)),
            donors=lambda: run.folder,
            of_all=run.plan,
        )
        for arm, grid in grids.items()
    }


def raced_rows(run: "Run") -> list[ResultRow]:
    """The rows of all networks that races trained to their end, and of linear heads.

    Args:
      run: one whose races are over.

    Returns:
      The rows, in the order of the plan.

    Raises:
      ResultsError: a network's row is missing or damaged.
    """
    there = ended(run)
    keys = {_key(condition) for condition in there}
    tables = [run.folder.column(column) for column in run.plan.probes]
    for own in run.ways.values():
        columns = own.plan.columns(own.plan.grid)
        tables += [own.folder.column(column) for column in columns if own.has_finished(column)]
    rows = [row for table in tables for row in read_rows(table)]
    # Of several seeds a smaller budget may have finished one, which this one stops early.
    rows = [row for row in rows if _key(row) in keys]
    check_complete(run.folder.path / "race", rows, there)
    order = {_key(condition): i for i, condition in enumerate(run.plan.grid)}
    return sorted(rows, key=lambda row: order[_key(row)])


def ended(run: "Run") -> list[Condition]:
    """The networks that are at their end: those that a look after all steps has seen.

    Args:
      run: one with a budget.

    Returns:
      They, and all linear heads.
    """
    seen = {
        (own.task, found.look.seeds - 1, verdict.arm)
        for own in races_of(run.folder.path)
        for found in own.outcome.rounds
        if found.look.share == 1
        for verdict in found.verdicts
    }
    return [c for c in run.plan.grid if c.solved or (task_of(c), c.seed, arm_of(c)) in seen]


def _key(network: Condition | ResultRow) -> tuple[str, int, str, int]:
    return network.split, network.seed, network.label, network.examples or 0
