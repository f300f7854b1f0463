"""The process of `transfer-jax`; `python -m transfer_jax` is the same."""

import sys

from transfer_jax.commands.huge_pages import ask_for_huge_pages


def start() -> int:
    """Do what was typed.

    Returns:
      The exit status.
    """
    ask_for_huge_pages()
    from transfer_jax.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(start())
