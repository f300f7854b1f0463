"""What a race may cost, in a table and in sentences."""

from collections.abc import Sequence

from rich.console import Console

from transfer_jax.analysis.raced import rules_of
from transfer_jax.analysis.statistics.choices import typed
from transfer_jax.commands.durations import duration
from transfer_jax.commands.terminal import print_table
from transfer_jax.folder.race_files import RaceFile
from transfer_jax.plan.accelerators import Accelerator
from transfer_jax.plan.costs import ProgramCost
from transfer_jax.plan.plan import Plan
from transfer_jax.plan.trunk_cache import TrunkCache
from transfer_jax.plan.trunk_notes import trunk_notes
from transfer_jax.running.ways import at_most, schedule_note


def print_prices(file: RaceFile, console: Console) -> None:
    """Print what one network of each way costs, in full fine-tunings."""
    rules = rules_of(file, file.tasks[0])
    rows = [
        (typed(arm), f"{cost:.2f}" if cost else "with all heads")
        for arm, cost in rules.costs.items()
    ]
    print_table(console, ("way", "price of one network"), rows, title="Ways of the race")


def race_notes(
    plan: Plan,
    file: RaceFile,
    costs: Sequence[ProgramCost],
    cache: TrunkCache,
    chip: Accelerator | None,
) -> list[str]:
    """What a race may cost, a line each.

    Args:
      file: its rules.
      costs: of all networks, without a race.
      cache: what of frozen layers is computed once.
      chip: where; None for this machine.

    Returns:
      Lines: prices, how many ways go how far, time and memory.
    """
    rules = rules_of(file, file.tasks[0])
    most, races = file.first + at_most(file).cost, len(file.tasks)
    notes = [
        f"Prices are in full fine-tunings of one network, {file.unit / 1e9:,.1f} G multiply-adds "
        f"each. What comes first (linear heads, and frozen layers once) takes {file.first:.2f}; a "
        f"look at one network {file.looking:.3f}.",
        f"{schedule_note(file)}; all networks without a race, looked at once: "
        f"{file.first + rules.complete:.2f}.",
    ]
    if races > 1:
        notes.append(f"So much for each of {races} tasks: {', '.join(file.tasks)}.")
    adds = sum(cost.multiply_adds * cost.steps for cost in costs)
    trained = sum(cost.seconds for cost in costs)
    compiled = sum(cost.compile_seconds for cost in costs)
    seconds = races * most * file.unit * trained / adds + compiled
    where = f"on one {chip.name}" if chip else "on this machine"
    memory = max(cost.memory for cost in costs) / 2**20
    notes += trunk_notes(plan, cache)
    compiling = f", {duration(compiled)} of it compilation the first time" if compiled else ""
    told = f"About {duration(seconds)} {where}{compiling}, and up to {memory:,.0f} MiB."
    return [*notes, told]
