"""The commands `transfer-jax run`, `sweep` and `report`."""

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from etils import epath
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from transfer_jax.config import load_config
from transfer_jax.stopping import StopRequest

if TYPE_CHECKING:
    from transfer_jax.results import Results


def run_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Train what a config asks for and show the result.

    Args:
      arguments: `config` and `workdir`.
      overrides: `--config.field=value` arguments.
      console: where to print.
    """
    config = load_config(arguments.config, overrides)
    workdir = arguments.workdir or f"runs/{config.name}"
    from transfer_jax.engine.processes import is_first
    from transfer_jax.experiment import run

    prepare_machine()
    join_processes(arguments)
    began = time.monotonic()
    with StopRequest(config.checkpoint.grace) as stop:
        results = run(config, workdir, console=console, stop=stop)
    if not is_first():
        return
    _show_results(results, console)
    console.print(
        f"{len(results.rows)} networks, {time.monotonic() - began:.0f} s. Written to {workdir}: "
        "results.csv, figure.png, figure.svg, report.html",
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


def join_processes(arguments: argparse.Namespace) -> None:
    """Connect with the other processes, if this is one of several.

    Args:
      arguments: `coordinator`, `processes` and `process`; where none is given, a TPU's or Slurm's
        environment says them.

    Raises:
      ValueError: some of the three are given and some are not.
    """
    given = {name: getattr(arguments, name) for name in ("coordinator", "processes", "process")}
    missing = [f"--{name}" for name, value in given.items() if value is None]
    from transfer_jax.engine.processes import Place, cluster, join, join_cluster

    if not missing:
        join(Place(**given))
    elif len(missing) < len(given):
        raise ValueError(f"several processes need {', '.join(missing)} too")
    elif cluster():
        join_cluster()


def report_command(arguments: argparse.Namespace, _: list[str], console: Console) -> None:
    """Draw the report of a finished run again, or the authors' own numbers.

    Args:
      arguments: `workdir` and `reference`.
      _: unused.
      console: where to print.
    """
    from transfer_jax.analysis.report import write_reference, write_report
    from transfer_jax.results import Results, read_rows

    if arguments.reference:
        files = write_reference(epath.Path(arguments.workdir or "runs/reference"))
        console.print("Written: " + ", ".join(map(str, files)), highlight=False, soft_wrap=True)
        console.print(f"Next: open {files[-1]}", highlight=False, soft_wrap=True)
        return
    if arguments.workdir is None:
        raise ValueError("report needs the folder of a run, or --reference")
    folder = epath.Path(arguments.workdir)
    results = Results(tuple(read_rows(folder / "results.csv")), str(folder))
    files = write_report(results)
    _show_results(results, console)
    console.print("Written: " + ", ".join(map(str, files)), highlight=False, soft_wrap=True)


def sweep_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Run a config over values of some of its fields.

    Args:
      arguments: `config`, `workdir` and `over`.
      overrides: `--config.field=value` arguments of all runs.
      console: where to print.
    """
    config = load_config(arguments.config, overrides)
    workdir = arguments.workdir or f"runs/{config.name}_sweep"
    from transfer_jax.sweep import parse_axis, run_sweep

    axes = [parse_axis(text) for text in arguments.over]
    prepare_machine()
    join_processes(arguments)
    with StopRequest(config.checkpoint.grace) as stop:
        table = run_sweep(arguments.config, overrides, axes, workdir, console=console, stop=stop)
    console.print(f"Written: {table}", highlight=False, soft_wrap=True)
    console.print("Next: transfer-jax report RUN, for a run below it", highlight=False)


def _show_results(results: "Results", console: Console) -> None:
    from transfer_jax.analysis.comparison import boost_note
    from transfer_jax.analysis.report import divergence_note, interval_note, result_tables

    for table in result_tables(results):
        shown = RichTable(title=table.title, box=box.SIMPLE_HEAD, title_justify="left")
        for name in table.header:
            shown.add_column(name, justify="right")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    console.print(interval_note(results), highlight=False)
    if boost := boost_note(results.rows):
        console.print(boost, highlight=False)
    if note := divergence_note(results):
        console.print(f"[bold red]{note}[/]", highlight=False)
