"""The commands `transfer-jax run` and `sweep`."""

import argparse
import os
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from etils import epath
from rich.console import Console

from transfer_jax.commands.usage import UsageError
from transfer_jax.folder.places import place
from transfer_jax.plan.config import load_config
from transfer_jax.running.stopping import StopRequest


def run_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Train what a config asks for and show the result.

    Args:
      arguments: `config` and `workdir`.
      overrides: `--config.field=value` arguments.
      console: where to print.
    """
    config = load_config(arguments.config, overrides)
    workdir = place(arguments.workdir or f"runs/{config.name}", "workdir")
    from transfer_jax.analysis.evidence import read_evidence
    from transfer_jax.analysis.page.report import numbers_of
    from transfer_jax.commands.report import show_results
    from transfer_jax.engine.processes import is_first
    from transfer_jax.plan.same_run import check_same_run
    from transfer_jax.running.experiment import run

    prepare_machine()
    began = time.monotonic()
    with joined_processes(arguments, workdir), StopRequest(config.checkpoint.grace) as stop:
        check_same_run(config, "run")
        results = run(config, workdir, console=console, stop=stop)
        first = is_first()
    if not first:
        return
    evidence = read_evidence(workdir)
    show_results(evidence, numbers_of(evidence), console)
    console.print(
        f"{len(results.rows)} networks, {time.monotonic() - began:.0f} s. Written to {workdir}: "
        "results.csv, report.html, its figures and tables",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"Next: open {workdir}/report.html", highlight=False, soft_wrap=True)


def prepare_machine() -> None:
    """Make this process fast: a device a core, memory and compiled programs that are kept."""
    from transfer_jax.engine.cpu import keep_freed_memory, spread_over_cores

    spread_over_cores()
    keep_freed_memory()
    keep_compiled_programs()


def keep_compiled_programs() -> None:
    """Keep compiled programs on disk, so that a second run starts in seconds.

    They lie where JAX_COMPILATION_CACHE_DIR says, else in the user's cache folder.
    """
    import jax

    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(home) / "transfer_jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def joined_processes(
    arguments: argparse.Namespace, workdir: epath.Path
) -> AbstractContextManager[None]:
    """Work together with the other processes, if this is one of several.

    Args:
      arguments: `coordinator`, `processes` and `process`; where none is given, the
        environment says them.
      workdir: the run's folder.

    Returns:
      A context; it ends when all end, or one does not.

    Raises:
      UsageError: some of the three are given and some are not.
      ClusterError: the processes do not come together.
    """
    given = {name: getattr(arguments, name) for name in ("coordinator", "processes", "process")}
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if 0 < len(missing) < len(given):
        raise UsageError(f"several processes need {', '.join(missing)} too")
    from transfer_jax.engine.cluster import Place
    from transfer_jax.engine.joining import joined, own_place

    where = own_place() if missing else Place(**given)
    return joined(where, workdir=workdir) if where else nullcontext()


def sweep_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Run a config over values of some of its fields.

    Args:
      arguments: `config`, `workdir` and `over`.
      overrides: `--config.field=value` arguments of all runs.
      console: where to print.
    """
    config = load_config(arguments.config, overrides)
    workdir = place(arguments.workdir or f"runs/{config.name}_sweep", "workdir")
    from transfer_jax.plan.same_run import check_same_run
    from transfer_jax.running.sweep import parse_axis, run_sweep

    axes = [parse_axis(text) for text in arguments.over]
    prepare_machine()
    with joined_processes(arguments, workdir), StopRequest(config.checkpoint.grace) as stop:
        check_same_run(config, f"sweep over {' and '.join(sorted(arguments.over))}")
        table = run_sweep(arguments.config, overrides, axes, workdir, console=console, stop=stop)
    console.print(f"Written: {table}", highlight=False, soft_wrap=True)
    line = f"Next: transfer-jax report {workdir}, its runs side by side"
    console.print(line, highlight=False, soft_wrap=True)
