"""What a plan costs, in tables and sentences."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from transfer_jax.analysis.paper.original import original_counts
from transfer_jax.commands.durations import duration
from transfer_jax.commands.terminal import print_table
from transfer_jax.engine.disk import GIB, disk_for
from transfer_jax.engine.memory import memory_of_device
from transfer_jax.engine.mesh import column_mesh
from transfer_jax.folder.control_results import TRAINING
from transfer_jax.plan.accelerators import EXPECTED_SHARE, Accelerator
from transfer_jax.plan.costs import ProgramCost
from transfer_jax.plan.estimate import estimate
from transfer_jax.plan.optimizer_fields import rates_of
from transfer_jax.plan.pilot import PILOT_WAVES
from transfer_jax.plan.plan import Plan
from transfer_jax.plan.trunk_cache import TrunkCache
from transfer_jax.plan.trunk_choice import trunk_cache
from transfer_jax.plan.trunk_notes import trunk_notes


def costs_of(plan: Plan, chip: Accelerator | None) -> tuple[list[ProgramCost], TrunkCache]:
    """What a plan costs on a chip; on this machine, which is then measured, where there is none.

    Returns:
      The costs, and what of frozen layers is computed once.
    """
    if chip is None:
        cache = trunk_cache(plan, memory_of_device(column_mesh()), disk_for(plan.config.cache.disk))
        return estimate(plan, cache=cache), cache
    # As an accelerator runs it: in plain convolutions, which bfloat16 always takes.
    plan = replace(plan, config=replace(plan.config, precision="bfloat16"))
    cache = trunk_cache(plan, chip.memory, int(GIB * plan.config.cache.disk))
    return estimate(plan, chip.rate, cache), cache


def cost_notes(
    plan: Plan, costs: list[ProgramCost], cache: TrunkCache, chip: Accelerator | None
) -> list[str]:
    """What costs mean and what they rest on, a line each."""
    total = sum(cost.seconds + cost.compile_seconds for cost in costs)
    where = f"on one {chip.name}" if chip else "on this machine"
    notes = [
        "Parameters are those trained; MACs are multiply-adds of one step of all columns; memory "
        "is that of one device.",
        f"In all {len(plan.networks)} networks, about {duration(total)} {where}.",
        *trunk_notes(plan, cache),
    ]
    if pilot := [cost for cost in costs if cost.wave in PILOT_WAVES]:
        networks = sum(cost.networks for cost in pilot)
        share = _multiply_adds(pilot) / _multiply_adds(costs)
        tried = ", ".join(f"{rate:g}" for rate in rates_of(plan.config.optimizer))
        notes.append(
            f"Before them {networks} networks of a pilot, which choose learning rates among "
            f"{tried} times {plan.config.optimizer.learning_rate:g}: {share:.0%} of all "  # pyright: ignore
            "multiply-adds."
        )
    if plan.config.controls:
        own = " and ".join(name for name in TRAINING if name in plan.config.controls)
        train = f"; {own} train networks of their own" if own else ""
        notes.append(f"Not counted: the controls {', '.join(plan.config.controls)}{train}.")
    if chip:
        columns = max(cost.columns for cost in costs)
        notes.append(
            f"That is at {EXPECTED_SHARE:.0%} of its published peak, an assumption; columns share "
            f"nothing, so up to {columns} chips divide it."
        )
        if (most := max(cost.memory for cost in costs)) > chip.memory:
            notes.append(
                f"A column of {most / 2**30:.0f} GiB does not fit into its "
                f"{chip.memory / 2**30:.0f} GiB: let chips share its batch with "
                "--config.devices_per_column, or choose fewer --config.cuts."
            )
    return notes


def _multiply_adds(costs: Sequence[ProgramCost]) -> int:
    return sum(cost.multiply_adds * cost.steps for cost in costs)


def print_costs(plan: Plan, costs: list[ProgramCost], console: Console) -> None:
    """Print what each program costs."""
    config = plan.config
    rows = [
        (
            cost.wave if cost.steps in (1, config.steps) else f"{cost.wave}, {cost.steps:,} steps",
            f"{cost.networks}",
            f"{cost.columns}",
            f"{cost.parameters / 1e6:,.1f} M",
            f"{cost.multiply_adds / 1e9:,.1f} G",
            f"{cost.memory / 2**20:,.0f} MiB",
            duration(cost.seconds + cost.compile_seconds),
        )
        for cost in costs
    ]
    header = ("wave", "networks", "columns", "parameters", "MACs", "memory", "time")
    title = f"{config.name}: {config.steps:,} steps of {config.batch_size} images"
    print_table(console, header, rows, title=title)


def print_beside_paper(plan: Plan, console: Console) -> None:
    """Print how many networks of each treatment there are, the paper's and those beyond it."""
    ours = Counter(
        condition.treatment.value
        for condition in plan.networks
        if plan.config.reference != "preserved" or condition.variant
    )
    theirs = original_counts(plan.config.reference)
    counts = {
        name: (theirs[name], ours[name], max(0, ours[name] - theirs[name]))
        for name in dict.fromkeys([*ours, *theirs])
    }
    counts["all"] = (theirs.total(), ours.total(), (ours - theirs).total())
    rows = [(name, *map(str, numbers)) for name, numbers in counts.items()]
    header = ("treatment", "in the paper", "here", "beyond the paper")
    print_table(console, header, rows, title="Networks by treatment")
