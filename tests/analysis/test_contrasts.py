"""Differences of arms have the numbers of SciPy's tests; verdicts those of a table by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from transfer_jax.analysis.statistics.contrasts import (
    DISTANT,
    OWN,
    POOLED,
    RANDOM_HALVES,
    WHOLE,
    Arms,
    Estimate,
    family_of,
    over,
    slope,
)
from transfer_jax.analysis.statistics.verdicts import (
    FAILS,
    HOLDS,
    NOT_RUN,
    UNDECIDED,
    Verdict,
    above,
    every,
    same,
)
from transfer_jax.folder.results import ResultRow

RANDOM = np.random.default_rng(0)


def row(treatment, base, target, n, accuracy, *, split="random-0", seed=0, **fields):
    place = (split, seed, treatment, base, target, n, treatment == "base", "", 0)
    return replace(ResultRow(*place, 0.0, None, accuracy, 0.0, 1, 0), **fields)


def noisy(level):
    return level + 0.01 * RANDOM.normal()


# Four random halves, two targets: base networks, and AnB at two cuts.
BASES = [
    row("base", t, t, 0, noisy(0.6 + 0.1 * (t == "B")), split=f"random-{k}")
    for k in range(4) for t in "AB"
]  # fmt: skip
MOVED = [
    row("AnB", "BA"[t == "B"], t, n, noisy(0.5 + 0.1 * (t == "B")), split=f"random-{k}")
    for k in range(4) for t in "AB" for n in (1, 2)
]  # fmt: skip
LEFT_OUT = [
    row("AnB", "A", "B", 1, 9.0, variant="head"),
    row("base", "B", "B", 0, 9.0, examples=10),
    row("AnB", "A", "B", 1, 9.0, split="distant"),
]
ROWS = tuple(BASES + MOVED + LEFT_OUT)


def of_cut(n):
    return [r.best10 for r in MOVED if r.n == n]


def test_pooled_arms_are_compared_as_by_welch():
    arms = Arms(ROWS, POOLED)
    sample = arms.sample(RANDOM_HALVES, "AnB", [1])
    assert sorted(sample.values()) == sorted(of_cut(1))
    found = arms.contrast([(1.0, sample), *arms.base(RANDOM_HALVES)])
    told = stats.ttest_ind(of_cut(1), [r.best10 for r in BASES], equal_var=False)
    assert found.mean == pytest.approx(np.mean(of_cut(1)) - np.mean([r.best10 for r in BASES]))
    assert found.freedom == pytest.approx(told.df)
    interval = told.confidence_interval(0.95)
    assert found.mean - found.bound() == pytest.approx(interval.low)
    assert found.mean / found.error == pytest.approx(told.statistic)


def test_of_several_cuts_a_network_counts_once():
    sample = Arms(ROWS, POOLED).sample(RANDOM_HALVES, "AnB", [1, 2])
    means = [(a + b) / 2 for a, b in zip(of_cut(1), of_cut(2), strict=True)]
    assert sorted(sample.values()) == pytest.approx(sorted(means))
    assert Arms(ROWS, POOLED).sample(RANDOM_HALVES, "AnB", [1, 3]) == {}
    assert Arms(ROWS, POOLED).cuts(RANDOM_HALVES, "AnB") == [1, 2]


def test_own_arms_are_paired_with_their_own_bases():
    arms = Arms(ROWS, OWN)
    sample = arms.sample(RANDOM_HALVES, "AnB", [2])
    found = arms.contrast([(1.0, sample), *arms.base(RANDOM_HALVES)])
    differences = [a - b.best10 for a, b in zip(of_cut(2), BASES, strict=True)]
    told = stats.ttest_1samp(differences, 0)
    assert found.freedom == told.df == 7
    assert found.mean / found.error == pytest.approx(told.statistic)
    assert arms.runs(RANDOM_HALVES, "AnB", [2]) == pytest.approx(differences)
    without = Arms(tuple(r for r in ROWS if r not in BASES[:1]), OWN)
    assert without.runs(RANDOM_HALVES, "AnB", [2]) == pytest.approx(differences[1:])


def test_two_arms_against_each_other_are_paired_where_they_have_the_same_targets():
    arms = Arms(ROWS, OWN)
    terms = [(w, arms.sample(RANDOM_HALVES, "AnB", [n])) for w, n in ((2.0, 2), (-1.0, 1))]
    weighted = [
        2 * (b - c.best10) - (a - c.best10)
        for a, b, c in zip(of_cut(1), of_cut(2), BASES, strict=True)
    ]
    found = arms.contrast(terms)
    assert found.mean == pytest.approx(np.mean(weighted))
    assert found.error == pytest.approx(stats.sem(weighted))
    only = {key: value for key, value in terms[1][1].items() if key[2] == "A"}
    unpaired = arms.contrast([terms[0], (-1.0, only)])
    variances = [
        4 * np.var(list(terms[0][1].values()), ddof=1) / 8,
        np.var(list(only.values()), ddof=1) / 4,
    ]
    assert unpaired.error == pytest.approx(np.sqrt(sum(variances)))
    parts = variances[0] ** 2 / 7 + variances[1] ** 2 / 3
    assert unpaired.freedom == pytest.approx(sum(variances) ** 2 / parts)
    assert arms.contrast([(1.0, {}), terms[0]]) is None


def test_fewer_than_three_targets_count_every_network_by_itself():
    rows = tuple(r for r in ROWS if r.split == "random-0")
    sample = Arms(rows, POOLED).sample(RANDOM_HALVES, "AnB", [1, 2])
    assert sorted(sample.values()) == sorted(r.best10 for r in MOVED[:4])


def test_three_targets_are_enough_to_be_paired_and_to_be_averaged():
    rows = tuple(
        r for r in ROWS if r.target == "A" and r.split in ("random-0", "random-1", "random-2")
    )
    moved = [r for r in rows if r.treatment == "AnB" and not r.variant]
    means = [np.mean([r.best10 for r in moved if r.split == f"random-{k}"]) for k in range(3)]
    sample = Arms(rows, POOLED).sample(RANDOM_HALVES, "AnB", [1, 2])
    assert sorted(sample.values()) == pytest.approx(sorted(means))
    arms = Arms(rows, OWN)
    terms = [(w, arms.sample(RANDOM_HALVES, "AnB", [n])) for w, n in ((1.0, 2), (-1.0, 1))]
    at = {n: [r.best10 for r in moved if r.n == n] for n in (1, 2)}
    differences = [b - a for a, b in zip(at[1], at[2], strict=True)]
    found = arms.contrast(terms)
    assert (found.freedom, found.error) == (2, pytest.approx(stats.sem(differences)))


def test_one_network_has_the_spread_of_the_papers_eight_halves():
    assert (over([0.5]).error, over([0.5]).freedom) == (0.0055, 7)
    found = Arms(ROWS, POOLED).contrast([(1.0, {("a",): 0.5}), (-1.0, {("b",): 0.25})])
    assert found.mean == 0.25
    assert found.error == pytest.approx(0.0055 * np.sqrt(2))
    assert found.freedom == pytest.approx(14)
    nothing = Arms(ROWS, POOLED).contrast([(1.0, {("a",): 0.5, ("b",): 0.5})])
    assert (nothing.error, nothing.freedom) == (0.0, 1.0)


def test_an_estimate_is_told_in_points():
    assert str(Estimate(0.0123, 0.001, 9)) == "+1.23±0.23"
    assert str(Estimate(-0.0123, 0.001, 9)) == "-1.23±0.23"


def test_a_slope_is_that_of_linear_regression():
    xs, ys = [1.0, 2.0, 4.0, 7.0], [0.3, 0.1, 0.5, 0.2]
    found, told = slope(list(zip(xs, ys, strict=True))), stats.linregress(xs, ys)
    assert found.mean == pytest.approx(told.slope)
    assert found.error == pytest.approx(told.stderr)
    assert found.freedom == 2
    three = slope([(1.0, 0.0), (2.0, 0.5), (3.0, 0.4)])
    assert three is not None and three.freedom == 1
    assert slope([(1.0, 0.0), (2.0, 0.5)]) is None
    assert slope([(1.0, 0.0), (1.0, 0.5), (1.0, 0.7)]) is None


@pytest.mark.parametrize(
    ("split", "family"),
    [("random-12", RANDOM_HALVES), ("random-", DISTANT), ("random-1x", DISTANT),
     ("my-random-1", DISTANT), ("whole", WHOLE), ("man-natural", DISTANT)],
)  # fmt: skip
def test_the_family_of_a_split(split, family):
    assert family_of(split) == family


# With 9 degrees of freedom an interval reaches 2.262 errors to both sides, 1.833 to one.
@pytest.mark.parametrize(
    ("mean", "error", "signs", "verdict"),
    [
        (0.0020, 0.001, (), HOLDS),  # above 1.833 errors, not above 2.262
        (0.0018, 0.001, (), FAILS),  # and surely below half a point
        (0.0027, 0.001, (), HOLDS),
        (0.0180, 0.010, (), UNDECIDED),
        (0.0020, 0.001, (0.1, 0.2), HOLDS),
        (0.0020, 0.001, (0.1, 0.0, -0.1), UNDECIDED),
        (-0.020, 0.010, (), FAILS),  # -0.02 + 0.0226 is below half a point
        (-0.017, 0.010, (), UNDECIDED),  # -0.017 + 0.0226 is not
    ],
)
def test_when_a_difference_is_above_nothing(mean, error, signs, verdict):
    assert above(Estimate(mean, error, 9), signs).verdict == verdict


def test_cuts_of_the_wrong_sign_are_counted():
    found = above(Estimate(0.0020, 0.001, 9), (0.1, 0.0, -0.1))
    assert found.evidence == "+0.20±0.23, but not at 2 of 3 cuts"
    assert above(Estimate(0.0020, 0.001, 9), (0.1,)).evidence == "+0.20±0.23"
    assert above(Estimate(-0.020, 0.001, 9)).evidence == "-2.00±0.23"


@pytest.mark.parametrize(
    ("mean", "error", "verdict"),
    [
        (0.005, 0.0001, HOLDS),
        (-0.005, 0.0001, HOLDS),
        (0.0051, 0.002, FAILS),
        (-0.0051, 0.002, FAILS),
        (0.0051, 0.003, UNDECIDED),  # 2.262 errors are 0.0068
        (-0.0051, 0.003, UNDECIDED),
    ],
)
def test_when_two_things_are_the_same(mean, error, verdict):
    found = same(Estimate(mean, error, 9))
    assert (found.verdict, found.evidence) == (verdict, str(Estimate(mean, error, 9)))


def test_an_interval_that_just_reaches_nothing_does_not_exclude_it():
    reach = Estimate(0.0, 0.003, 9).bound()
    assert same(Estimate(reach, 0.003, 9)).verdict == UNDECIDED
    one_sided = Estimate(0.0, 0.003, 9).bound(sides=1)
    assert above(Estimate(one_sided, 0.003, 9)).verdict == UNDECIDED


def test_what_was_not_run_has_no_evidence():
    assert above(None) == same(None) == Verdict(NOT_RUN, "")


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((HOLDS, HOLDS), HOLDS),
        ((HOLDS, UNDECIDED), UNDECIDED),
        ((UNDECIDED, FAILS, HOLDS), FAILS),
        ((FAILS, NOT_RUN, HOLDS), NOT_RUN),
    ],
)
def test_a_claim_of_several_parts(parts, whole):
    found = every(*(Verdict(name, name[0] * (name != UNDECIDED)) for name in parts))
    told = "; ".join(name[0] for name in parts if name != UNDECIDED)
    assert found == Verdict(whole, told)
