"""The command `transfer-jax launch`: a run on other machines, or in several processes here."""

import argparse
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from transfer_jax.commands.arguments import add_config, add_workdir
from transfer_jax.commands.usage import Parser, given, whole

if TYPE_CHECKING:
    from rich.console import Console

    from transfer_jax.commands.launchers.job import Step

TASK = "run a config on other machines, or in several processes"
LOCAL = "local"
# Each but the last is a module of `launchers`, with an underscore for the hyphen.
ENGINES = ("skypilot", "queued-resource", "gcluster", LOCAL)


def add_arguments(parser: Parser) -> None:
    """What is typed after `launch`."""
    add_config(parser)
    add_workdir(parser)
    parser.add_argument("--on", choices=ENGINES, required=True, help="what starts the job")
    parser.add_argument("--dry_run", action="store_true", help="print only; default: no")
    parser.add_argument(
        "--accelerator", default="v5e-8", type=given,
        help="v5e-16, v6e-8, h100:1, ...; default: %(default)s",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=whole, default=2, help="of --on=local; default: %(default)s"
    )
    parser.add_argument("--name", type=given, help="of the job; default: the config's")
    parser.add_argument("--on_demand", action="store_true", help="no spot machines; default: spot")
    for name in ("zone", "project", "cluster", "image"):
        text = f"{name} of Google Cloud; default: none"
        parser.add_argument(f"--{name}", type=given, help=text)
    parser.add_argument(
        "--package", default="transfer_jax", type=given,
        help="what pip installs there; default: %(default)s",
    )  # fmt: skip


def main(arguments: argparse.Namespace, overrides: list[str], console: "Console") -> None:
    """Say what a launch does, and do it.

    Raises:
      LaunchError: the job cannot be asked for, or a command is missing or failed.
    """
    from transfer_jax.commands.launchers.job import Job, Step, check
    from transfer_jax.folder.workdir import workdir_at
    from transfer_jax.plan.config import load_config

    config = load_config(arguments.config, overrides)
    workdir = f"runs/{config.name}" if arguments.workdir is None else arguments.workdir
    workdir_at(workdir)
    if arguments.on == LOCAL:
        from transfer_jax.commands.launchers import local

        flags = [f"--config={arguments.config}", f"--workdir={workdir}", *overrides]
        commands = local.commands(flags, arguments.processes)
        _say(console, [Step(tuple(command)) for command in commands])
        if not arguments.dry_run and (code := local.run_all(commands)):
            raise SystemExit(code)
        return
    fields = ("zone", "project", "cluster", "image", "package")
    job = Job(
        name=arguments.name or re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-"),
        config=arguments.config,
        overrides=tuple(overrides),
        workdir=workdir,
        accelerator=arguments.accelerator,
        spot=not arguments.on_demand,
        **{field: getattr(arguments, field) or "" for field in fields},
    )
    check(job)
    engine = import_module(f"transfer_jax.commands.launchers.{arguments.on.replace('-', '_')}")
    steps = engine.steps(job)
    _say(console, steps)
    if not arguments.dry_run:
        for step in steps:
            _do(step)
        line = f"Next: transfer-jax status {shlex.quote(str(workdir))}"
        console.print(line, highlight=False, soft_wrap=True)


def _say(console: "Console", steps: "list[Step]") -> None:
    for step in steps:
        text = f"$ {shlex.join(step.command)}" if step.command else f"{step.file}:\n{step.content}"
        console.print(text, highlight=False, soft_wrap=True, markup=False)


def _do(step: "Step") -> None:
    from transfer_jax.commands.launchers.job import LaunchError

    if step.file:
        Path(step.file).write_text(step.content)
        return
    try:
        subprocess.run(step.command, check=True)
    except FileNotFoundError:
        raise LaunchError(f"{step.command[0]} is not installed on this machine") from None
    except subprocess.CalledProcessError as error:
        raise LaunchError(f"{step.command[0]} failed with status {error.returncode}") from None
