"""The command `transfer-jax config`: a config with all its fields, ready to save."""

import argparse

from rich.console import Console

from transfer_jax.plan.config import load_config
from transfer_jax.plan.config_text import config_text


def config_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Print the whole of a config as a Python file.

    Args:
      arguments: `file`, or `config` where it is not given.
      overrides: `--config.field=value` arguments.
      console: where to print.
    """
    config = load_config(arguments.file or arguments.config, overrides)
    console.out(config_text(config), end="", highlight=False)
