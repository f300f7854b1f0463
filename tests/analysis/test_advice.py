"""Advice on one group of networks whose right answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from transfer_jax.analysis.statistics.advice import Judged, advise_group
from transfer_jax.analysis.statistics.crossing import groups
from transfer_jax.folder.results import ResultRow

from .simulated import table, with_scratch

HALVES = ("random-0", "random-1", "random-2", "random-3")
FREE_TO_TWO = {"AnB": lambda n: 0.0 if n <= 2 else -0.05 * (n - 2)}
TUNED_GAINS = {"AnB": lambda n: -0.04 * n, "AnB+": lambda n: 0.05 if n == 3 else 0.01}
HARMFUL = {"AnB": lambda n: -0.05 * n, "AnB+": lambda n: -0.03 * n}
HELPFUL = {"AnB": lambda n: 0.1 if n == 3 else 0.02}


def asked(rows, margin=0.01):
    (group,) = groups(rows)
    return advise_group(Judged(group, {}.get), margin=margin)


def advice(gains, margin=0.01, **options):
    return asked(table(gains, **options), margin)


@pytest.mark.parametrize(
    ("gains", "choice", "words"),
    [
        (FREE_TO_TWO, ("frozen", 2), "transfer the first 2 layers and freeze them"),
        (TUNED_GAINS, ("tuned", 3), "first 3 layers and fine-tune everything"),
        (HARMFUL, "scratch", "train from scratch"),
        (HELPFUL, ("frozen", 3), "transfer the first 3 layers and freeze them"),
    ],
    ids=["free up to two", "tuned gains", "harmful", "frozen gains"],
)
@pytest.mark.parametrize("splits", [("distant",), HALVES])
def test_where_the_answer_is_clear_it_is_given(gains, choice, words, splits):
    found = advice(gains, splits=splits)
    assert found.decided and found.choice == choice
    assert words in found.verdict.lower()
    assert "within a point of the best of 9 ways" in found.reasons[0]
    assert choice in found.not_excluded


def test_the_gain_stands_with_an_interval_that_holds_it():
    found = advice(TUNED_GAINS)
    assert found.gain == pytest.approx(0.05, abs=0.003)
    assert found.interval is not None
    low, high = found.interval
    assert low < 0.05 < high and (low + high) / 2 == pytest.approx(found.gain)
    half = 100 * (high - low) / 2
    assert found.gain is not None
    assert f"({100 * found.gain:+.1f}±{half:.1f} points against scratch" in found.verdict


def test_of_scratch_itself_the_gain_is_nothing():
    found = advice(HARMFUL)
    assert (found.gain, found.interval) == (0.0, (0.0, 0.0))


def test_noise_leaves_it_undecided_and_says_what_is_not_excluded():
    found = advice({"AnB": lambda n: -0.002 * n}, seeds=3, noise=0.03)
    assert found.choice is None and found.verdict.startswith("Undecided. Highest so far: ")
    assert (found.gain, found.interval, found.decided) == (None, None, False)
    assert "scratch" in found.not_excluded and len(found.not_excluded) == 9
    assert "Not excluded: train from scratch" in found.reasons[0]
    assert "±" in found.verdict
    assert "More seeds" in found.reasons[-1]


def test_one_seed_is_undecided_and_says_why():
    found = advice(FREE_TO_TWO, seeds=1)
    assert found.choice is None and "one seed shows no spread" in found.verdict
    assert "two seeds" in found.reasons[0] and "±" not in str(found)


def test_of_one_seed_scratch_may_be_the_highest():
    found = advice(HARMFUL, seeds=1)
    assert found.verdict.endswith("Highest so far: train from scratch.")


@pytest.mark.parametrize("treatments", [("BnB", "BnB+"), ("random",)])
def test_without_transfer_there_is_no_advice(treatments):
    found = advice({}, treatments=treatments)
    assert found.verdict == "No advice: transferred networks are missing."


def test_without_base_networks_there_is_no_advice():
    found = asked([row for row in table(FREE_TO_TWO) if row.treatment != "base"])
    assert found.verdict == "No advice: base networks are missing."


def test_few_examples_may_have_another_answer():
    """With all images nothing is gained; with ten a class, fine-tuned transfer is."""
    gains = {"AnB": lambda n: -0.05 * n}
    few = {**gains, "AnB+": lambda n: 0.02 * n}
    rows = [r for r in table(gains, examples=(None, 10)) if not r.examples]
    rows += [r for r in table(few, examples=(None, 10)) if r.examples]
    found = {g.examples: advise_group(Judged(g, {}.get)).choice for g in groups(rows)}
    assert found == {0: "scratch", 10: ("tuned", 4)}


def test_what_is_within_the_margin_is_as_good():
    gains = {"AnB": lambda n: -0.01 if n == 3 else -0.05 * (n > 3)}
    for margin, n in ((0.011, 3), (0.009, 2)):
        found = advice(gains, margin, noise=1e-5)
        assert found.choice == ("frozen", n) and found.margin == margin
        assert f"The margin is {100 * margin:g} points, as asked for." in found.reasons


def test_the_margin_is_a_tenth_of_the_error_where_that_is_less():
    """At 99% a loss of half a point is half of what could be lost."""
    rows = [
        replace(row, top1=0.99 - 0.005 * (row.treatment == "AnB") + 1e-5 * row.seed)
        for row in table({}, noise=0.0)
    ]
    found = asked(rows, margin=0.0)
    assert found.margin == pytest.approx(0.001, rel=0.01) and found.choice == "scratch"
    assert any("a tenth of the error of training from scratch" in line for line in found.reasons)
    assert asked(rows, margin=0.01).choice == ("frozen", 4)


def test_of_ways_that_are_alike_the_one_that_trains_fewest_layers_is_taken():
    """Fine-tuning trains all layers, as does scratch, which comes before it."""
    found = asked([row for row in table({}, noise=0.0) if row.treatment != "AnB"])
    assert found.choice == "scratch"
    assert found.reasons[1] == (
        "As good: transfer the first layer and fine-tune everything, transfer the first 2 layers "
        "and fine-tune everything, transfer the first 3 layers and fine-tune everything, transfer "
        "the first 4 layers and fine-tune everything."
    )
    assert not any("Freezing" in reason for reason in found.reasons)


def test_freezing_costs_from_a_cut_on_only_if_so_at_every_later_one():
    """With a loss at n = 2 and 4 alone, these are listed."""
    steady = advice({"AnB": lambda n: -0.05 * (n >= 3)})
    assert any("cost accuracy from n = 3 on: -5." in line for line in steady.reasons)
    broken = advice({"AnB": lambda n: -0.05 * (n in (2, 4))})
    (line,) = [line for line in broken.reasons if "cost accuracy" in line]
    assert "at n = 2 (-" in line and ", 4 (-" in line and "on:" not in line


def test_a_choice_by_validation_images_is_told_by_test_images():
    """On validation images two layers may be frozen; on test images that costs three points."""
    (test,) = groups(table({"AnB": lambda n: -0.03 * (n >= 2)}, noise=0.0))
    (validation,) = groups(table(FREE_TO_TWO, noise=0.0))
    found = advise_group(Judged(test, {}.get), Judged(validation, {}.get))
    assert found.choice == ("frozen", 2) and found.gain == pytest.approx(-0.03)
    assert "-3.0±0.6 points against scratch" in found.verdict
    told = "Ways are compared on validation images; what they gain is told on test images."
    assert told in found.reasons


def test_the_advice_is_rarely_wrong_where_it_is_given():
    """Freezing two layers costs three points here: over many tables it is hardly ever chosen."""
    random = np.random.default_rng(0)
    rows = table({"AnB": lambda n: -0.03 * (n >= 2)}, seeds=4, splits=HALVES[:1])
    found = [
        asked([replace(row, top1=row.top1 + 0.01 * random.normal()) for row in rows]).choice
        for _ in range(12)
    ]
    assert sum(choice in {("frozen", n) for n in (2, 3, 4)} for choice in found) <= 2


# What fails.


def spoiled(rows, odd, **changes):
    """One network, which is the first for which `odd` holds, is another."""
    first = next(row for row in rows if odd(row))
    return [replace(row, **changes) if row == first else row for row in rows]


def is_tuned_three(row: ResultRow) -> bool:
    return (row.treatment, row.n) == ("AnB+", 3)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"top1": 0.1, "diverged": 40}, "diverged at step 40"),
        ({"top1": 0.1}, "failed: 10.0%"),
        ({"top1": float("nan"), "diverged": 7}, "diverged at step 7"),
    ],
)
def test_a_network_that_failed_is_named_and_its_way_left_out(changes, told):
    """The rest is decided as without that way."""
    rows = spoiled(table(TUNED_GAINS), is_tuned_three, **changes)
    found = asked(rows)
    without = asked([row for row in rows if not is_tuned_three(row)])
    assert found.choice == without.choice == ("tuned", 4)
    assert ("tuned", 3) not in found.not_excluded
    assert any(told in line and "fine-tune everything" in line for line in found.reasons)
    assert any(line.startswith("Left out of the comparison") for line in found.reasons)
    assert "seeds or splits would decide" not in found.reason


def test_at_a_half_a_network_of_two_classes_has_failed():
    """Chance is no less than half of what others have; but it is far below them."""
    rows = spoiled(table(TUNED_GAINS), is_tuned_three, top1=0.5)
    found = asked(rows)
    assert found.choice == ("tuned", 4) and "failed: 50.0%" in found.reason


def test_a_hard_split_has_not_failed():
    """All ways lose fifteen points there."""
    rows = [
        replace(row, top1=row.top1 - 0.15 * (row.split == HALVES[1]))
        for row in table(FREE_TO_TWO, splits=HALVES)
    ]
    found = asked(rows)
    assert "failed" not in found.reason and found.choice == ("frozen", 2)


def test_of_two_seeds_the_lower_one_has_failed():
    rows = spoiled(table(TUNED_GAINS, seeds=2), is_tuned_three, top1=0.3)
    assert asked(rows).reason.count("failed: 30.0%") == 1


def test_where_the_control_failed_its_place_is_left_out():
    rows = spoiled(table(FREE_TO_TWO), lambda row: row.treatment == "base", top1=0.1, diverged=3)
    found = asked(rows)
    assert found.choice == ("frozen", 2)
    assert "Not compared, since the control or most ways are not there: distant, seed 0" in (
        found.reason
    )


def test_a_way_that_lacks_a_network_is_left_out():
    rows = [row for row in table(FREE_TO_TWO) if not (is_tuned_three(row) and row.seed == 2)]
    found = asked(rows)
    assert found.choice == ("frozen", 2) and ("tuned", 3) not in found.not_excluded
    assert any("2 of its networks are missing" in line for line in found.reasons)


def test_a_seed_that_most_ways_lack_is_left_out():
    """As in a run that is not finished: base networks of all seeds, transfer of some."""
    rows = [row for row in table(FREE_TO_TWO) if row.treatment == "base" or row.seed < 4]
    found = asked(rows)
    assert found.choice == ("frozen", 2) and len(found.not_excluded) > 1
    assert "distant, seed 4, target A" in found.reason


def test_a_way_that_is_bad_in_all_networks_has_not_failed():
    found = advice({"AnB": lambda n: -0.6 * (n == 4)})
    assert "failed" not in found.reason and ("frozen", 4) not in found.not_excluded


# Targets.


def on_targets(a: float, b: float, noise=0.003) -> list[ResultRow]:
    """Frozen transfer gains another amount on each target."""
    gain = {"A": a, "B": b}
    return [
        replace(row, top1=row.top1 + gain[row.target] * (row.treatment == "AnB"))
        for row in table({"AnB+": lambda _: -0.2}, noise=noise)
    ]


def test_where_targets_disagree_the_sum_is_withheld():
    """Frozen loses four points on A and gains four on B: together nothing is lost."""
    found = asked(on_targets(-0.04, 0.04))
    assert found.choice is None and "they disagree" in found.verdict
    assert "Targets disagree." in found.reason
    assert [part.choice for part in found.parts] == ["scratch", ("frozen", 4)]
    assert [part.group for part in found.parts] == ["target A", "target B"]


def test_targets_that_noise_alone_sets_apart_do_not_disagree():
    found = asked(on_targets(-0.004, 0.004, noise=0.004))
    assert "disagree" not in found.verdict and len(found.parts) == 2
    assert found.decided


def test_halves_of_random_splits_are_not_asked_one_by_one():
    rows = [
        replace(row, top1=row.top1 + 0.04 * (row.treatment == "AnB") * (-1) ** (row.target == "A"))
        for row in table({}, splits=HALVES)
    ]
    assert asked(rows).parts == ()


# Controls.


def test_ways_are_compared_with_scratch_that_had_as_many_steps():
    """Tuned transfer gains two points over base, and loses one and a half to scratch."""
    rows = with_scratch(table({"AnB": lambda _: -0.1, "AnB+": lambda _: 0.02}), 0.035, noise=0.001)
    found = asked(rows)
    assert found.choice == "scratch"
    assert found.verdict.startswith(
        "Base networks are not converged: scratch with the whole budget gains +3.5±"
    )
    assert found.verdict.endswith("Train from scratch.")
    # It is said once: on a page, verdict and reasons stand together.
    assert str(found).count("not converged") == 1


@pytest.mark.parametrize("treatment", ["base", "scratch"])
def test_one_failed_network_does_not_hide_that_base_networks_are_not_converged(treatment):
    rows = with_scratch(table({"AnB": lambda _: -0.1, "AnB+": lambda _: 0.02}), 0.035, noise=0.001)
    rows = spoiled(rows, lambda row: row.treatment == treatment, top1=0.1, diverged=3)
    found = asked(rows)
    assert found.verdict.startswith(
        "Base networks are not converged: scratch with the whole budget gains"
    )
    assert "distant, seed 0, target A" in found.reason and "diverged at step 3" in found.reason
    assert f"{treatment} network diverged" in found.reason or treatment == "scratch"


def test_where_base_networks_are_converged_nothing_is_said_of_it():
    found = asked(with_scratch(table(FREE_TO_TWO), 0.0, noise=0.001))
    assert "converged" not in found.verdict and found.choice == ("frozen", 2)


def test_a_variant_is_a_way_too():
    rows = table({"AnB": lambda _: -0.2, "AnB+": lambda _: -0.1})
    rows += [
        replace(row, variant="lp-ft", top1=row.top1 + 0.15) for row in rows if is_tuned_three(row)
    ]
    found = asked(rows)
    assert found.choice == ("lp-ft", 3)
    assert "as lp-ft does" in found.verdict
