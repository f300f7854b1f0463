"""Which ways go how far for a budget: successive halving, as slow as the budget allows.

All begin; at each look as many go on as there is money for, by equal factors from look to look. A
half from look to look is the textbook's; a large budget stops nobody. What a way costs counts: a
decision is taken only if it can be paid even where the dearest ways do best from then on.

Source: Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter
optimization.
"""

from collections.abc import Sequence
from typing import NamedTuple

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


def schedule(costs: Sequence[float], parts: Sequence[float], budget: float) -> Schedule:
    """The plan before anything is known, when all that can begin do.

    Args:
      costs: of training each way to its end, in the order in which they are taken where not all
        can begin.
      parts: what share of that lies between one look and the next.
      budget: in the same unit.

    Returns:
      The numbers of ways, none for those that cannot begin; its cost where the dearest do best.

    Example:
      >>> schedule([1.0] * 8, [0.25, 0.25, 0.5], 4.0)
      Schedule(ways=(8, 4, 2), cost=4.0)
      >>> schedule([1.0] * 8, [0.25, 0.25, 0.5], 2.0)
      Schedule(ways=(4, 2, 1), cost=2.0)
      >>> schedule([1.0] * 8, [0.25, 0.25, 0.5], 8.0)
      Schedule(ways=(8, 8, 8), cost=8.0)
    """
    able = _able(costs, parts, budget)
    for count in range(len(able), 0, -1):
        for last in range(count, 0, -1):
            own = [costs[i] for i in able[:count]]
            ways = (count, *numbers(count, last, len(parts) - 1))
            if (cost := _most(own, ways, parts)) <= budget * (1 + ROUNDING):
                return Schedule(ways, cost)
    return Schedule((0,) * len(parts), 0.0)


def begin(costs: Sequence[float], parts: Sequence[float], budget: float) -> list[int]:
    """Which ways begin.

    Args:
      costs: as in `schedule`.
      parts: as in `schedule`.
      budget: in the same unit.

    Returns:
      Their numbers: the first of those that could be trained to the end.

    Example:
      >>> begin([3.0, 1.0, 0.5], [0.5, 0.5], 2.0)
      [1, 2]
    """
    return _able(costs, parts, budget)[: schedule(costs, parts, budget).ways[0]]


def go_on(costs: Sequence[float], parts: Sequence[float], budget: float) -> list[int]:
    """Which ways go on after a look.

    Args:
      costs: of training each way to its end; the best one at this look first.
      parts: what share of that lies between this look and the next, and so on.
      budget: what is left.

    Returns:
      Their numbers: the best of those that could be trained to the end, as many as there is money
      for; all if there is enough.

    Example:
      >>> go_on([1.0] * 8, [0.25, 0.5], 2.0)
      [0, 1, 2, 3]
      >>> go_on([0.2, 1.0, 0.2], [0.5], 0.25)
      [0, 2]
    """
    able = _able(costs, parts, budget)
    for count in range(len(able), 0, -1):
        for last in range(count, 0, -1):
            ways = numbers(count, last, len(parts))
            own = [costs[i] for i in able[: ways[0]]]
            if _most(own, ways, parts) <= budget * (1 + ROUNDING):
                return able[: ways[0]]
    return []


def _able(costs: Sequence[float], parts: Sequence[float], budget: float) -> list[int]:
    """Ways that could be trained to the end if they were alone."""
    whole = sum(parts)
    return [i for i, cost in enumerate(costs) if cost * whole <= budget * (1 + ROUNDING)]


def _most(costs: Sequence[float], ways: Sequence[int], parts: Sequence[float]) -> float:
    """What it costs if the dearest do best; those that train up to the next look are known."""
    dearest = sorted(costs, reverse=True)
    return sum(
        part * sum(dearest[:count] if number else costs[:count])
        for number, (count, part) in enumerate(zip(ways, parts, strict=True))
    )
