"""The command `transfer-jax run`."""

import argparse
import shlex
import time
from typing import TYPE_CHECKING

from transfer_jax.commands.arguments import add_config, add_processes, add_workdir
from transfer_jax.commands.usage import Parser

if TYPE_CHECKING:
    from rich.console import Console

TASK = "train every condition of a config and report"


def add_arguments(parser: Parser) -> None:
    """What is typed after `run`."""
    add_config(parser)
    add_workdir(parser)
    add_processes(parser)


def main(arguments: argparse.Namespace, overrides: list[str], console: "Console") -> None:
    """Train what a config asks for and show the result."""
    from transfer_jax.folder.places import place
    from transfer_jax.plan.config import load_config

    config = load_config(arguments.config, overrides)
    workdir = place(arguments.workdir or f"runs/{config.name}", "workdir")
    from transfer_jax.commands.machine import joined_processes, prepare_machine
    from transfer_jax.commands.report import check_answered, show_results
    from transfer_jax.engine.processes import is_first
    from transfer_jax.plan.same_run import check_same_run
    from transfer_jax.running.experiment import carry_out
    from transfer_jax.running.stopping import StopRequest

    prepare_machine()
    began = time.monotonic()
    with joined_processes(arguments, workdir), StopRequest(config.checkpoint.grace) as stop:
        check_same_run(config, "run")
        evidence = carry_out(config, workdir, console=console, stop=stop)
        first = is_first()
    if not first:
        return
    show_results(evidence, console)
    check_answered(evidence)
    console.print(
        f"{len(evidence.rows)} networks, {time.monotonic() - began:.0f} s. Written to {workdir}: "
        "results.csv, report.html, its figures and tables",
        highlight=False,
        soft_wrap=True,
    )
    page = shlex.quote(str(workdir / "report.html"))
    console.print(f"Next: open {page}", highlight=False, soft_wrap=True)
