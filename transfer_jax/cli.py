"""The command line: `transfer-jax run`, `plan`, `prepare` and `report`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etils import epath
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from transfer_jax.config import load_config
from transfer_jax.stopping import Stopped, StopRequest

if TYPE_CHECKING:
    from transfer_jax.results import Results

DEFAULT_CONFIG = "configs/fashion_mnist.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
      argv: arguments; None takes those of the process.

    Returns:
      The exit status: 0, 1 for bad input (told in one line), 130 and 143 when interrupted.
    """
    parser = _parser()
    arguments, overrides = parser.parse_known_args(argv)
    if "config" not in arguments and overrides:
        parser.error(f"unknown argument '{overrides[0]}'")
    console = Console()
    try:
        arguments.command(arguments, overrides, console)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from what is finished", file=sys.stderr)
        return 130
    except Stopped as stopped:
        print(f"transfer-jax: {stopped}", file=sys.stderr)
        return 128 + stopped.signal
    except (ValueError, OSError) as error:
        print(f"transfer-jax: {_one_line(error)}", file=sys.stderr)
        return 1
    return 0


def run_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Train what a config asks for and show the result.

    Args:
      arguments: `config` and `workdir`.
      overrides: `--config.field=value` arguments.
      console: where to print.
    """
    config = load_config(arguments.config, overrides)
    workdir = arguments.workdir or f"runs/{config.name}"
    from transfer_jax.engine.cpu import keep_freed_memory, spread_over_cores
    from transfer_jax.engine.processes import is_first
    from transfer_jax.experiment import run

    spread_over_cores()
    keep_freed_memory()
    keep_compiled_programs()
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
      arguments: `coordinator`, `processes` and `process`.

    Raises:
      ValueError: some of the three are given and some are not.
    """
    given = {name: getattr(arguments, name) for name in ("coordinator", "processes", "process")}
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return
    if missing:
        raise ValueError(f"several processes need {', '.join(missing)} too")
    from transfer_jax.engine.processes import Place, join

    join(Place(**given))


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="transfer-jax", description="How many layers to transfer, and whether to freeze them."
    )
    commands = parser.add_subparsers(required=True, metavar="run | plan | prepare | report")
    for name, command, text in (
        ("run", run_command, "train every condition of a config and report"),
        ("plan", _plan_command, "show what a config would train and what it costs"),
        ("prepare", _prepare_command, "bring a dataset's images into one size and one place"),
    ):
        sub = commands.add_parser(
            name, help=text, description=f"{text}. Any field of the config can be overridden: "
            "--config.FIELD=VALUE.", allow_abbrev=False,
        )  # fmt: skip
        sub.add_argument("--config", default=DEFAULT_CONFIG, help="file, or name of a config")
        sub.set_defaults(command=command)
        if name != "prepare":
            sub.add_argument("--workdir", help="folder of the run; default runs/NAME")
        _ADD_ARGUMENTS[name](sub)
    report = commands.add_parser(
        "report", help="draw the report of a finished run again, or the authors' numbers"
    )
    report.add_argument("workdir", nargs="?", help="folder of the run")
    report.add_argument(
        "--reference", action="store_true", help="the authors' own numbers, into runs/reference"
    )
    report.set_defaults(command=report_command)
    return parser


def _plan_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    # JAX is imported when a command needs it, so that help and errors come at once.
    from transfer_jax.plan_command import plan_command

    plan_command(arguments, overrides, console)


def _prepare_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    from transfer_jax.prepare_command import prepare_command

    prepare_command(arguments, overrides, console)


def _add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--accelerator", help="a100, h100, v4, v5e, ...; default: this machine")


def _add_prepare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manual_dir", help="folder of files that were downloaded by hand")
    parser.add_argument("--data_dir", help="where TFDS keeps its datasets")
    parser.add_argument("--workers", type=int, help="processes; default: one a core")
    parser.add_argument("--check", action="store_true", help="check what is prepared already")


def _add_process_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "several processes", "the same command on each, with its own --process"
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0")
    group.add_argument("--processes", type=int, help="number of processes")
    group.add_argument("--process", type=int, help="number of this process, from 0")


_ADD_ARGUMENTS = {
    "run": _add_process_arguments,
    "plan": _add_plan_arguments,
    "prepare": _add_prepare_arguments,
}


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


def _one_line(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return " ".join(str(error).split())
    return f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")


if __name__ == "__main__":
    sys.exit(main())
