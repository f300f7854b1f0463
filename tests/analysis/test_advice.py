"""Advice on tables whose right answer is known."""

import numpy as np
import pytest

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
