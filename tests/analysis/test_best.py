"""Which ways may be called the best, on numbers whose limits are known from elsewhere."""

import numpy as np
import pytest
from scipy import stats

from transfer_jax.analysis.statistics import best
from transfer_jax.analysis.statistics.best import Ways, against_control, compare
from transfer_jax.analysis.statistics.noise import noise_of

MARGIN = 0.01


def ways(by_seed: np.ndarray, families: list[str] | None = None, images: float = 0.0) -> Ways:
    """A table with a row a seed and a column a way."""
    seeds, count = by_seed.shape
    parts = (by_seed - by_seed.mean(axis=0)).T / np.sqrt(seeds * (seeds - 1))
    named = families or ["scratch", *["frozen"] * (count - 1)]
    noise = noise_of(parts, seeds - 1.0, named)
    return Ways(by_seed.mean(axis=0), parts, noise, images * np.eye(count))


def pair(gain: float, spread: float, seeds: int) -> Ways:
    """Two ways, and seeds whose differences have a mean and a standard deviation."""
    lifts = np.linspace(-1, 1, seeds)
    lifts *= spread / lifts.std(ddof=1)
    return ways(np.stack([0.7 + 0 * lifts, 0.7 + gain + lifts], axis=1))


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(("nudge", "may"), [(0.05, True), (-0.05, False)])
def test_of_two_ways_the_limit_is_students(seeds, nudge, may):
    """By a paired test of one side: a little above and below its threshold."""
    spread = 0.002
    reach = stats.t.ppf(0.95, seeds - 1) * spread / np.sqrt(seeds)
    found = compare(pair(-MARGIN + (1 + nudge) * reach, spread, seeds), MARGIN)
    assert found.may_be_chosen[1] == may
    worse = compare(pair(-MARGIN - (1 + nudge) * reach, spread, seeds), MARGIN)
    assert worse.excluded[1] == may


@pytest.mark.parametrize("seeds", [2, 4])
def test_of_two_ways_the_interval_is_students(seeds):
    half = against_control(pair(0.01, 0.002, seeds))
    assert half[0] == 0
    expected = stats.t.ppf(0.975, seeds - 1) * 0.002 / np.sqrt(seeds)
    assert half[1] == pytest.approx(expected, rel=0.04)


def test_of_many_alike_ways_the_interval_is_dunnetts():
    """Equal noise of many ways is known: the quantile is that of Dunnett (1955), table 2."""
    random = np.random.default_rng(0)
    table = 0.7 + 0.003 * random.standard_normal((200, 10))
    half = against_control(ways(table))
    # Nine ways against a control, 95%, two sides, infinite degrees of freedom.
    assert half[1] / (0.003 * np.sqrt(2 / 200)) == pytest.approx(2.68, abs=0.12)


def test_without_noise_verdicts_are_those_of_the_numbers():
    table = np.tile([0.70, 0.691, 0.689, 0.70], (3, 1))
    found = compare(ways(table), MARGIN)
    assert found.may_be_chosen.tolist() == [True, True, False, True]
    assert found.excluded.tolist() == [False, False, True, False]
    assert not found.is_close
    assert against_control(ways(table)) == pytest.approx(0, abs=1e-12)


def test_what_seeds_share_is_no_noise():
    """Seeds that lift all ways alike leave the differences as they are."""
    random = np.random.default_rng(0)
    table = 0.7 + 0.001 * random.standard_normal((4, 5))
    lifted = table + random.normal(0, 0.1, (4, 1))
    assert against_control(ways(lifted)) == pytest.approx(against_control(ways(table)))


def test_images_in_common_add_to_the_errors():
    table = 0.7 + 0.001 * np.random.default_rng(0).standard_normal((4, 3))
    plain, with_images = ways(table), ways(table, images=1e-4)
    added = with_images.error[0, 1] ** 2 - plain.error[0, 1] ** 2
    assert added == pytest.approx(2e-4)
    assert against_control(with_images)[1] > against_control(plain)[1]


def test_what_only_some_ways_share_makes_errors_larger():
    """All transferred ways move together: their difference from scratch has that noise."""
    random = np.random.default_rng(0)
    table = 0.7 + 0.001 * random.standard_normal((8, 9))
    table[:, 1:] += random.normal(0, 0.01, (8, 1))
    error = ways(table).error
    paired = (table[:, 1] - table[:, 0]).std(ddof=1) / np.sqrt(8)
    assert error[0, 1] >= paired * 0.999
    assert error[1, 2] < error[0, 1] / 3


@pytest.mark.parametrize("table_seed", range(6))
def test_a_verdict_does_not_flip_with_the_seed_of_the_draws(table_seed):
    """What one seed shows no other denies: at most it is too close to say."""
    random = np.random.default_rng(table_seed)
    table = 0.7 + 0.004 * random.standard_normal((4, 7)) - np.linspace(0, 0.01, 7)
    found = [compare(ways(table), MARGIN, seed=seed, draws=5000, more=20_000) for seed in range(5)]
    clear = [own for own in found if not own.is_close]
    assert len({own.may_be_chosen.tobytes() for own in clear}) <= 1
    assert len({own.excluded.tobytes() for own in clear}) <= 1


def test_a_verdict_on_the_threshold_says_so_and_is_not_taken_for_shown():
    spread, seeds = 0.002, 4
    reach = stats.t.ppf(0.95, seeds - 1) * spread / np.sqrt(seeds)
    found = compare(pair(-MARGIN + reach, spread, seeds), MARGIN)
    assert found.is_close and not found.may_be_chosen[1]


def test_exclusions_hold_for_several_comparisons_at_once():
    spread, seeds = 0.002, 4
    for among in (1, 10):
        reach = stats.t.ppf(1 - 0.05 / among, seeds - 1) * spread / np.sqrt(seeds)
        for nudge, out in ((1.05, True), (0.95, False)):
            found = compare(pair(-MARGIN - nudge * reach, spread, seeds), MARGIN, among=among)
            assert found.excluded[1] == out


def test_the_choice_and_the_interval_of_its_gain_do_not_share_their_draws(monkeypatch):
    drawn = []

    def kept(ways, count, random):
        drawn.append(random.bit_generator.state["state"])
        return iter([np.random.default_rng(0).standard_normal((len(ways.mean), count))])

    monkeypatch.setattr(best, "_drawn", kept)
    table = pair(0.01, 0.002, 3)
    compare(table, MARGIN, draws=1000, more=0)
    against_control(table, draws=1000)
    assert drawn[0] != drawn[1]
