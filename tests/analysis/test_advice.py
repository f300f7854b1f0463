"""Advice on tables whose right answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from transfer_jax.analysis.statistics.advice import Advice, advise
from transfer_jax.analysis.statistics.crossing import Arm, groups
from transfer_jax.analysis.statistics.effects import effects
from transfer_jax.grid.conditions import Treatment

from .simulated import table

FREE_TO_TWO = {"AnB": lambda n: 0.0 if n <= 2 else -0.05 * (n - 2)}
TUNED_GAINS = {"AnB": lambda n: -0.04 * n, "AnB+": lambda n: 0.05 if n == 3 else 0.01}
HARMFUL = {"AnB": lambda n: -0.05 * n, "AnB+": lambda n: -0.03 * n}
HELPFUL = {"AnB": lambda n: 0.1 if n == 3 else 0.02}


def advice(gains, **options):
    (group,) = groups(table(gains, **options))
    return advise(effects(group, {}.get))


@pytest.mark.parametrize(
    ("gains", "arm", "words"),
    [
        (FREE_TO_TWO, Arm(Treatment.TRANSFER, 2), "transfer the first 2 layers and freeze them"),
        (TUNED_GAINS, Arm(Treatment.TRANSFER_PLUS, 3), "first 3 layers and fine-tune everything"),
        (HARMFUL, Arm(Treatment.BASE, 0), "train from scratch"),
        (HELPFUL, Arm(Treatment.TRANSFER, 3), "transfer the first 3 layers and freeze them"),
    ],
    ids=["free up to two", "tuned gains", "harmful", "frozen gains"],
)
@pytest.mark.parametrize("splits", [("distant",), ("random-0", "random-1", "random-2", "random-3")])
def test_where_the_answer_is_clear_it_is_given(gains, arm, words, splits):
    found = advice(gains, splits=splits)
    assert found.choice is not None and found.choice.arm == arm
    assert words in found.verdict.lower()
    assert found.choice.chance >= 0.95 and "%" in found.reasons[0]


def test_noise_leaves_it_undecided_and_says_what_is_not_excluded():
    found = advice({"AnB": lambda n: -0.002 * n}, seeds=3, noise=0.03)
    assert found.choice is None and found.verdict.startswith("Undecided")
    assert "not excluded are" in found.reasons[0]
    assert "More seeds" in found.reasons[-1]


def test_one_seed_is_undecided_and_says_why():
    found = advice(FREE_TO_TWO, seeds=1)
    assert found.choice is None and "one seed shows no spread" in found.verdict
    assert "two seeds" in found.reasons[0]
    assert "flattered" in found.reasons[1]


def test_of_one_seed_scratch_may_be_the_highest():
    found = advice(HARMFUL, seeds=1)
    assert found.verdict.endswith("Highest so far: train from scratch.")


@pytest.mark.parametrize(
    ("treatments", "missing"), [(("BnB", "BnB+"), "transferred"), (("random",), "transferred")]
)
def test_without_transfer_there_is_no_advice(treatments, missing):
    found = advice({}, treatments=treatments)
    assert found.verdict == f"No advice: {missing} networks are missing."


def test_without_base_networks_there_is_no_advice():
    rows = [row for row in table(FREE_TO_TWO) if row.treatment != "base"]
    (group,) = groups(rows)
    assert advise(effects(group, {}.get)).verdict == "No advice: base networks are missing."


def test_few_examples_may_have_another_answer():
    """With all images nothing is gained; with ten a class, fine-tuned transfer is."""
    gains = {"AnB": lambda n: -0.05 * n}
    few = {**gains, "AnB+": lambda n: 0.02 * n}
    rows = [r for r in table(gains, examples=(None, 10)) if not r.examples]
    rows += [r for r in table(few, examples=(None, 10)) if r.examples]
    found = {g.examples: advise(effects(g, {}.get)) for g in groups(rows)}
    assert found[0].choice is not None and found[0].choice.arm == Arm(Treatment.BASE, 0)
    assert found[10].choice is not None
    assert found[10].choice.arm == Arm(Treatment.TRANSFER_PLUS, 4)


def test_the_advice_is_rarely_wrong_where_it_is_given():
    """Freezing two layers costs three points here: over many tables it is hardly ever chosen."""
    random = np.random.default_rng(0)
    found: list[Advice] = []
    for _ in range(60):
        rows = [
            row.__class__(**{**vars(row), "top1": row.top1 + 0.01 * random.normal()})
            for row in table({"AnB": lambda n: -0.03 * (n >= 2)}, seeds=4)
        ]
        (group,) = groups(rows)
        found.append(advise(effects(group, {}.get, replicates=500)))
    wrong = [
        a for a in found
        if a.choice and a.choice.arm.treatment == Treatment.TRANSFER and a.choice.arm.n >= 2
    ]  # fmt: skip
    assert len(wrong) <= 3


def test_many_ways_in_much_noise_are_undecided():
    """Of 39 ways none is within a point of the best in one replicate of twenty."""
    found = advice({}, layers=20, seeds=3, noise=0.2)
    assert found.choice is None and found.verdict.startswith("Undecided. Most probable:")


def test_cuts_without_a_base_network_of_their_own_are_left_out():
    """As in a run that is not finished: base networks of one seed, transfer of another."""
    rows = table(FREE_TO_TWO, seeds=4)
    late = [row for row in rows if (row.treatment, row.n) == ("AnB", 4)]
    rows = [r for r in rows if r not in late] + [r for r in late if r.seed == 3]
    rows = [r for r in rows if (r.treatment, r.seed) != ("base", 3)]
    (group,) = groups(rows)
    found = advise(effects(group, {}.get))
    assert found.choice is not None and found.choice.arm == Arm(Treatment.TRANSFER, 2)
    assert Arm(Treatment.TRANSFER, 4) not in {option.arm for option in found.options}


ON_TEST = (
    "There are no validation images, so ways are compared on the test images themselves: the gain "
    "of the best is flattered."
)
SURE = "Within a point of the best of 9 ways in 100.0% of the replicates."
NO_GAIN = "Fine-tuned transfer is not shown to gain or lose: +0.0±0.0 points, mean of n = 1 to 4."


@pytest.mark.parametrize(
    ("gains", "verdict", "reasons"),
    [
        (
            FREE_TO_TWO,
            "Transfer the first 2 layers and freeze them (+0.0±0.0 points against scratch).",
            (
                SURE,
                "As good: train from scratch, transfer the first layer and freeze them, transfer "
                "the first layer and fine-tune everything, transfer the first 2 layers and "
                "fine-tune everything and 2 more; they train more layers.",
                ON_TEST,
                "Freezing is shown to cost accuracy from n = 3 on: -5.0±0.0 points there (all "
                "cuts tested together).",
                NO_GAIN,
            ),
        ),
        (
            TUNED_GAINS,
            "Transfer the first 3 layers and fine-tune everything (+5.0±0.0 points against "
            "scratch).",
            (
                SURE,
                ON_TEST,
                "Freezing is shown to cost accuracy from n = 1 on: -4.0±0.0 points there (all "
                "cuts tested together).",
                "Fine-tuned transfer gains accuracy: +2.0±0.0 points, mean of n = 1 to 4.",
            ),
        ),
        (
            HARMFUL,
            "Train from scratch.",
            (
                SURE,
                ON_TEST,
                "Freezing is shown to cost accuracy from n = 1 on: -5.0±0.0 points there (all "
                "cuts tested together).",
                "Fine-tuned transfer loses accuracy: -7.5±0.0 points, mean of n = 1 to 4.",
            ),
        ),
        (
            HELPFUL,
            "Transfer the first 3 layers and freeze them (+10.0±0.0 points against scratch).",
            (SURE, ON_TEST, "Freezing is not shown to cost accuracy at any n.", NO_GAIN),
        ),
    ],
    ids=["free up to two", "tuned gains", "harmful", "frozen gains"],
)
def test_without_noise_every_word_follows_from_the_gains(gains, verdict, reasons):
    found = advice(gains, noise=0.0)
    assert (found.verdict, found.reasons, found.group) == (verdict, reasons, "distant")
    by_arm = {option.arm: option.gain for option in found.options}
    for arm, gain in by_arm.items():
        assert gain == pytest.approx(gains.get(arm.treatment, lambda _: 0.0)(arm.n))
    assert by_arm[Arm(Treatment.BASE, 0)] == 0.0 and len(by_arm) == 9


def test_of_ways_that_are_alike_the_one_that_trains_fewest_layers_is_taken():
    """Fine-tuning trains all layers, as does scratch, which comes before it."""
    (group,) = groups([row for row in table({}, noise=0.0) if row.treatment != "AnB"])
    found = advise(effects(group, {}.get))
    assert found.choice is not None and found.choice.name == "train from scratch"
    assert found.reasons[1] == (
        "As good: transfer the first layer and fine-tune everything, transfer the first 2 layers "
        "and fine-tune everything, transfer the first 3 layers and fine-tune everything, transfer "
        "the first 4 layers and fine-tune everything."
    )
    assert not any("Freezing" in reason for reason in found.reasons)


@pytest.mark.parametrize(("margin", "n"), [(0.011, 3), (0.009, 2)])
def test_what_is_within_the_margin_is_as_good(margin, n):
    gains = {"AnB": lambda n: -0.01 if n == 3 else -0.05 * (n > 3)}
    (group,) = groups(table(gains, noise=0.0))
    found = advise(effects(group, {}.get), margin=margin)
    assert found.choice is not None and found.choice.arm == Arm(Treatment.TRANSFER, n)
    assert found.reasons[0].startswith(f"Within {100 * margin:g} points of the best of 9 ways")


def test_a_choice_by_validation_images_is_told_by_test_images():
    """On validation images two layers may be frozen; on test images that costs three points."""
    (test,) = groups(table({"AnB": lambda n: -0.03 * (n >= 2)}, noise=0.0))
    (validation,) = groups(table(FREE_TO_TWO, noise=0.0))
    judged = effects(validation, {}.get)
    found = advise(replace(effects(test, {}.get), validation=judged))
    assert found.choice is not None and found.choice.arm == Arm(Treatment.TRANSFER, 2)
    assert found.choice.gain == pytest.approx(-0.03)
    assert "-3.0±0.0 points against scratch" in found.verdict
    assert found.reasons[2] == (
        "Ways are compared on validation images; what they gain is told on test images."
    )


def test_chances_are_those_of_students_distribution():
    """One way of transfer, some seeds: how often a draw of its gain is within the margin of 0."""
    gains = [-0.004, -0.03, -0.01]
    rows = [
        replace(row, top1=0.7 + gains[row.seed] * (row.treatment == "AnB"))
        for row in table({}, seeds=3, layers=2, treatments=("AnB",), noise=0.0)
    ]
    (group,) = groups(rows)
    found = advise(effects(group, {}.get, replicates=20_000))
    chances = {option.name: option.chance for option in found.options}
    mean = np.mean(gains)
    error = stats.sem(gains)
    assert chances["transfer the first layer and freeze them"] == pytest.approx(
        stats.t.sf((-0.01 - mean) / error, 2), abs=0.01
    )
    assert chances["train from scratch"] == pytest.approx(
        stats.t.cdf((0.01 - mean) / error, 2), abs=0.01
    )


def test_undecided_names_the_most_probable_and_what_is_not_excluded():
    found = advice({"AnB": lambda n: -0.002 * n}, seeds=3, noise=0.03)
    first, *rest = found.options
    assert list(found.options) == sorted(found.options, key=lambda option: -option.chance)
    names = [option.name for option in rest if option.chance >= 0.05]
    assert found.verdict.startswith(f"Undecided. Most probable: {first.name} (")
    assert found.reasons[0] == (
        f"No way is shown to be within a point of the best: this one is in {first.chance:.1%} of "
        f"the replicates; not excluded are {', '.join(names)}."
    )
    assert found.reasons[-1] == (
        "More seeds or splits would decide: intervals shrink with the root of their number."
    )


def test_of_one_seed_the_highest_is_told():
    found = advice(HELPFUL, seeds=1, noise=0.0)
    assert (found.verdict, found.reasons, found.options) == (
        "Undecided: one seed shows no spread. Highest so far: transfer the first 3 layers and "
        "freeze them (+10.0 points against scratch).",
        ("Run with two seeds or more.", ON_TEST),
        (),
    )
