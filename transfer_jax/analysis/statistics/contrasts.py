"""Weighted sums of arms: differences, means over cuts, slopes over cuts.

All are linear, so that each has a value for every split and seed: these are the units, never cuts.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.grid.conditions import Treatment

Contrast = Mapping[Arm, float]


def level(treatment: Treatment, n: int = 0, variant: str = "") -> Contrast:
    """One arm.

    Args:
      treatment: what is done with the layers.
      n: the cut.
      variant: another choice of layers than the paper's.

    Returns:
      Its accuracy.
    """
    return {Arm(treatment, n, variant): 1.0}


def total(*terms: tuple[float, Contrast]) -> Contrast:
    """A weighted sum.

    Args:
      *terms: weights and contrasts.

    Returns:
      The sum; arms that cancel are left out.

    Example:
      >>> one, two = level(Treatment.BASE), level(Treatment.TRANSFER, 1)
      >>> list(total((1.0, one), (1.0, two), (-1.0, one)).values())
      [1.0]
    """
    # In order: sums over a set differ in the last bit from start to start.
    arms = dict.fromkeys(arm for _, contrast in terms for arm in contrast)
    sums = {arm: sum(weight * c.get(arm, 0.0) for weight, c in terms) for arm in arms}
    return {arm: weight for arm, weight in sums.items() if weight}


def less(first: Contrast, second: Contrast) -> Contrast:
    """A difference.

    Args:
      first: what is taken from.
      second: what is taken away.

    Returns:
      The first less the second.
    """
    return total((1.0, first), (-1.0, second))


def mean(contrasts: Sequence[Contrast]) -> Contrast:
    """The mean of several.

    Args:
      contrasts: one or more.

    Returns:
      It.
    """
    return total(*((1 / len(contrasts), contrast) for contrast in contrasts))


def slope(by_x: Mapping[float, Contrast]) -> Contrast:
    """The slope of the regression line through several.

    Args:
      by_x: contrasts by where they stand; two or more.

    Returns:
      The slope, for each unit of x.

    Example:
      >>> found = slope({n: level(Treatment.TRANSFER_PLUS, n) for n in (1, 2, 3)})
      >>> [round(weight, 6) for weight in found.values()]
      [-0.5, 0.5]
    """
    xs = np.array(list(by_x), float)
    weights = (xs - xs.mean()) / np.square(xs - xs.mean()).sum()
    return total(*zip(weights.tolist(), by_x.values(), strict=True))
