"""A schedule keeps its budget whichever ways do best, and stops nobody that can be paid for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_jax.analysis.statistics.halving import begin, go_on, numbers, schedule

PARTS = (0.25, 0.25, 0.5)
# What it costs to look at a network, beside what its training costs.
LOOKING = st.sampled_from([0.0, 0.02, 0.3])
COSTS = st.lists(st.floats(0.05, 1.0), min_size=1, max_size=9)


def prices_of(costs: list[float], looking: float = 0.0, done: int = 0) -> list[list[float]]:
    """Of each way, of each look that is left."""
    return [[cost * part + looking for part in PARTS[done:]] for cost in costs]


def spent(prices: list[list[float]], budget: float, seed: int) -> tuple[float, list[int]]:
    """A race whose ranking is drawn at each look; its cost, and how many were at each."""
    random, left, counts = np.random.default_rng(seed), budget, []
    running = begin(prices, budget)
    for look in range(len(PARTS)):
        left -= sum(prices[i][look] for i in running)
        counts.append(len(running))
        if look + 1 < len(PARTS):
            ranked = random.permutation(running).tolist()
            own = go_on([prices[i][look + 1 :] for i in ranked], left)
            running = [ranked[i] for i in own]
    return budget - left, counts


@settings(deadline=None, max_examples=60)
@given(COSTS, LOOKING, st.floats(0.05, 1.2), st.integers(0, 5))
def test_a_budget_is_kept_whoever_does_best(costs, looking, share, seed):
    prices = prices_of(costs, looking)
    budget = share * sum(map(sum, prices))
    cost, counts = spent(prices, budget, seed)
    assert cost <= budget * (1 + 1e-6)
    if min(map(sum, prices)) <= budget:
        assert counts[-1] >= 1, "somebody reaches the end"


@settings(deadline=None, max_examples=30)
@given(COSTS, LOOKING, st.integers(0, 5))
def test_nobody_is_stopped_who_can_be_paid(costs, looking, seed):
    prices = prices_of(costs, looking)
    whole = sum(map(sum, prices))
    cost, counts = spent(prices, whole, seed)
    assert counts == [len(costs)] * 3 and cost == pytest.approx(whole)


def test_ways_become_fewer_by_equal_factors_rounded_up():
    assert numbers(27, 1, 3) == (9, 3, 1)
    assert numbers(10, 1, 3) == (5, 3, 1)  # 4.64, 2.15, 1
    assert numbers(4, 4, 2) == (4, 4)
    assert numbers(1, 1, 5) == (1,) * 5


def test_a_small_budget_starts_fewer_ways():
    """Of four whole trainings one can be paid: 1 x 1/4 + 1 x 1/4 + 1 x 1/2."""
    assert schedule(prices_of([1.0] * 4), 1.0) == ((1, 1, 1), 1.0)
    assert schedule(prices_of([1.0] * 4), 1.5).ways == (2, 2, 1)  # (3, 2, 1) costs 1.75
    assert begin(prices_of([2.0, 1.0]), 0.5) == []
    assert schedule(prices_of([2.0, 1.0]), 0.5) == ((0, 0, 0), 0.0)


def test_what_a_way_costs_counts():
    """The dear one is the best, and cannot be paid to its end; two cheap ones can."""
    assert go_on(prices_of([1.0, 0.2, 0.2, 0.2], done=2), 0.2) == [1, 2]
    assert go_on(prices_of([1.0, 0.2, 0.2, 0.2], done=2), 0.6) == [0, 1]


def test_looks_cost_too():
    """Of two ways at 1 that are looked at three times for 0.1 each, one can be paid with 2."""
    assert schedule(prices_of([1.0, 1.0]), 2.0).ways == (2, 2, 2)
    assert schedule(prices_of([1.0, 1.0], 0.1), 2.0).ways == (2, 2, 1)
    assert schedule([], 1.0).ways == () and begin([], 1.0) == go_on([], 1.0) == []
