"""Ways that are the same for every seed: intervals hold, the others' noise is not theirs."""

import numpy as np
import pytest
from scipy import stats

from transfer_jax.analysis.statistics import best
from transfer_jax.analysis.statistics.advice import Judged, advise_group
from transfer_jax.analysis.statistics.best import Ways, against_control, compare
from transfer_jax.analysis.statistics.choices import choice_of, cost_of
from transfer_jax.analysis.statistics.crossing import groups
from transfer_jax.analysis.statistics.failures import failures
from transfer_jax.analysis.statistics.noise import noise_of
from transfer_jax.analysis.statistics.sampling import Sampler
from transfer_jax.analysis.statistics.ways import contest

from .pretrained import ALL_LAYERS, SCRATCH, Noise, networks, probe, tuned

# Twelve heads that are solved, and five networks that are trained.
ARMS = [SCRATCH, *map(probe, range(1, 13)), tuned("freeze", 4), tuned("freeze", 8), tuned("full"),
        tuned("lp-ft")]  # fmt: skip
STILL = np.array([arm.variant == "probe" for arm in ARMS])
MARGIN, NOISE, BELOW = 0.01, 0.005, -0.0105
# Of so many tables a share of 5% is exceeded by three standard deviations at 9.6%.
TABLES, MOST = 200, 0.096
TEN = [SCRATCH, probe(3), probe(5), probe(7), tuned("freeze", 3), tuned("freeze", 5),
       tuned("freeze", 7), tuned("full"), tuned("lp-ft"), tuned("gradual")]  # fmt: skip


@pytest.fixture
def _few_draws(monkeypatch):
    monkeypatch.setattr(best, "SURE", 0.0)


def ways_of(table: np.ndarray, still: np.ndarray | None) -> Ways:
    """A row a seed, a column a way."""
    seeds, count = table.shape
    parts = (table - table.mean(axis=0)).T / np.sqrt(seeds * (seeds - 1))
    families = [(arm.treatment, arm.variant) for arm in ARMS]
    noise = noise_of(parts, seeds - 1.0, families, 1e-9, still)
    return Ways(table.mean(axis=0), parts, noise, np.zeros((count, count)))


def missed(best_of_all: str, seeds: int, shared: float) -> tuple[float, float, float]:
    """How often a choice is wrong, a bound of what is lost too low, an interval of a gain off."""
    truth = np.full(len(ARMS), BELOW)
    truth[{"full": -2, "probe": 5, "scratch": 0}[best_of_all]] = 0.0
    wrong = low = off = 0
    for number in range(TABLES):
        random = np.random.default_rng(number)
        noise = random.standard_normal((seeds, len(ARMS))) + shared * random.standard_normal(
            (seeds, 1)
        )
        ways = ways_of(truth + np.where(STILL, 0, NOISE * noise), STILL)
        found = compare(ways, MARGIN, draws=500, more=500, seed=number)
        sure = np.flatnonzero(found.may_be_chosen)
        wrong += bool(len(sure) and truth[min(sure, key=lambda i: cost_of(ARMS[i]))] < -MARGIN)
        low += bool((-truth > found.below + 1e-9).any())
        half = against_control(ways, draws=500, seed=number)
        off += bool((np.abs(ways.mean - ways.mean[0] - truth + truth[0]) > half + 1e-12).any())
    return wrong / TABLES, low / TABLES, off / TABLES


@pytest.mark.usefixtures("_few_draws")
@pytest.mark.parametrize("shared", [0.0, 3.0], ids=["alone", "seeds move all that is trained"])
@pytest.mark.parametrize("best_of_all", ["full", "probe", "scratch"])
def test_advice_and_intervals_hold_beside_ways_without_noise(best_of_all, shared):
    assert max(missed(best_of_all, 3, shared)) <= MOST


def test_what_has_no_noise_does_not_make_others_noise_less():
    """The same trained networks, with and without heads that are solved beside them."""
    random = np.random.default_rng(0)
    table = np.where(STILL, 0.6, 0.6 + NOISE * random.standard_normal((3, len(ARMS))))
    alone = table[:, ~STILL]
    parts = (alone - alone.mean(axis=0)).T / np.sqrt(6)
    families = [(arm.treatment, arm.variant) for arm in ARMS if arm.variant != "probe"]
    wanted = noise_of(parts, 2.0, families)
    noise = ways_of(table, STILL).noise
    assert noise.variance[~STILL] == pytest.approx(wanted.variance)
    assert noise.freedom == wanted.freedom
    assert noise.variance[STILL] == pytest.approx(1e-9)
    # Else they would count as seventeen measurements of a variance, of which five are some.
    assert ways_of(table, None).noise.freedom > 3 * wanted.freedom


def test_of_scratch_and_a_probe_the_interval_is_students():
    """Of one trained way beside one that is still, the difference is that of one sample."""
    lifts = np.array([-1.0, 0.0, 1.0]) * 0.002
    table = np.stack([0.5 + lifts, np.full(3, 0.6)], axis=1)
    parts = (table - table.mean(axis=0)).T / np.sqrt(6)
    noise = noise_of(parts, 2.0, ["scratch", "probe"], 0.0, np.array([False, True]))
    half = against_control(Ways(table.mean(axis=0), parts, noise, np.zeros((2, 2))))
    assert half[1] == pytest.approx(stats.t.ppf(0.975, 2) * 0.002 / np.sqrt(3), rel=0.04)


def test_what_seeds_do_to_all_that_is_trained_counts_beside_what_is_still():
    """It is no difference among the trained, and the whole one against a probe."""
    random = np.random.default_rng(0)
    noise = 0.001 * random.standard_normal((8, len(ARMS)))
    shared = 0.02 * random.standard_normal((8, 1))
    found = ways_of(np.where(STILL, 0.6, 0.6 + noise + shared), STILL).error
    trained = np.flatnonzero(~STILL)
    assert found[trained[0], trained[1]] < 0.001
    expected = shared.std(ddof=1) / np.sqrt(8)
    assert found[trained[0], 1] == pytest.approx(expected, rel=0.1)
    assert found[1, 2] < 1e-4


@pytest.mark.parametrize("noise", [Noise(), Noise(shared=0.2)], ids=["own", "shared"])
def test_a_probe_s_intervals_are_those_of_the_images(noise):
    """Its accuracy is a share of 400 images; its gain over another probe McNemar's."""
    rows, tests, _ = networks(np.random.default_rng(1), dict.fromkeys(TEN, 0.7), noise=noise)
    (group,) = groups(rows)
    sampler = Sampler(group, tests.get)
    level = sampler.estimate({probe(3): 1.0})
    gain = sampler.estimate({probe(3): 1.0, probe(5): -1.0})
    assert level is not None and gain is not None
    one, two = (tests[group.rows[probe(n)][group.places[0]][0]][1] for n in (3, 5))
    share = float(one.mean())
    normal = stats.norm.ppf(0.975)
    assert level.half_width() == pytest.approx(
        normal * np.sqrt(share * (1 - share) / 400), rel=0.02
    )
    assert gain.half_width() == pytest.approx(normal * (one - two).std() / np.sqrt(400), rel=0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("_few_draws")
@pytest.mark.parametrize("shared", [0.0, 0.1])
@pytest.mark.parametrize(("margin", "images"), [(0.06, 400), (0.02, 4000)])
@pytest.mark.parametrize("wins", [probe(5), tuned("full"), SCRATCH])
def test_whole_tables_are_judged_as_they_should(wins, margin, images, shared):
    """Three seeds, ten ways, images that all share: the best one wins by 1.05 of the margin."""
    truth = {arm: 0.85 - 1.05 * margin * (arm != wins) for arm in TEN}
    wrong = low = excluded = 0
    for number in range(100):
        rows, tests, _ = networks(
            np.random.default_rng(number), truth, images=images, noise=Noise(shared=shared)
        )
        (group,) = groups(rows)
        entered = contest(group)
        ways = entered.ways(entered.group, tests.get)
        assert ways is not None
        found = compare(ways[0], margin, draws=500, more=500, seed=number)
        sure = [entered.arms[i] for i in np.flatnonzero(found.may_be_chosen)]
        wrong += bool(sure) and min(sure, key=cost_of) != wins
        at = entered.arms.index(wins)
        excluded += bool(found.excluded[at])
        low += any(1.05 * margin > below + 1e-9 for i, below in enumerate(found.below) if i != at)
    assert max(wrong, low, excluded) <= 11  # Of 5%, and three standard deviations.


def test_a_network_is_not_lost_for_what_probes_do_not_vary():
    """Nine of ten ways are probes; full fine-tuning varies by twelve points from seed to seed."""
    rows, _, _ = networks(
        np.random.default_rng(0), dict.fromkeys([SCRATCH, *map(probe, range(1, 10))], 0.6)
    )
    own, _, _ = networks(np.random.default_rng(0), {tuned("full"): 0.6, tuned("lp-ft"): 0.6})
    moved = [
        row.__class__(**{**row.__dict__, "top1": 0.6 + shift})
        for row, shift in zip(own, (0.12, 0.0, -0.05, 0.06, -0.12, 0.0), strict=True)
    ]
    (group,) = groups([*rows, *moved])
    assert failures(group, group.arms) == {}


def test_with_two_seeds_that_agree_a_trained_way_is_not_taken_for_still():
    """By luck of rounding full fine-tuning has one accuracy; it is pooled as before."""
    truth = {SCRATCH: 0.5, probe(5): 0.6, tuned("full"): 0.6}
    rows, tests, _ = networks(np.random.default_rng(0), truth, seeds=2)
    first = next(row for row in rows if row.variant == "full")
    agreed = [
        row.__class__(**{**row.__dict__, "top1": first.top1}) if row.variant == "full" else row
        for row in rows
    ]
    (group,) = groups(agreed)
    entered = contest(group)
    ways = entered.ways(entered.group, lambda _: None)
    assert ways is not None
    at = {choice_of(arm): i for i, arm in enumerate(entered.arms)}
    noise = ways[0].noise
    assert noise.still.tolist() == [arm.variant == "probe" for arm in entered.arms]
    assert noise.variance[at["full"]] > 1e-6
    told = advise_group(Judged(group, tests.get), margin=0.01)
    assert told.taken is not None


def test_a_head_on_all_layers_is_still_as_a_probe_is():
    rows, tests, _ = networks(
        np.random.default_rng(0), {SCRATCH: 0.5, ALL_LAYERS: 0.6, tuned("full"): 0.6}
    )
    (group,) = groups(rows)
    entered = contest(group)
    ways = entered.ways(entered.group, tests.get)
    assert ways is not None
    assert ways[0].noise.still.tolist() == [arm == ALL_LAYERS for arm in entered.arms]


def test_where_all_ways_are_solved_nothing_is_noise_but_rounding():
    table = np.tile([0.5, 0.6, 0.7], (3, 1))
    parts = np.zeros((3, 3))
    noise = noise_of(parts, 2.0, ["probe"] * 3, 1e-9, np.ones(3, bool))
    assert noise.variance.tolist() == [1e-9] * 3 and noise.common == 0
    found = compare(Ways(table.mean(axis=0), parts, noise, np.zeros((3, 3))), MARGIN, draws=500)
    assert found.may_be_chosen.tolist() == [False, False, True]
