"""The command `transfer-jax ask`: which layers to freeze, for the price of a few fine-tunings."""

import argparse
import shlex
from functools import partial
from typing import TYPE_CHECKING

from transfer_jax.commands.arguments import FIELDS, add_workdir
from transfer_jax.commands.question import add_question, asked_config, command
from transfer_jax.commands.usage import Parser

if TYPE_CHECKING:
    from rich.console import Console

TASK = "ask which layers to freeze and which to tune: a race between ways, within a budget"


def add_arguments(parser: Parser) -> None:
    """What is typed after `ask`."""
    parser.set_defaults(takes_config=True)
    parser.description = f"{parser.description} {FIELDS}"
    add_question(parser)
    add_workdir(parser, default="runs/ask_NETWORK_FOLDER")


def main(arguments: argparse.Namespace, overrides: list[str], console: "Console") -> None:
    """Answer, and write the network to take and the report."""
    from transfer_jax.commands.machine import prepare_machine
    from transfer_jax.commands.report import check_answered, show_results
    from transfer_jax.folder.places import local, place
    from transfer_jax.running.experiment import carry_out
    from transfer_jax.running.export import export
    from transfer_jax.running.stopping import StopRequest

    say = partial(console.print, soft_wrap=True)
    prepare_machine()
    config = asked_config(arguments, overrides, say)
    workdir = place(str(local(arguments.workdir or f"runs/{config.name}", "workdir")), "workdir")
    with StopRequest(config.checkpoint.grace) as stop:
        asked = shlex.join(command(arguments, overrides))
        evidence = carry_out(config, workdir, console=console, stop=stop, command=asked)
    show_results(evidence, console, export=False)
    check_answered(evidence)
    tasks = sorted({f"{row.split}.{row.target}" for row in evidence.rows})
    files = [workdir / f"best{f'.{task}' if len(tasks) > 1 else ''}.safetensors" for task in tasks]
    for file, task in zip(files, tasks, strict=True):
        about = f"{file.name}: " if len(tasks) > 1 else ""
        for line in export(workdir, str(file), task=task).lines:
            say(f"{about}{line}")
    written = [*files, workdir / "results.csv", workdir / "report.html"]
    say(f"Written: {', '.join(map(str, written))}")
    say(f"Next: open {shlex.quote(str(workdir / 'report.html'))}")
