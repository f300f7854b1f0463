"""The command `transfer-jax launch`: a run on other machines, or in several processes here."""

import argparse
import re
import shlex
import subprocess
from pathlib import Path

from rich.console import Console

from transfer_jax.commands.launchers import gcluster, local, queued_resource, skypilot
from transfer_jax.commands.launchers.job import Job, LaunchError, Step, check
from transfer_jax.folder.workdir import workdir_at
from transfer_jax.plan.config import load_config

ENGINES = {
    "skypilot": skypilot.steps,
    "queued-resource": queued_resource.steps,
    "gcluster": gcluster.steps,
}


def launch_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Say what a launch does, and do it.

    Args:
      arguments: `config`, `workdir`, `on`, `accelerator`, `dry_run` and what engines need.
      overrides: `--config.field=value` arguments.
      console: where to print.

    Raises:
      LaunchError: the job cannot be asked for, or a command is missing or failed.
    """
    config = load_config(arguments.config, overrides)
    workdir = f"runs/{config.name}" if arguments.workdir is None else arguments.workdir
    workdir_at(workdir)
    if arguments.on == "local":
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
    steps = ENGINES[arguments.on](job)
    _say(console, steps)
    if not arguments.dry_run:
        for step in steps:
            _do(step)
        console.print(f"Next: transfer-jax status {workdir}", highlight=False, soft_wrap=True)


def _say(console: Console, steps: list[Step]) -> None:
    for step in steps:
        text = f"$ {shlex.join(step.command)}" if step.command else f"{step.file}:\n{step.content}"
        console.print(text, highlight=False, soft_wrap=True, markup=False)


def _do(step: Step) -> None:
    if step.file:
        Path(step.file).write_text(step.content)
        return
    try:
        subprocess.run(step.command, check=True)
    except FileNotFoundError:
        raise LaunchError(f"{step.command[0]} is not installed on this machine") from None
    except subprocess.CalledProcessError as error:
        raise LaunchError(f"{step.command[0]} failed with status {error.returncode}") from None
