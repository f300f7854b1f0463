"""The command line: each command's module says what is typed after its name, and does it."""

import argparse
from importlib import import_module
from types import ModuleType
from typing import Any

from transfer_jax.commands.usage import Parser

# Each is a module of this room. It is imported for `--help`, so what takes time it imports in
# its `main`.
COMMANDS = (
    "run",
    "ask",
    "plan",
    "sweep",
    "launch",
    "config",
    "status",
    "prepare",
    "report",
    "advise",
    "export",
)


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
    for name in COMMANDS:
        module = command(name)
        own = commands.add_parser(name, help=module.TASK, description=f"{module.TASK}.")
        own.set_defaults(parser=own, takes_config=False)
        module.add_arguments(own)
    return parser


def command(name: str) -> ModuleType:
    """The module of a command.

    Args:
      name: one of `COMMANDS`.

    Returns:
      A module with `TASK`, what the command does; `add_arguments`, which takes its parser; and
      `main`, which takes the arguments, the overrides of the config and a console.
    """
    return import_module(f"transfer_jax.commands.{name}")


class _Version(argparse.Action):
    """Shows the version, which is looked up then only."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, nargs=0)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"transfer-jax {version('transfer_jax')}")
        parser.exit()
