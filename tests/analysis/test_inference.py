"""Intervals and words against SciPy's tests, and against numbers written out by hand."""

import numpy as np
import pytest
from scipy import stats

from transfer_jax.analysis.statistics.crossing import Arm, groups
from transfer_jax.analysis.statistics.inference import (
    NO_PLACE,
    ONE_UNIT,
    Estimate,
    Spread,
    Unit,
    Word,
    independent,
    over_units,
    units,
)
from transfer_jax.analysis.statistics.sampling import Sampler
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

BASE, MOVED = Arm(Treatment.BASE, 0), Arm(Treatment.TRANSFER, 1)


def row(arm, top1, seed, split="x", target="B"):
    place = (split, seed, arm.treatment.value, target, target, arm.n, False, "", 0)
    return ResultRow(*place, top1, None, 0.0, 0.0, 1, 0)


def of(values):
    """The estimate of independent numbers, by the book."""
    spread = Spread(float(stats.sem(values)), len(values) - 1)
    return Estimate(float(np.mean(values)), (spread, spread), len(values))


def test_the_wider_of_two_intervals_counts_with_its_freedom_and_p():
    """With 1 degree of freedom an interval reaches 12.7 errors, with many 1.96."""
    found = Estimate(0.5, (Spread(0.1, 1e9), Spread(0.05, 1.0)), 2)
    assert found.half_width() == pytest.approx(0.05 * stats.t.ppf(0.975, 1))
    assert found.freedom == 1.0
    assert found.p == pytest.approx(2 * stats.t.sf(10.0, 1))
    other = Estimate(0.5, (Spread(0.1, 1e9), Spread(0.01, 1.0)), 2)
    assert other.half_width() == pytest.approx(0.196, abs=1e-3)
    # Both intervals must leave 0 out: the larger p counts, at whatever level.
    assert (other.freedom, other.p) == (1e9, pytest.approx(2 * stats.t.sf(50.0, 1)))


@pytest.mark.parametrize("mean", [-0.02, -0.003, 0.0, 0.001, 0.004, 0.02])
@pytest.mark.parametrize("error", [0.0005, 0.002, 0.009])
@pytest.mark.parametrize("margin", [0.0, 0.005, 0.01])
def test_words_are_those_of_scipys_tests(mean, error, margin):
    values = mean + error * np.array([-1.2, 0.1, 0.4, 0.7])
    values += mean - values.mean()
    word = of(values).word(margin)
    tested = stats.ttest_1samp(values, 0.0)
    within = max(
        stats.ttest_1samp(values, -margin, alternative="greater").pvalue,
        stats.ttest_1samp(values, margin, alternative="less").pvalue,
    )
    if tested.pvalue < 0.05:
        assert word == (Word.ABOVE if mean > 0 else Word.BELOW)
    else:
        assert word == (Word.SAME if within < 0.05 else Word.OPEN)
    assert of(values).is_within(margin) == (within < 0.05)


def test_of_many_one_must_be_surer():
    """With 3 degrees of freedom 98.3% intervals reach 4.9 errors, 98.8% intervals 5.05."""
    found = Estimate(0.005, (Spread(0.001, 3.0),), 4)
    assert [found.word(0.01, among=k) for k in (1, 3, 4, 10)] == [
        Word.ABOVE, Word.ABOVE, Word.SAME, Word.OPEN
    ]  # fmt: skip
    assert Estimate(0.0, (Spread(0.001, 3.0),), 4).is_within(0.0046, among=5)
    assert not Estimate(0.0, (Spread(0.001, 3.0),), 4).is_within(0.0045, among=5)


def test_one_unit_says_nothing_but_why():
    for found, why in ((Estimate(0.3, (), 1), ONE_UNIT), (Estimate(np.nan, (), 0), NO_PLACE)):
        assert found.lacks == why
        assert (found.half_width(), found.p, found.freedom) == (None, None, None)
        assert found.word(1.0) == Word.OPEN and not found.is_within(1.0)
        assert "±" not in found.points()
    assert of([0.1, 0.2]).lacks == ""


def test_two_samples_have_welchs_interval_where_it_is_wider_than_that_of_one_variance():
    one, two = [0.1, 0.4, 0.2, 0.9], [0.31, 0.3, 0.29]
    found = independent(of(one), of(two))
    welch = stats.ttest_ind(one, two, equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(one) - np.mean(two))
    assert found.mean - found.half_width() == pytest.approx(interval.low)
    assert found.mean + found.half_width() == pytest.approx(interval.high)
    assert found.p == pytest.approx(welch.pvalue)
    assert [spread.freedom for spread in found.spreads] == [pytest.approx(welch.df), 5]
    assert independent(of(one), Estimate(0.1, (), 1)).lacks == ONE_UNIT
    assert independent(of([0.5, 0.5]), of([0.2, 0.2])).spreads[0] == Spread(0.0, 2)


def test_units_are_splits_where_there_are_three():
    three, two = [("a", 0), ("b", 0), ("c", 1)], [("a", 0), ("b", 0), ("a", 1)]
    assert units(three) == [Unit("", name) for name in "abc"]
    assert units(two) == [Unit("a", "0"), Unit("b", "0"), Unit("a", "1")]


def test_numbers_of_columns_are_averaged_within_seeds_first():
    values = {0: [0.1, 0.3], 1: [0.5], 2: [0.2, 0.0, 0.4]}
    found = over_units([(("x", s), v) for s, own in values.items() for v in own])
    means = [0.2, 0.5, 0.2]
    assert (found.mean, found.units) == (pytest.approx(0.3), 3)
    assert found.half_width() == pytest.approx(stats.sem(means) * stats.t.ppf(0.975, 2))
    splits = over_units([((f"random-{k}", s), v) for k, v in enumerate(means) for s in (0, 1)])
    assert splits.half_width() == pytest.approx(found.half_width())
    strata = over_units([(("x", 0), 0.1), (("x", 1), 0.3), (("y", 0), 0.5), (("y", 1), 0.5)])
    assert strata.spreads[0] == Spread(pytest.approx(0.05), pytest.approx(1.0))
    assert strata.spreads[1].freedom == 2
    assert over_units([(("x", 0), 0.1), (("x", 1), 0.3), (("y", 0), 0.5)]).lacks == ONE_UNIT
    assert over_units([]).lacks == NO_PLACE


def test_units_that_a_contrast_lacks_do_not_make_its_error_smaller():
    """Two of four seeds have base networks; they differ by 0.2, so that the error is 0.1."""
    rows = [row(MOVED, 0.5, seed) for seed in range(4)]
    rows += [row(BASE, 0.4, 0), row(BASE, 0.6, 1)]
    (group,) = groups(rows)
    difference = {MOVED: 1.0, BASE: -1.0}
    found = Sampler(group, {}.get).sample([difference, {MOVED: 1.0}])
    assert found.estimates[0].spreads == (Spread(pytest.approx(0.1), 1.0),) * 2
    assert found.estimates[0].units == 2 and found.estimates[1].units == 4


def test_contrasts_have_the_errors_of_the_units_own_differences():
    """Against the variances of these, worked out by NumPy."""
    random = np.random.default_rng(0)
    rows = [row(arm, random.normal(), s) for s in range(5) for arm in (BASE, MOVED)]
    (group,) = groups(rows)
    contrasts = [{BASE: 1.0}, {MOVED: 1.0}, {MOVED: 1.0, BASE: -1.0}]
    found = Sampler(group, {}.get).sample(contrasts)
    by_arm = [[r.top1 for r in rows if r.treatment == t] for t in ("base", "AnB")]
    base, moved = map(np.array, by_arm)
    expected = np.sqrt(np.var([base, moved, moved - base], axis=1, ddof=1) / 5)
    assert [e.spreads[0].error for e in found.estimates] == pytest.approx(list(expected))


def test_the_way_in_which_a_number_is_written():
    quantile = stats.t.ppf(0.975, 3)

    def text(mean, half, **options):
        return Estimate(mean, (Spread(half / quantile, 3.0),), 4).points(**options)

    assert text(0.0123, 0.0234) == "+1.2±2.3"
    assert text(0.823, 0.0111, signed=False) == "82.3±1.1"
    assert text(-0.0040, 0.0037) == "-0.40±0.37"  # "-0.4±0.4" would not say which is larger
    assert text(0.0, 0.0) == "+0.0±0.0"
    assert text(0.0012, 0.0013, digits=2) == "+0.12±0.13"
    assert Estimate(0.012, (), 1).points() == "+1.2" and Estimate(np.nan, (), 0).points() == ""


@pytest.mark.parametrize(("images", "step"), [(None, 0.01), (50, 0.02)])
def test_seeds_that_agree_by_rounding_have_the_interval_of_rounding(images, step):
    """Of a difference of two: uniform between steps each, with Student's factor."""
    rows = [row(arm, 0.7 + 0.02 * arm.n, seed) for arm in (BASE, MOVED) for seed in range(3)]
    right = {
        own: (np.arange(50), (np.arange(50) < round(50 * own.top1)).astype(np.float32))
        for own in rows
        if images
    }
    (group,) = groups(rows)
    found = Sampler(group, right.get).estimate({MOVED: 1.0, BASE: -1.0})
    assert found is not None and found.mean == pytest.approx(0.02)
    alone = found.spreads[1]
    assert alone.error == pytest.approx(np.sqrt(2 * step**2 / 12 / 3)) and alone.freedom == 2
