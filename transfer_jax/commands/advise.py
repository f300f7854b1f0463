"""The command `transfer-jax advise`: which layers to transfer, by a table of accuracies."""

import argparse
from typing import TYPE_CHECKING

from transfer_jax.commands.usage import MARGIN, Parser, given, share

if TYPE_CHECKING:
    from rich.console import Console

TASK = "say how to train a network, by a table of networks trained in several ways"


def add_arguments(parser: Parser) -> None:
    """What is typed after `advise`."""
    parser.add_argument(
        "table", type=given,
        help="CSV file with the columns split, seed, target, treatment, n and top1, a network a "
        "row, from any framework; or the folder of a run",
    )  # fmt: skip
    parser.add_argument("--margin", type=share, help=MARGIN)


def main(arguments: argparse.Namespace, _: list[str], console: "Console") -> None:
    """Print the advice.

    Raises:
      TableError: the table cannot be read.
    """
    from transfer_jax.analysis.advise import advise

    found = advise(arguments.table, arguments.margin)
    console.print(str(found), highlight=False, markup=False, soft_wrap=True)
