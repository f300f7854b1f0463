"""The command line: `transfer-jax run`, `plan`, `sweep`, `launch`, `status`, `report`, ...."""

import argparse
import logging
import sys
from collections.abc import Sequence

from rich.console import Console

from transfer_jax.run_command import run_command, sweep_command
from transfer_jax.stopping import Stopped

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
    # What libraries say on their way to an error is told in one line when it arrives.
    for library in ("absl", "asyncio", "gcsfs", "google.auth"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    if argv is None:
        sys.unraisablehook = _tell
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="transfer-jax", description="How many layers to transfer, and whether to freeze them."
    )
    commands = parser.add_subparsers(
        required=True, metavar="run | plan | config | sweep | launch | status | prepare | report"
    )
    for name, command, text in (
        ("run", run_command, "train every condition of a config and report"),
        ("plan", _plan_command, "show what a config would train and what it costs"),
        ("sweep", sweep_command, "run a config over values of some of its fields"),
        ("launch", _launch_command, "run a config on other machines, or in several processes"),
        ("config", _config_command, "print all fields of a config, ready to save"),
        ("prepare", _prepare_command, "bring a dataset's images into one size and one place"),
    ):
        sub = commands.add_parser(
            name, help=text, description=f"{text}. Any field of the config can be overridden: "
            "--config.FIELD=VALUE.", allow_abbrev=False,
        )  # fmt: skip
        sub.add_argument("--config", default=DEFAULT_CONFIG, help="file, or name of a config")
        sub.set_defaults(command=command)
        if name not in ("config", "prepare"):
            sub.add_argument("--workdir", help="folder of the run; default runs/NAME")
        _ADD_ARGUMENTS[name](sub)
    status = commands.add_parser("status", help="show how far a run is, from another shell")
    status.add_argument("workdir", help="folder of the run")
    status.set_defaults(command=_status_command)
    report = commands.add_parser(
        "report", help="write the report of a run, or of several side by side"
    )
    _add_report_arguments(report)
    report.set_defaults(command=_report_command)
    return parser


def _plan_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    # JAX is imported when a command needs it, so that help and errors come at once.
    from transfer_jax.plan_command import plan_command

    plan_command(arguments, overrides, console)


def _config_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    from transfer_jax.config_command import config_command

    config_command(arguments, overrides, console)


def _prepare_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    from transfer_jax.prepare_command import prepare_command

    prepare_command(arguments, overrides, console)


def _launch_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    from transfer_jax.launch_command import launch_command

    launch_command(arguments, overrides, console)


def _report_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    from transfer_jax.report_command import report_command

    report_command(arguments, overrides, console)


def _status_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    from transfer_jax.status_command import status_command

    status_command(arguments, overrides, console)


def _add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--accelerator", help="a100, h100, v4, v5e, ...; default: this machine")


def _add_config_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", help="the same as --config")


def _add_prepare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manual_dir", help="folder of files that were downloaded by hand")
    parser.add_argument("--data_dir", help="where TFDS keeps its datasets")
    parser.add_argument("--workers", type=int, help="processes; default: one a core")
    parser.add_argument("--check", action="store_true", help="check what is prepared already")


def _add_sweep_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--over", action="append", required=True, metavar="FIELD=VALUE,VALUE",
        help="a field and its values; once for each field",
    )  # fmt: skip
    _add_process_arguments(parser)


def _add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    engines = ("skypilot", "queued-resource", "gcluster", "local")
    parser.add_argument("--on", choices=engines, required=True, help="what starts the job")
    parser.add_argument("--dry_run", action="store_true", help="print only")
    parser.add_argument("--accelerator", help="v5e-16, v6e-8, h100:1, ...; default v5e-8")
    parser.add_argument("--processes", type=int, help="of --on=local; default 2")
    parser.add_argument("--name", help="of the job; default: the config's")
    parser.add_argument("--on_demand", action="store_true", help="no spot machines")
    for name in ("zone", "project", "cluster", "image"):
        parser.add_argument(f"--{name}", default="", help=f"{name} of Google Cloud")
    parser.add_argument("--package", default="transfer_jax", help="what pip installs there")


def _add_report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "workdirs", nargs="*", metavar="workdir",
        help="folder of a run, finished or not; several are compared, as are the runs of a sweep",
    )  # fmt: skip
    parser.add_argument("--to", help="folder of a comparison; default: comparison, beside the runs")
    parser.add_argument("--watch", action="store_true", help="again and again until it is finished")
    parser.add_argument("--every", type=int, default=30, help="seconds between, for --watch")
    parser.add_argument(
        "--reference", action="store_true", help="the authors' own numbers, into runs/reference"
    )


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
    "config": _add_config_arguments,
    "prepare": _add_prepare_arguments,
    "sweep": _add_sweep_arguments,
    "launch": _add_launch_arguments,
}


def _tell(unraisable: "sys.UnraisableHookArgs") -> None:
    """As ever, but for what orbax's threads say of a loop that an error has ended."""
    if str(unraisable.exc_value) != "Event loop is closed":
        sys.__unraisablehook__(unraisable)


def _one_line(error: BaseException) -> str:
    if not isinstance(error, OSError):
        return " ".join(str(error).split())
    return f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")


if __name__ == "__main__":
    sys.exit(main())
