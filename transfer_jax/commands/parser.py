"""The commands of `transfer-jax` and their arguments."""

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from transfer_jax.commands.usage import Parser, given, number, whole

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_CONFIG = "configs/fashion_mnist.py"
FIELDS = "Any field of the config can be overridden: --config.FIELD=VALUE."
# Name to what it does, and whether it takes a config and a folder of the run.
COMMANDS = {
    "run": ("train every condition of a config and report", True, True),
    "plan": ("show what a config would train and what it costs", True, True),
    "sweep": ("run a config over values of some of its fields", True, True),
    "launch": ("run a config on other machines, or in several processes", True, True),
    "config": ("print all fields of a config, ready to save", True, False),
    "status": ("show how far a run is, from another shell", False, False),
    "prepare": ("bring a dataset's images into one size and one place", True, False),
    "report": ("write the report of a run, or of several side by side", False, False),
}


def make_parser() -> Parser:
    """The command line.

    Returns:
      A parser; what it parses has `command`, the name or None, and `parser`, the command's own.
    """
    parser = Parser(
        prog="transfer-jax", description="How many layers to transfer, and whether to freeze them."
    )
    parser.add_argument("--version", action=_Version, help="show the version and stop")
    parser.set_defaults(parser=parser, takes_config=True)
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", parser_class=Parser)
    for name, (text, takes_config, takes_workdir) in COMMANDS.items():
        fields = f" {FIELDS}" if takes_config else ""
        sub = commands.add_parser(name, help=text, description=f"{text}.{fields}")
        sub.set_defaults(parser=sub, takes_config=takes_config)
        if takes_config:
            sub.add_argument(
                "--config", default=DEFAULT_CONFIG, type=given,
                help="file, or name of a config; default: %(default)s",
            )  # fmt: skip
        if takes_workdir:
            at = "runs/NAME_sweep" if name == "sweep" else "runs/NAME"
            sub.add_argument("--workdir", type=given, help=f"folder of the run; default: {at}")
        _ADD_ARGUMENTS[name](sub)
    return parser


def command_of(name: str) -> Callable[[argparse.Namespace, list[str], "Console"], None]:
    """What a command does; JAX is imported here at the earliest.

    Args:
      name: one of `COMMANDS`.

    Returns:
      A function of the arguments, the overrides and a console.
    """
    home = "run" if name == "sweep" else name
    return getattr(import_module(f"transfer_jax.commands.{home}"), f"{name}_command")


class _Version(argparse.Action):
    """Shows the version, which is looked up then only."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, nargs=0)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"transfer-jax {version('transfer_jax')}")
        parser.exit()


def _add_run_arguments(parser: Parser) -> None:
    group = parser.add_argument_group(
        "several processes",
        "the same command on each, with its own --process; default: what a TPU pod or Slurm says, "
        "else one process",
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", type=given, help="of process 0")
    group.add_argument("--processes", type=whole, help="number of processes")
    group.add_argument("--process", type=number, help="number of this process, from 0")


def _add_plan_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--accelerator", type=given,
        help="a100, h100, v4, v5e, ...; default: this machine, or h100 for images read from disk",
    )  # fmt: skip


def _add_config_arguments(parser: Parser) -> None:
    parser.add_argument("file", nargs="?", type=given, help="the same as --config")


def _add_sweep_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--over", action="append", required=True, metavar="FIELD=VALUE,VALUE", type=given,
        help="a field and its values; once for each field",
    )  # fmt: skip
    _add_run_arguments(parser)


def _add_launch_arguments(parser: Parser) -> None:
    engines = ("skypilot", "queued-resource", "gcluster", "local")
    parser.add_argument("--on", choices=engines, required=True, help="what starts the job")
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


def _add_status_arguments(parser: Parser) -> None:
    parser.add_argument("workdir", type=given, help="folder of the run")


def _add_prepare_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--manual_dir", type=given, help="folder of files downloaded by hand; default: none"
    )
    parser.add_argument(
        "--data_dir", type=given, help="where TFDS keeps its datasets; default: its own"
    )
    parser.add_argument("--workers", type=whole, help="processes; default: one a core")
    parser.add_argument(
        "--check", action="store_true", help="check what is prepared already; default: no"
    )


def _add_report_arguments(parser: Parser) -> None:
    parser.add_argument(
        "workdirs", nargs="*", metavar="workdir", type=given,
        help="folder of a run, finished or not; several are compared, as are the runs of a sweep",
    )  # fmt: skip
    parser.add_argument(
        "--to", type=given,
        help="folder of a comparison; default: comparison, beside the runs; or of --reference; "
        "default: runs/reference",
    )  # fmt: skip
    parser.add_argument(
        "--watch", action="store_true", help="again and again until it is finished; default: once"
    )
    parser.add_argument(
        "--every", type=whole, default=30, help="seconds between, for --watch; default: %(default)s"
    )
    parser.add_argument(
        "--reference", action="store_true", help="the authors' own numbers; default: a run's"
    )


_ADD_ARGUMENTS = {
    "run": _add_run_arguments,
    "plan": _add_plan_arguments,
    "sweep": _add_sweep_arguments,
    "launch": _add_launch_arguments,
    "config": _add_config_arguments,
    "status": _add_status_arguments,
    "prepare": _add_prepare_arguments,
    "report": _add_report_arguments,
}
