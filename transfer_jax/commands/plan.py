"""The command `transfer-jax plan`."""

import argparse
import shlex
from typing import TYPE_CHECKING

from transfer_jax.commands.arguments import add_config, add_workdir
from transfer_jax.commands.usage import Parser, given

if TYPE_CHECKING:
    from rich.console import Console

TASK = "show what a config would train, its pilot too, and what it costs"
# Images that are read from disk are for networks that this machine need not be able to train.
ASSUMED = "h100"


def add_arguments(parser: Parser) -> None:
    """What is typed after `plan`."""
    add_config(parser)
    add_workdir(parser)
    parser.add_argument(
        "--accelerator", type=given,
        help="a100, h100, v4, v5e, ...; default: this machine, or h100 for images read from disk",
    )  # fmt: skip


def main(arguments: argparse.Namespace, overrides: list[str], console: "Console") -> None:
    """Show what a config would train and what that costs."""
    from transfer_jax.folder.places import place
    from transfer_jax.plan.config import load_config

    config = load_config(arguments.config, overrides)
    place(arguments.workdir or f"runs/{config.name}", "workdir")
    from transfer_jax.commands.costs import cost_notes, costs_of, print_beside_paper, print_costs
    from transfer_jax.engine.cpu import keep_freed_memory, spread_over_cores
    from transfer_jax.plan.accelerators import accelerator
    from transfer_jax.plan.own_folder import with_prepared_folder
    from transfer_jax.plan.plan import make_plan
    from transfer_jax.plan.plan_notes import plan_notes

    if not config.data.stream and arguments.accelerator is None:
        spread_over_cores()
        keep_freed_memory()
    with console.status("reading the config"):
        plan = make_plan(with_prepared_folder(config, console.print))
    name = arguments.accelerator or (ASSUMED if config.data.stream else None)
    chip = accelerator(name) if name else None
    doing = "working out the costs" if chip else "measuring the speed of this machine"
    with console.status(doing):
        costs = costs_of(plan, chip)
    if config.reference:
        print_beside_paper(plan, console)
    print_costs(plan, costs, console)
    for note in (*plan_notes(plan), *cost_notes(plan, costs, chip)):
        console.print(note, highlight=False)
    workdir = [f"--workdir={arguments.workdir}"] if arguments.workdir else []
    flags = shlex.join([f"--config={arguments.config}", *workdir, *overrides])
    console.print(f"Next: transfer-jax run {flags}", highlight=False, soft_wrap=True)
