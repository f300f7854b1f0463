"""Weighted sums of arms; a slope over cuts is that of linear regression, unit by unit."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from transfer_jax.analysis.statistics.contrasts import less, level, mean, slope, total
from transfer_jax.analysis.statistics.crossing import (
    DISTANT,
    RANDOM_HALVES,
    WHOLE,
    Arm,
    Cell,
    by_examples,
    by_target,
    family_of,
    groups,
)
from transfer_jax.analysis.statistics.sampling import Sampler
from transfer_jax.grid.conditions import Treatment

from .simulated import table

BASE, ANB = Treatment.BASE, Treatment.TRANSFER


def test_sums_differences_and_means():
    one, two = level(BASE), level(ANB, 2)
    assert less(two, one) == {Arm(ANB, 2): 1.0, Arm(BASE, 0): -1.0}
    assert mean([less(two, one), less(level(ANB, 4), one)]) == {
        Arm(ANB, 2): 0.5, Arm(ANB, 4): 0.5, Arm(BASE, 0): -1.0
    }  # fmt: skip
    assert total((2.0, one), (-2.0, one)) == {}
    assert level(ANB, 2, "head") == {Arm(ANB, 2, "head"): 1.0}


def test_a_slope_over_cuts_samples_networks_and_not_cuts():
    """Seeds differ in their slopes; the interval is that of a mean of slopes."""
    ns, gains = (1, 2, 3, 4), {seed: 0.01 * seed for seed in range(4)}
    rows = table({}, seeds=4, noise=0.004)
    rows = [replace(r, top1=r.top1 + gains[r.seed] * r.n) for r in rows]
    (group,) = groups(rows)
    found = Sampler(group, {}.get).sample([slope({float(n): level(ANB, n) for n in ns})])
    slopes = [
        np.mean([
            stats.linregress(ns, [
                next(r.top1 for r in rows if (r.seed, r.target, r.treatment, r.n)
                     == (seed, target, "AnB", n)) for n in ns
            ]).slope for target in "AB"
        ]) for seed in range(4)
    ]  # fmt: skip
    estimate = found.estimates[0]
    interval = stats.ttest_1samp(slopes, 0).confidence_interval(0.95)
    assert estimate.mean == pytest.approx(np.mean(slopes))
    assert estimate.mean - estimate.half_width() == pytest.approx(interval.low)
    assert found.values[0] == pytest.approx(slopes)


@pytest.mark.parametrize(
    ("split", "family"),
    [("random-12", RANDOM_HALVES), ("random-", DISTANT), ("random-1x", DISTANT),
     ("my-random-1", DISTANT), ("whole", WHOLE), ("man-natural", DISTANT)],
)  # fmt: skip
def test_the_family_of_a_split(split, family):
    assert family_of(split) == family


def test_targets_and_numbers_of_images_can_be_compared_as_arms_are():
    found = groups(table({"AnB": lambda n: -0.01 * n}, noise=0.0, examples=(None, 10)))
    targets = by_target(found[0])
    assert {place for held in targets.rows.values() for place in held} == {
        Cell("distant", seed, "") for seed in range(6)
    }
    ((row,), *_) = targets.rows[Arm(ANB, 2, "B")].values()
    assert (row.target, row.n, row.treatment) == ("B", 2, "AnB")
    few = by_examples(found)
    assert few.arms == [Arm(BASE, 0, "0"), Arm(BASE, 0, "10")]
    assert {r.examples for held in few.rows[Arm(BASE, 0, "10")].values() for r in held} == {10}
