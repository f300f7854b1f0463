"""The command `transfer-jax config`."""

import argparse
from typing import TYPE_CHECKING

from transfer_jax.commands.arguments import add_config
from transfer_jax.commands.usage import Parser, given

if TYPE_CHECKING:
    from rich.console import Console

TASK = "print all fields of a config, ready to save"


def add_arguments(parser: Parser) -> None:
    """What is typed after `config`."""
    add_config(parser)
    parser.add_argument("file", nargs="?", type=given, help="the same as --config")


def main(arguments: argparse.Namespace, overrides: list[str], console: "Console") -> None:
    """Print the whole of a config as a Python file."""
    from transfer_jax.plan.config import load_config
    from transfer_jax.plan.config_text import config_text

    config = load_config(arguments.file or arguments.config, overrides)
    console.out(config_text(config), end="", highlight=False)
