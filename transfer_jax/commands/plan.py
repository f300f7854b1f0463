"""The command `transfer-jax plan`: what a config would train, and what that costs."""

import argparse
import shlex
from collections import Counter
from dataclasses import replace

from rich.console import Console

from transfer_jax.analysis.paper.original import original_counts
from transfer_jax.commands.durations import duration
from transfer_jax.commands.terminal import print_table
from transfer_jax.engine.cpu import keep_freed_memory, spread_over_cores
from transfer_jax.folder.places import place
from transfer_jax.plan.accelerators import EXPECTED_SHARE, accelerator
from transfer_jax.plan.config import load_config
from transfer_jax.plan.estimate import ProgramCost, estimate
from transfer_jax.plan.plan import Plan, make_plan
from transfer_jax.plan.plan_notes import plan_notes

# Images that are read from disk are for networks that this machine need not be able to train.
ASSUMED = "h100"


def plan_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Show what a config would train and what that costs.

    Args:
      arguments: `config`, `workdir` and `accelerator`.
      overrides: `--config.field=value` arguments.
      console: where to print.
    """
    config = load_config(arguments.config, overrides)
    place(arguments.workdir or f"runs/{config.name}", "workdir")
    if not config.data.stream and arguments.accelerator is None:
        spread_over_cores()
        keep_freed_memory()
    with console.status("reading the config"):
        plan = make_plan(config)
    name = arguments.accelerator or (ASSUMED if config.data.stream else None)
    chip = accelerator(name) if name else None
    doing = "working out the costs" if chip else "measuring the speed of this machine"
    with console.status(doing):
        costs = estimate(_plain(plan), chip.rate) if chip else estimate(plan)
    if config.reference:
        _print_beside_paper(plan, console)
    _print_costs(plan, costs, console)
    total = sum(cost.seconds + cost.compile_seconds for cost in costs)
    where = f"on one {chip.name}" if chip else "on this machine"
    notes = [
        "Parameters are those trained; MACs are multiply-adds of one step of all columns; memory "
        "is that of one device.",
        f"In all {len(plan.networks)} networks, about {duration(total)} {where}.",
    ]
    if config.controls:
        notes.append(f"Not counted: the controls {', '.join(config.controls)}.")
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
    workdir = [f"--workdir={arguments.workdir}"] if arguments.workdir else []
    flags = shlex.join([f"--config={arguments.config}", *workdir, *overrides])
    for note in (*plan_notes(plan), *notes):
        console.print(note, highlight=False)
    console.print(f"Next: transfer-jax run {flags}", highlight=False, soft_wrap=True)


def _plain(plan: Plan) -> Plan:
    """The plan as an accelerator runs it: in plain convolutions, which bfloat16 always takes."""
    return replace(plan, config=replace(plan.config, precision="bfloat16"))


def _print_costs(plan: Plan, costs: list[ProgramCost], console: Console) -> None:
    config = plan.config
    rows = [
        (
            cost.wave,
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


def _print_beside_paper(plan: Plan, console: Console) -> None:
    """Networks of each treatment, the paper's and those beyond it."""
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
