"""Which ways go how far for a budget: successive halving, as slow as the budget allows.

All begin; at each look as many go on as there is money for, by equal factors from look to look. A
half from look to look is the textbook's; a large budget stops nobody. What a way costs counts: a
decision is taken only if it can be paid even where the dearest ways do best from then on.

Source: Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter
optimization.
"""

from collections.abc import Sequence
from typing import NamedTuple

# Of each way, of each look.
Prices = Sequence[Sequence[float]]
# Sums of costs are equal up to this share.
ROUNDING = 1e-9


class Schedule(NamedTuple):
    """How many ways train up to each look, and what that costs at most."""

    ways: tuple[int, ...]
    cost: float


def numbers(ways: int, last: int, looks: int) -> tuple[int, ...]:
    """How many ways train up to each look, by equal factors, rounded up.

    Args:
      ways: how many are there before.
      last: how many of them reach the last look.
      looks: how many.

    Returns:
      The numbers: the first one is below `ways` by the factor already.

    Example:
      >>> numbers(8, 1, 3), numbers(6, 2, 2), numbers(5, 5, 2)
      ((4, 2, 1), (4, 2), (5, 5))
    """
    return tuple(
        # The smallest whole number that is not below ways * (last / ways)^(look / looks).
        next(n for n in range(1, ways + 1) if n**looks >= ways ** (looks - look) * last**look)
        for look in range(1, looks + 1)
    )


def schedule(prices: Prices, budget: float) -> Schedule:
    """The plan before anything is known, when all that can begin do.

    Args:
      prices: of each way, of each look: what it costs to train it from the look before up to this
        one; in the order in which ways are taken where not all can begin.
      budget: in the same unit.

    Returns:
      The numbers of ways, none for those that cannot begin; its cost where the dearest do best.

    Example:
      >>> schedule([[0.25, 0.25, 0.5]] * 8, 4.0)
      Schedule(ways=(8, 4, 2), cost=4.0)
      >>> schedule([[0.25, 0.25, 0.5]] * 8, 2.0)
      Schedule(ways=(4, 2, 1), cost=2.0)
      >>> schedule([[0.25, 0.25, 0.5]] * 8, 8.0)
      Schedule(ways=(8, 8, 8), cost=8.0)
    """
    able = _able(prices, budget)
    looks = max(map(len, prices), default=0)
    for count in range(len(able), 0, -1):
        for last in range(count, 0, -1):
            own = [prices[i] for i in able[:count]]
            ways = (count, *numbers(count, last, looks - 1))
            if (cost := _most(own, ways)) <= budget * (1 + ROUNDING):
                return Schedule(ways, cost)
    return Schedule((0,) * looks, 0.0)


def begin(prices: Prices, budget: float) -> list[int]:
    """Which ways begin.

    Args:
      prices: as in `schedule`.
      budget: in the same unit.

    Returns:
      Their numbers: the first of those that could be trained to the end.

    Example:
      >>> begin([[1.5, 1.5], [0.5, 0.5], [0.25, 0.25]], 2.0)
      [1, 2]
    """
    return _able(prices, budget)[: max(schedule(prices, budget).ways, default=0)]


def go_on(prices: Prices, budget: float) -> list[int]:
    """Which ways go on after a look.

    Args:
      prices: as in `schedule`, of the looks that are left; the best way at this look first.
      budget: what is left.

    Returns:
      Their numbers: the best of those that could be trained to the end, as many as there is money
      for; all if there is enough.

    Example:
      >>> go_on([[0.25, 0.5]] * 8, 2.0)
      [0, 1, 2, 3]
      >>> go_on([[0.1], [0.5], [0.1]], 0.25)
      [0, 2]
    """
    able = _able(prices, budget)
    looks = max(map(len, prices), default=0)
    for count in range(len(able), 0, -1):
        for last in range(count, 0, -1):
            ways = numbers(count, last, looks)
            if _most([prices[i] for i in able[: ways[0]]], ways) <= budget * (1 + ROUNDING):
                return able[: ways[0]]
    return []


def _able(prices: Prices, budget: float) -> list[int]:
    """Ways that could be trained to the end if they were alone."""
    return [i for i, own in enumerate(prices) if sum(own) <= budget * (1 + ROUNDING)]


def _most(prices: Prices, ways: Sequence[int]) -> float:
    """What it costs if the dearest do best; those that train up to the next look are known."""
    each = [list(own) for own in zip(*prices, strict=True)]
    later = [sum(sorted(own, reverse=True)[:count]) for own, count in zip(each, ways, strict=True)]
    return sum(each[0][: ways[0]]) + sum(later[1:])
