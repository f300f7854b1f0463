"""The command `transfer-jax sweep`."""

import argparse
import shlex
from typing import TYPE_CHECKING

from transfer_jax.commands.arguments import add_config, add_processes, add_workdir
from transfer_jax.commands.usage import Parser, given

if TYPE_CHECKING:
    from rich.console import Console

TASK = "run a config over values of some of its fields"


def add_arguments(parser: Parser) -> None:
    """What is typed after `sweep`."""
    add_config(parser)
    add_workdir(parser, default="runs/NAME_sweep")
    parser.add_argument(
        "--over", action="append", required=True, metavar="FIELD=VALUE,VALUE", type=given,
        help="a field and its values; once for each field",
    )  # fmt: skip
    add_processes(parser)


def main(arguments: argparse.Namespace, overrides: list[str], console: "Console") -> None:
    """Run a config over values of some of its fields."""
    from transfer_jax.folder.places import place
    from transfer_jax.plan.config import load_config

    config = load_config(arguments.config, overrides)
    workdir = place(arguments.workdir or f"runs/{config.name}_sweep", "workdir")
    from transfer_jax.commands.machine import joined_processes, prepare_machine
    from transfer_jax.plan.same_run import check_same_run
    from transfer_jax.running.stopping import StopRequest
    from transfer_jax.running.sweep import parse_axis, run_sweep

    axes = [parse_axis(text) for text in arguments.over]
    prepare_machine()
    with joined_processes(arguments, workdir), StopRequest(config.checkpoint.grace) as stop:
        check_same_run(config, f"sweep over {' and '.join(sorted(arguments.over))}")
        table = run_sweep(arguments.config, overrides, axes, workdir, console=console, stop=stop)
    console.print(f"Written: {table}", highlight=False, soft_wrap=True)
    line = f"Next: transfer-jax report {shlex.quote(str(workdir))}, its runs side by side"
    console.print(line, highlight=False, soft_wrap=True)
