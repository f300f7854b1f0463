"""What is written in steps: numbers that are all alike are not sure to less than one of them."""

from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from transfer_jax.analysis.statistics.crossing import Group
from transfer_jax.analysis.statistics.images import Images

# Beyond these, digits are those of the computer's sums.
MOST_DIGITS = 9


def variance_of(step: float) -> float:
    """The variance of what rounding takes away.

    Args:
      step: between two numbers that can be written.

    Returns:
      It: that of a uniform distribution.

    Example:
      >>> round(variance_of(0.12), 6)
      0.0012

    Source: Sheppard (1898).
    """
    return step**2 / 12


def step_of(accuracies: Iterable[float]) -> float:
    """The step that numbers of a table are rounded to.

    Args:
      accuracies: some, as they are written.

    Returns:
      One in the last digit of that with the most digits.

    Example:
      >>> step_of([0.7, 0.7 + 0.01, 1.0]), step_of([])
      (0.01, 0.0)
    """
    digits = [_digits(value) for value in accuracies if np.isfinite(value)]
    return 10.0 ** -max(digits) if digits else 0.0


def step_of_group(group: Group, images: Images) -> float:
    """The step of a group's accuracies: an image, where single images are known.

    Args:
      group: the networks.
      images: their tests.

    Returns:
      The step: of the smallest test, else of the last digit.
    """
    if images.are_known:
        return 1 / max(1, images.fewest)
    rows = (row for held in group.rows.values() for found in held.values() for row in found)
    return step_of(row.top1 for row in rows)


def _digits(value: float) -> int:
    exponent = Decimal(repr(round(float(value), MOST_DIGITS))).normalize().as_tuple().exponent
    return max(0, -int(exponent))
