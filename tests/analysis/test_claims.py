"""Verdicts on the authors' own numbers are those that a careful reader gave; and on known truth."""

from dataclasses import replace

import numpy as np
import pytest

from transfer_jax.analysis.paper.claims import CLAIMS, judge
from transfer_jax.analysis.paper.original import original_counts, original_rows
from transfer_jax.analysis.statistics.contrasts import OWN, POOLED, Arms, over
from transfer_jax.analysis.statistics.verdicts import FAILS, HOLDS, NOT_RUN, UNDECIDED
from transfer_jax.folder.results import ResultRow, rows_of
from transfer_jax.grid.grid import base_conditions, columns, condition_grid

PAPER_ROWS = [
    row for e in ("random_split", "man_natural", "random_filters") for row in original_rows(e)
]


def verdicts(rows) -> dict[int, dict[str, str]]:
    return {
        claim.number: {mode: found.verdict for mode, found in by_mode.items()}
        for claim, by_mode in judge(rows)
    }


def test_the_authors_networks_pooled_as_they_did_hold_their_claims():
    found = verdicts(PAPER_ROWS)
    tested = [claim.number for claim in CLAIMS if POOLED in claim.modes and claim.number != 15]
    assert {number: found[number][POOLED] for number in tested} == dict.fromkeys(tested, HOLDS)
    assert verdicts(original_rows("reduced"))[15] == {POOLED: HOLDS}


def test_against_their_own_bases_three_of_them_do_not():
    found = verdicts(PAPER_ROWS)
    own = {number: by_mode[OWN] for number, by_mode in found.items() if OWN in by_mode}
    assert own == {
        2: HOLDS, 3: HOLDS, 4: HOLDS, 5: FAILS, 6: HOLDS, 7: UNDECIDED, 8: HOLDS, 9: FAILS,
        10: UNDECIDED, 11: HOLDS, 14: HOLDS,
    }  # fmt: skip


def test_the_paper_has_163_networks_and_seven_with_random_filters():
    names = ("random_split", "man_natural", "random_filters", "reduced")
    assert [original_counts(name).total() for name in names] == [134, 16, 8, 12]
    assert sum(original_counts(name).total() for name in names) - 7 == 163


def simulated(boost: float, noise: float = 0.001) -> list[ResultRow]:
    """Targets differ; BnB+ gains a point, AnB+ `boost` more."""
    generator = np.random.default_rng(0)
    grid = condition_grid(8, splits=[f"random-{k}" for k in range(4)])
    rows = []
    for column in [*columns(base_conditions(grid)), *columns(grid)]:
        level = 0.6 + 0.02 * (column.target == "B") + 0.005 * int(column.split[-1])
        values = []
        for condition in column.conditions:
            gain = {"BnB+": 0.01, "AnB+": 0.01 + boost}.get(condition.treatment, 0.0)
            values.append(level + gain + noise * generator.normal())
        rows += rows_of(column, values, values, [0] * len(values), 1)
    return rows


@pytest.mark.parametrize(
    ("boost", "verdict"), [(0.01, HOLDS), (0.0, FAILS), (-0.01, FAILS), (0.004, HOLDS)]
)
def test_a_crossed_grid_settles_whether_transfer_beats_training_on(boost, verdict):
    assert verdicts(simulated(boost))[9][OWN] == verdict


def test_noise_leaves_it_undecided():
    assert verdicts(simulated(0.003, noise=0.03))[9][OWN] == UNDECIDED


def test_targets_that_differ_mislead_pooled_means_when_arms_have_other_targets():
    rows = [
        row
        for row in simulated(0.0)
        if (row.treatment, row.target) not in {("BnB+", "B"), ("AnB+", "A")}
    ]
    assert verdicts(rows)[9] == {POOLED: HOLDS, OWN: FAILS}


def test_claims_about_cuts_that_were_not_run_are_not_run():
    rows = [row for row in simulated(0.0) if row.n not in (6, 7)]
    found = verdicts(rows)
    assert found[4] == {POOLED: NOT_RUN, OWN: NOT_RUN}
    assert found[6][OWN] == NOT_RUN and found[2][OWN] == HOLDS
    assert set(verdicts([]).values().__iter__().__next__().values()) == {NOT_RUN}


def test_variants_and_reduced_targets_are_left_out():
    rows = simulated(0.0)
    odd = [replace(row, variant="x", best10=0.0) for row in rows if row.variant == ""]
    odd += [replace(row, examples=10, best10=0.0) for row in rows]
    assert verdicts([*rows, *odd]) == verdicts(rows)


def test_pairs_take_out_what_targets_have_in_common():
    rows = simulated(0.0, noise=0.001)
    arms = {mode: Arms(tuple(rows), mode) for mode in (POOLED, OWN)}
    errors = {}
    for mode, own in arms.items():
        sample = own.sample("random halves", "AnB+", [4])
        estimate = own.contrast([(1.0, sample), *own.base("random halves")])
        assert estimate is not None and estimate.mean == pytest.approx(0.01, abs=0.002)
        errors[mode] = estimate.error
    assert errors[OWN] < errors[POOLED] / 5


def test_the_interval_of_a_mean_is_students():
    estimate = over([1.0, 2.0, 3.0])
    assert estimate.bound() == pytest.approx(2.484, abs=1e-3)
    assert estimate.bound(sides=1) == pytest.approx(1.686, abs=1e-3)
