import numpy as np
import pytest
from scipy import stats

from transfer_jax.analysis.statistics import accuracies, gains, interval
from transfer_jax.conditions import Treatment
from transfer_jax.results import ResultRow


def row(treatment: Treatment, base: str, target: str, n: int, top1: float, seed: int = 0):
    tuned = treatment.value.endswith("+") or treatment == Treatment.BASE
    return ResultRow(
        "s", seed, treatment.value, base, target, n, tuned, "", 0, top1, top1, 1.0, 10, 0
    )


ROWS = [
    *(row(Treatment.BASE, "A", "A", 0, 0.6 + s / 100, s) for s in (0, 1)),
    *(row(Treatment.BASE, "B", "B", 0, 0.8 + s / 100, s) for s in (0, 1)),
    *(row(Treatment.TRANSFER, "B", "A", 2, 0.5, s) for s in (0, 1)),
    *(row(Treatment.TRANSFER, "A", "B", 2, 0.6, s) for s in (0, 1)),
]  # fmt: skip


def test_an_interval_is_scipys():
    values = [0.5, 0.7, 0.8]
    mean, half_width = interval(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean - half_width, mean + half_width) == pytest.approx((low, high))


def test_intervals_cover_the_truth_as_often_as_they_say():
    generator = np.random.default_rng(0)
    draws = generator.normal(1.0, 2.0, (4000, 3))
    covered = [abs(mean - 1.0) <= half for mean, half in map(interval, draws.tolist())]
    assert 0.94 < np.mean(covered) < 0.96


def test_one_seed_has_no_interval():
    assert interval([0.5]) == (0.5, None)


def test_cells_hold_the_mean_over_targets_of_each_seed():
    base, transfer = accuracies(ROWS)
    assert (base.treatment, base.n, transfer.treatment, transfer.n) == ("base", 0, "AnB", 2)
    assert base.values == pytest.approx((0.70, 0.71))
    assert transfer.values == pytest.approx((0.55, 0.55))
    assert transfer.half_width == pytest.approx(0)


def test_gains_are_paired_with_the_targets_own_base():
    (transfer,) = gains(ROWS)
    assert transfer.values == pytest.approx((-0.15, -0.16))
