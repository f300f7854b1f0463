"""Arguments that several commands take."""

import argparse

from transfer_jax.commands.usage import Parser, given, number, whole

DEFAULT_CONFIG = "configs/fashion_mnist.py"
FIELDS = "Any field of the config can be overridden: --config.FIELD=VALUE."


def add_config(parser: Parser, one_of: "argparse._MutuallyExclusiveGroup | None" = None) -> None:
    """A config, any field of which can be overridden.

    Args:
      parser: a command's.
      one_of: arguments of which one may be given, the config among them; default: there are none.
    """
    parser.set_defaults(takes_config=True)
    parser.description = f"{parser.description} {FIELDS}"
    (one_of or parser).add_argument(
        "--config", default=DEFAULT_CONFIG, type=given,
        help="file, or name of a config; default: %(default)s",
    )  # fmt: skip


def add_workdir(parser: Parser, default: str = "runs/NAME") -> None:
    """The folder of the run."""
    parser.add_argument("--workdir", type=given, help=f"folder of the run; default: {default}")


def add_processes(parser: Parser) -> None:
    """The place of this process among several."""
    group = parser.add_argument_group(
        "several processes",
        "the same command on each, with its own --process; default: what a TPU pod or Slurm says, "
        "else one process",
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", type=given, help="of process 0")
    group.add_argument("--processes", type=whole, help="number of processes")
    group.add_argument("--process", type=number, help="number of this process, from 0")
