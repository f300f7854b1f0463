"""The command `transfer-jax export`: a trained network, in the format that its weights came in."""

import argparse
from typing import TYPE_CHECKING

from transfer_jax.commands.usage import Parser, given, number

if TYPE_CHECKING:
    from rich.console import Console

TASK = "write a trained network of a finished run under the names that its weights came with"


def add_arguments(parser: Parser) -> None:
    """What is typed after `export`."""
    parser.add_argument("workdir", type=given, help="folder of a run that began with weights")
    parser.add_argument(
        "--to", required=True, type=given, metavar="FILE", help="file, .safetensors"
    )
    parser.add_argument(
        "--way", default="best", type=given,
        help="full, lp-ft, freeze:N, probe:N, head2toe, ... as the table calls them; default: "
        "%(default)s, what the advice takes",
    )  # fmt: skip
    parser.add_argument(
        "--seed", type=number, help="seed; default: the best of the way on validation images"
    )
    parser.add_argument(
        "--task",
        type=given,
        metavar="SPLIT.TARGET",
        help="needed where a run has several; default: the only one",
    )


def main(arguments: argparse.Namespace, _: list[str], console: "Console") -> None:
    """Write the network, and say what it is.

    Raises:
      ValueError: there is no such run or network.
    """
    from transfer_jax.folder.places import place
    from transfer_jax.running.export import export

    folder = place(arguments.workdir, "workdir")
    found = export(folder, arguments.to, arguments.way, arguments.seed, arguments.task)
    for line in (*found.lines, f"Written: {found.path}"):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
