"""Tables taken apart into groups, arms and places; what a mean counts, and its freedom."""

import numpy as np
import pytest
from scipy import stats

from transfer_jax.analysis.statistics.crossing import Arm, Cell, groups, of_targets
from transfer_jax.analysis.statistics.effects import ACCURACY, BOOST, GAIN, effects, ranges
from transfer_jax.analysis.statistics.sampling import Sampler
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

from .simulated import table

BASE, MOVED = Arm(Treatment.BASE, 0), Arm(Treatment.TRANSFER, 1)
NONE = {}.get
X, Y = "random-0", "random-1"


def row(arm, top1, *, split="x", seed=0, base="A", target="B", examples=0):
    place = (split, seed, arm.treatment.value, base, target, arm.n, False, arm.variant, examples)
    return ResultRow(*place, top1, None, 0.0, 0.0, 1, 0)


def test_a_group_lists_its_arms_in_the_papers_order():
    order = [
        BASE,
        Arm(Treatment.SELFFER, 1),
        Arm(Treatment.SELFFER, 2),
        MOVED,
        Arm(Treatment.RANDOM, 1),
        Arm(Treatment.TRANSFER, 1, "head"),
    ]
    rows = [row(arm, 0.5, seed=s, split=x) for arm in order[::-1] for s in (1, 0) for x in "yx"]
    first, second = groups(rows)
    assert (first.name, first.splits, second.name) == ("y", ["y"], "x")
    assert first.arms == order and first.base == BASE
    assert first.places == [Cell("y", 0, "B"), Cell("y", 1, "B")]
    assert first.cuts(Treatment.SELFFER) == [1, 2]
    assert first.cuts(Treatment.TRANSFER, "head") == [1]
    assert first.curves() == [
        (Treatment.BASE, ""),
        (Treatment.SELFFER, ""),
        (Treatment.TRANSFER, ""),
        (Treatment.RANDOM, ""),
        (Treatment.TRANSFER, "head"),
    ]
    assert groups([row(MOVED, 0.5)])[0].base is None


def test_a_place_has_the_mean_over_base_tasks():
    rows = [row(MOVED, 0.5, base="A"), row(MOVED, 0.8, base="C"), row(BASE, 0.1, seed=3)]
    (group,) = groups(rows)
    assert group.top1(MOVED, Cell("x", 0, "B")) == pytest.approx(0.65)
    assert np.isnan(group.top1(MOVED, Cell("x", 3, "B")))


def test_random_halves_and_numbers_of_examples_make_groups():
    rows = [
        row(MOVED, 0.5, split=split, examples=k)
        for k in (0, 7) for split in ("random-1", "man", "random-0")
    ]  # fmt: skip
    assert [(g.name, g.examples, g.splits) for g in groups(rows)] == [
        ("random halves", 0, ["random-0", "random-1"]),
        ("man", 0, ["man"]),
        ("random halves, first 7", 7, ["random-0", "random-1"]),
        ("man, first 7", 7, ["man"]),
    ]


def test_of_a_target_only_what_it_has_is_left():
    rows = [row(MOVED, 0.5), row(BASE, 0.4, target="A"), row(BASE, 0.3)]
    (group,) = groups(rows)
    only = of_targets(group, "A")
    assert (only.name, only.examples, only.arms) == ("x", 0, [BASE])
    assert only.top1(BASE, Cell("x", 0, "A")) == 0.4


def estimate(rows):
    (group,) = groups(rows)
    return Sampler(group, NONE).sample([{MOVED: 1.0, BASE: -1.0}, {MOVED: 1.0}])


def first_spread(found):
    """The standard error of units and images together, and its degrees of freedom."""
    return found.estimates[0].spreads[0]


def test_in_a_mean_splits_count_alike_then_seeds_then_targets():
    """X has two seeds, of which one has two targets; Y has one seed."""
    moved = {(X, 0, "A"): 0.1, (X, 0, "B"): 0.3, (X, 1, "A"): 0.6, (Y, 0, "A"): 0.8}
    rows = [row(MOVED, v, split=s, seed=k, target=t) for (s, k, t), v in moved.items()]
    rows += [row(BASE, 0.0, split=s, seed=k, target=t) for s, k, t in moved]
    found = estimate(rows)
    assert [e.mean for e in found.estimates] == pytest.approx([((0.2 + 0.6) / 2 + 0.8) / 2] * 2)
    assert found.values[0] == pytest.approx((0.2, 0.6, 0.8))
    assert [e.units for e in found.estimates] == [3, 3]
    assert not found.examples


def test_a_contrast_counts_only_places_where_all_its_arms_were_run():
    rows = [row(MOVED, 0.1 * s, seed=s) for s in range(4)]
    rows += [row(BASE, 0.0, seed=s) for s in range(3)]
    found = estimate(rows)
    assert [e.mean for e in found.estimates] == pytest.approx([0.1, 0.15])
    assert [e.units for e in found.estimates] == [3, 4]
    nothing = estimate([row(MOVED, 0.1, seed=0), row(BASE, 0.0, seed=1)])
    assert np.isnan(nothing.estimates[0].mean) and not nothing.estimates[0].spreads
    assert (nothing.estimates[0].units, nothing.values[0]) == (0, ())


def test_the_error_of_seeds_is_that_of_a_mean():
    values = [0.1, 0.35, 0.3, 0.5]
    rows = [
        row(arm, v * (arm == MOVED), seed=s) for s, v in enumerate(values) for arm in (MOVED, BASE)
    ]
    found = estimate(rows)
    assert first_spread(found).error == pytest.approx(stats.sem(values))
    assert first_spread(found).freedom == 3


def test_seeds_of_two_splits_have_satterthwaites_freedom():
    by_split = {X: [0.1, 0.5, 0.2], Y: [0.3, 0.35]}
    rows = [
        row(arm, v * (arm == MOVED), split=split, seed=s)
        for split, values in by_split.items() for s, v in enumerate(values) for arm in (MOVED, BASE)
    ]  # fmt: skip
    found = estimate(rows)
    parts = [(np.var(v, ddof=1) / len(v) / 4, len(v) - 1) for v in by_split.values()]
    total = sum(part for part, _ in parts)
    assert first_spread(found).error == pytest.approx(np.sqrt(total))
    assert first_spread(found).freedom == pytest.approx(total**2 / sum(p**2 / f for p, f in parts))
    alike = [
        row(arm, 0.5, split=s, seed=k) for s in (X, Y) for k in range(3) for arm in (MOVED, BASE)
    ]
    assert [e.spreads[0].freedom for e in estimate(alike).estimates] == [4, 4]


def test_one_seed_of_one_of_two_splits_has_no_error():
    rows = [row(MOVED, 0.1 * s, split=X, seed=s) for s in range(3)] + [row(MOVED, 0.2, split=Y)]
    rows += [row(BASE, 0.0, split=r.split, seed=r.seed) for r in rows]
    assert not any(e.spreads for e in estimate(rows).estimates)


def test_three_splits_are_the_units_whatever_seeds_they_have():
    by_split = {"random-0": [0.1, 0.5], "random-1": [0.2], "random-2": [0.7, 0.8, 0.9]}
    rows = [
        row(arm, v * (arm == MOVED), split=split, seed=s)
        for split, values in by_split.items() for s, v in enumerate(values) for arm in (MOVED, BASE)
    ]  # fmt: skip
    found = estimate(rows)
    means = [np.mean(values) for values in by_split.values()]
    assert found.estimates[0].mean == pytest.approx(np.mean(means))
    assert first_spread(found).error == pytest.approx(stats.sem(means))
    assert (first_spread(found).freedom, found.estimates[0].units) == (2, 3)


@pytest.mark.parametrize("contrast", [{MOVED: 1.0}, {MOVED: 1.0, BASE: -1.0}], ids=len)
@pytest.mark.parametrize("seeds", [2, 3])
def test_images_count_with_what_seeds_have_in_common(seeds, contrast):
    """Every network of a seed sees all images; an analysis of variance, written out."""
    random, count = np.random.default_rng(seeds), 400
    common = random.normal(0, 1, count)
    matrix, rows, tests = np.zeros((seeds, count)), [], {}
    for seed in range(seeds):
        for arm, weight in contrast.items():
            # The arms differ in level, and in how they find an image.
            score = common * (2 * arm.n - 1) + random.normal(0, 1, count) + 1.5 * (arm == BASE)
            right = (score > 0.3).astype(np.float32)
            matrix[seed] += weight * right
            rows.append(row(arm, float(right.mean()), seed=seed))
            tests[rows[-1]] = (np.arange(count), right)
    (group,) = groups(rows)
    found = Sampler(group, tests.get).sample([contrast])
    units = matrix.mean(axis=1).var(ddof=1) / seeds
    centred = matrix - matrix.mean(axis=1, keepdims=True)
    own = np.square(centred - centred.mean(axis=0)).sum() / (seeds - 1) / seeds / count**2
    shared = np.square(centred.mean(axis=0)).sum() / count**2 - own
    assert shared > 0 and found.examples
    assert first_spread(found).error == pytest.approx(np.sqrt(units + shared))
    freedom = (units + shared) ** 2 / (units**2 / (seeds - 1))
    assert first_spread(found).freedom == pytest.approx(freedom, rel=1e-3)


def test_a_contrast_of_fewer_places_has_images_too():
    """Seed 2 has no base network: what is left is as if it had not been run."""
    random, rows, tests = np.random.default_rng(4), [], {}
    easy = random.normal(0, 1, 300)
    for arm, seed in ((MOVED, 0), (MOVED, 1), (MOVED, 2), (BASE, 0), (BASE, 1)):
        right = (easy * (1 + arm.n) + random.normal(0, 1, 300) > 0.3).astype(np.float32)
        rows.append(row(arm, float(right.mean()), seed=seed))
        tests[rows[-1]] = (np.arange(300), right)
    contrast, whole = {MOVED: 1.0, BASE: -1.0}, {MOVED: 1.0}
    many, few = (
        first_spread(Sampler(groups(kept)[0], tests.get).sample([contrast, whole])).freedom
        for kept in (rows, [r for r in rows if r.seed < 2])
    )
    assert many == pytest.approx(few) and few > 1.0001


def test_a_test_that_was_not_kept_leaves_images_out():
    rows = [row(MOVED, 0.5 + 0.1 * s, seed=s) for s in range(3)]
    tests = {r: (np.arange(4), np.ones(4, np.float32)) for r in rows[1:]}
    (group,) = groups(rows)
    assert not Sampler(group, tests.get).sample([{MOVED: 1.0}]).examples


def test_names_of_what_was_estimated():
    (group,) = groups(table({}, layers=7, noise=0.0))
    found = effects(group, NONE)
    assert {e.group for e in found.effects} == {"distant"}
    assert [e.quantity.first_n for e in found.of(BOOST)] == [1, 2, 3, 4, 5, 6]
    assert [(e.quantity.first_n, e.quantity.last_n) for e in found.ranges(BOOST)] == [
        (1, 6),
        (3, 6),
        (5, 6),
    ]
    assert [(e.quantity.treatment, e.quantity.first_n) for e in found.ranges(GAIN)] == [
        (Treatment.TRANSFER_PLUS, n) for n in (1, 3, 5)
    ]
    # Six seeds of two digits: what rounding leaves open, with Student's factor.
    assert found.of(GAIN)[0].half_width == pytest.approx(2.571 * 0.01 / 6, rel=1e-3)
    assert len(found.of(ACCURACY)) == 25
    assert ranges([2, 4]) == [(2, 4)] and ranges([5]) == [] and ranges([3, 6]) == [(3, 6)]
