"""The command `transfer-jax plan`."""

import argparse
import shlex
from functools import partial
from typing import TYPE_CHECKING

from transfer_jax.commands.arguments import add_config, add_workdir
from transfer_jax.commands.question import add_question, asked_config, command, is_asked
from transfer_jax.commands.usage import Parser, UsageError, given

if TYPE_CHECKING:
    from rich.console import Console

    from transfer_jax.folder.race_files import RaceFile
    from transfer_jax.plan.accelerators import Accelerator
    from transfer_jax.plan.compilation.topologies import Topology
    from transfer_jax.plan.plan import Plan
    from transfer_jax.plan.schema import Config

TASK = "show what a config would train, its pilot too, or what `ask` would, and what it costs"
# Images that are read from disk are for networks that this machine need not be able to train.
ASSUMED = "h100"


def add_arguments(parser: Parser) -> None:
    """What is typed after `plan`."""
    what = parser.add_mutually_exclusive_group()
    add_config(parser, what)
    add_question(parser, what)
    add_workdir(parser)
    parser.add_argument(
        "--accelerator", type=given,
        help="a100, h100, v4, v5e, ...; default: this machine, or h100 for images read from disk",
    )  # fmt: skip
    parser.add_argument(
        "--topology", type=given,
        help="compile every program for v5e:4x4, v5e-16, 2xv5e:4x4, h100, ...; default: none",
    )  # fmt: skip


def main(arguments: argparse.Namespace, overrides: list[str], console: "Console") -> None:
    """Show what a config or a question would train and what that costs.

    Raises:
      UsageError: an accelerator and a topology are given, or a part of a question.
    """
    if arguments.topology and arguments.accelerator:
        raise UsageError("--topology and --accelerator both say where; give one of them")
    question = is_asked(arguments)
    from transfer_jax.commands.costs import print_beside_paper
    from transfer_jax.commands.machine import prepare_devices
    from transfer_jax.folder.places import local, place
    from transfer_jax.folder.workdir import Workdir
    from transfer_jax.plan.accelerators import accelerator
    from transfer_jax.plan.compilation.topologies import topology
    from transfer_jax.plan.own_folder import with_prepared_folder
    from transfer_jax.plan.plan import make_plan
    from transfer_jax.plan.plan_notes import plan_notes
    from transfer_jax.running.claim import another_run, held_config
    from transfer_jax.running.ways import held_race

    prepare_devices()  # Before JAX looks at them, as it does to read weights.
    asked = topology(arguments.topology) if arguments.topology else None
    chip = accelerator(arguments.accelerator) if arguments.accelerator else None
    if asked:
        asked.devices()  # What is wrong with them is told before anything is read.
    if question:
        config, run = _asked(arguments, overrides, console)
    else:
        config, run = _configured(arguments, overrides)
    where = arguments.workdir or f"runs/{config.name}"
    folder = Workdir(place(str(local(where, "workdir")) if question else where, "workdir"))
    if config.data.stream and not asked:
        chip = chip or accelerator(ASSUMED)
    with console.status("reading the config"):
        plan = make_plan(with_prepared_folder(config, console.print))
    notes = plan_notes(plan)
    if config.reference:
        print_beside_paper(plan, console)
    # As a run compares them: images prepared, sizes found.
    held = held_config(folder) if folder.config.exists() else None
    other = another_run(folder, held, plan.config) if held else ""
    if asked:
        notes += _compiled(plan, asked, console)
    else:
        race = held_race(folder, plan.config.budget) if held and not other else None
        notes += _estimated(plan, race, chip, console)
    for note in filter(None, [*notes, other]):
        console.print(note, highlight=False)
    if other:
        return
    workdir = [f"--workdir={arguments.workdir}"] if arguments.workdir else []
    console.print(f"Next: {shlex.join([*run, *workdir])}", highlight=False, soft_wrap=True)


def _asked(
    arguments: argparse.Namespace, overrides: list[str], console: "Console"
) -> "tuple[Config, list[str]]":
    """The config of a question, and the words of the command that asks it."""
    config = asked_config(arguments, overrides, partial(console.print, soft_wrap=True))
    return config, command(arguments, overrides)


def _configured(arguments: argparse.Namespace, overrides: list[str]) -> "tuple[Config, list[str]]":
    """The config that is named, and the words of the command that carries it out."""
    from transfer_jax.plan.config import load_config

    words = ["transfer-jax", "run", f"--config={arguments.config}", *overrides]
    return load_config(arguments.config, overrides), words


def _estimated(
    plan: "Plan", race: "RaceFile | None", chip: "Accelerator | None", console: "Console"
) -> list[str]:
    """Print what a plan is expected to cost, or what is left of its race; what that means."""
    from transfer_jax.commands.costs import cost_notes, costs_of, print_costs
    from transfer_jax.commands.race_costs import print_prices, race_notes
    from transfer_jax.running.ways import rules_of_plan

    file = (race or rules_of_plan(plan)) if plan.config.budget else None
    if not chip:
        told = "Measuring the speed of this machine: one step of it is compiled and timed"
        console.print(told, highlight=False)
    with console.status("working out the costs"):
        costs, cache = costs_of(plan, chip)
    if file is not None:
        print_prices(file, console)
        return race_notes(plan, file, costs, cache, chip)
    print_costs(plan, costs, console)
    return cost_notes(plan, costs, cache, chip)


def _compiled(plan: "Plan", asked: "Topology", console: "Console") -> list[str]:
    """Compile a plan's programs and print what they take; what that means."""
    from transfer_jax.commands.topology_costs import compiled_rows, print_rows, topology_notes

    rows = compiled_rows(plan, asked, console)
    print_rows(plan, asked, rows, console)
    return topology_notes(plan, asked, rows)
