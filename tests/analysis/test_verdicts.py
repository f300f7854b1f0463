"""When a claim holds, fails or stays open: by tables of what each cut shows."""

import numpy as np
import pytest

from transfer_jax.analysis.statistics.inference import ONE_UNIT, Estimate, Spread
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

MARGIN = 0.01


def of(mean, half):
    """With a 95% interval of that half; with 3 degrees of freedom it reaches 3.182 errors."""
    return Estimate(mean, (Spread(half / 3.18244630528371, 3.0),), 4)


UP, DOWN, NEAR, OPEN = of(0.03, 0.01), of(-0.03, 0.01), of(0.001, 0.002), of(0.01, 0.02)
FAINT_UP, FAINT_DOWN = of(0.02, 0.019), of(-0.02, 0.019)
ALONE = Estimate(0.5, (), 1)


@pytest.mark.parametrize(
    ("cuts", "verdict"),
    [
        ([UP], HOLDS),
        ([FAINT_UP, UP], HOLDS),  # each at 95%: an intersection-union test needs no more
        ([UP, OPEN], UNDECIDED),
        ([UP, DOWN], FAILS),
        ([UP, NEAR], FAILS),  # shown to be within the margin is shown not to be above by more
        ([FAINT_DOWN], FAILS),
        ([UP, FAINT_DOWN], UNDECIDED),  # one is picked of two: 95% is not enough
        ([UP, ALONE], UNDECIDED),
        ([UP, None], NOT_RUN),
        ([], NOT_RUN),
        # Above 0, though by less than the margin: above it is.
        ([of(0.004, 0.002)] * 2, HOLDS),
    ],
)
def test_when_something_is_above(cuts, verdict):
    assert above({f"n = {n}": cut for n, cut in enumerate(cuts)}, MARGIN).verdict == verdict


@pytest.mark.parametrize(
    ("cuts", "verdict"),
    [
        ([NEAR], HOLDS),
        ([NEAR, of(0.004, 0.002)], HOLDS),  # off 0, and shown to be within the margin
        ([NEAR, OPEN], UNDECIDED),
        ([of(0.0, 0.02)], UNDECIDED),  # a mean of 0 shows nothing
        ([NEAR, UP], FAILS),
        ([FAINT_UP], FAILS),
        ([NEAR, FAINT_UP], UNDECIDED),
        ([NEAR, ALONE], UNDECIDED),
        ([NEAR, None], NOT_RUN),
    ],
)
def test_when_things_are_the_same(cuts, verdict):
    assert same({f"n = {n}": cut for n, cut in enumerate(cuts)}, MARGIN).verdict == verdict


def test_the_reason_stands_with_the_cuts_that_it_is_of():
    found = above({"n = 1": UP, "n = 2": OPEN, "n = 3": OPEN, "n = 4": ALONE}, MARGIN)
    assert found.evidence == (
        "n = 1: +3.0±1.0, n = 2: +1.0±2.0, n = 3: +1.0±2.0, n = 4: +50.0; not shown to differ at "
        f"n = 2, 3; {ONE_UNIT} at n = 4"
    )
    assert above({"n = 1": UP, "n = 2": DOWN}, MARGIN).evidence.endswith("; below 0 at n = 2")
    assert above({"n = 1": UP, "n = 2": NEAR}, MARGIN).evidence.endswith(
        "; within a point of 0 at n = 2"
    )
    assert same({"": ALONE}, MARGIN).evidence == f"+50.0; {ONE_UNIT}"
    assert above({"": UP}, MARGIN) == Verdict(HOLDS, "+3.0±1.0")
    assert above({"": UP}, MARGIN, "BnB − base").evidence == "BnB − base: +3.0±1.0"
    assert same({"n = 1": NEAR}, MARGIN, "BnB − base").evidence == "BnB − base, n = 1: +0.1±0.2"
    nothing = Estimate(float("nan"), (), 0)
    assert above({"": nothing}, MARGIN, "BnB − base").evidence == nothing.lacks
    assert above({"": nothing}, MARGIN).evidence == nothing.lacks
    assert above({"a layer": of(0.0012, 0.001)}, MARGIN, digits=2).evidence == "a layer: +0.12±0.10"


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


def test_a_cut_that_fails_is_picked_of_the_cuts_of_all_parts():
    faint = above({"": FAINT_DOWN}, MARGIN)
    assert faint.verdict == every(faint).verdict == FAILS
    assert every(faint, above({"": UP}, MARGIN)).verdict == UNDECIDED
    # As a claim about several kinds of split, each of which has parts of its own.
    assert every(every(faint), every(above({"": UP}, MARGIN))).verdict == UNDECIDED
    assert every(above({"": DOWN}, MARGIN), same({"": NEAR}, MARGIN)).verdict == FAILS
    told = every(faint, above({"": UP}, MARGIN)).evidence
    assert told == "-2.0±1.9; below 0; +3.0±1.0"


@pytest.mark.parametrize("nested", [False, True])
def test_a_claim_of_three_parts_that_is_true_fails_in_five_per_cent_at_most(nested):
    """Differences are 0 as is claimed; of 2000 tables 5%, give or take 1.5. By parts it is 14%."""
    random, failed = np.random.default_rng(0), 0
    for means in random.standard_normal((2000, 3)):
        parts = [same({"": Estimate(m, (Spread(1.0, 1e9),), 4)}, 0.0) for m in means]
        whole = every(every(*parts[:2]), parts[2]) if nested else every(*parts)
        failed += whole.verdict == FAILS
    assert 0.035 <= failed / 2000 <= 0.065
