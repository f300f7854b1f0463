"""Command lines that are wrong in themselves, whatever they ask for: status 2, one line."""

import argparse
import re
import sys
from typing import Any, NoReturn

from transfer_jax.grid.registry import nearest

STATUS = 2
MARGIN = (
    "difference of accuracies that does not matter: 0.01 is one point; default: the smaller of one "
    "point and a tenth of the error of training from scratch"
)


class UsageError(ValueError):
    """Arguments that are missing, or that do not go together."""


class Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line, with the nearest word; no option may be abbreviated."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """End the process.

        Args:
          message: what is wrong.

        Returns:
          Never.
        """
        told = re.sub(r"^argument (\S+): ", r"\1 ", " ".join(message.split()))
        print(f"{self.prog}: {told}; see {self.prog} --help", file=sys.stderr)
        sys.exit(STATUS)

    def refuse(self, argument: str) -> NoReturn:
        """End the process because of an argument that is none.

        Returns:
          Never.
        """
        options = [option for action in self._actions for option in action.option_strings]
        self.error(f"unknown argument '{argument}'{nearest(argument.partition('=')[0], options)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Argparse's own, which asks whether a choice is one."""
        if action.choices is None or value in action.choices:
            return
        allowed = list(map(str, action.choices))
        told = f"is '{value}'; allowed: {', '.join(allowed)}{nearest(str(value), allowed)}"
        raise argparse.ArgumentError(action, told)


def given(text: str) -> str:
    """The value of an argument that is not empty.

    Returns:
      The same.

    Raises:
      ArgumentTypeError: it is empty.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty")
    return text


def share(text: str) -> float:
    """A margin.

    Returns:
      The number.

    Raises:
      ArgumentTypeError: it is none.

    Example:
      >>> share("0.01")
      0.01
    """
    from transfer_jax.analysis.statistics.margins import checked

    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"is '{text}'; allowed: shares, 0.01 is one point"
        ) from None
    try:
        return checked(number)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("margin ")) from None


def whole(text: str) -> int:
    """A whole number from 1.

    Returns:
      The number.

    Raises:
      ArgumentTypeError: it is none.

    Example:
      >>> whole("30")
      30
    """
    return _number(text, 1)


def number(text: str) -> int:
    """A whole number from 0.

    Returns:
      The number.

    Raises:
      ArgumentTypeError: it is none.

    Example:
      >>> number("0")
      0
    """
    return _number(text, 0)


def _number(text: str, least: int) -> int:
    if re.fullmatch(r"\d{1,9}", text, re.ASCII) and int(text) >= least:
        return int(text)
    found = text if re.fullmatch(r"-?\d+", text) else repr(text)
    raise argparse.ArgumentTypeError(f"is {found}; allowed: whole numbers from {least}")
