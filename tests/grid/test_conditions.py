import zlib

import jax
import pytest

from transfer_jax import condition_grid
from transfer_jax.grid.conditions import Column, Condition, Cut, Split, Task, Treatment, Variant
from transfer_jax.grid.grid import PAPER, base_condition, base_conditions, columns
from transfer_jax.grid.keys import fold_in_name, key_for

FOUR_SPLITS = condition_grid(8, splits=("0", "1", "2", "3"))


def test_the_papers_grid_has_eight_treatments_of_every_cut():
    one_split = condition_grid(8)
    assert len(one_split) == 8 * 7
    treatments = {(c.base, c.target, c.fine_tuned) for c in one_split}
    assert len(treatments) == 8
    assert {c.n for c in one_split} == set(range(1, 8))
    assert len(FOUR_SPLITS) == 4 * 56


def test_labels_and_treatments():
    found = {c.label: c.treatment for c in condition_grid(4, treatments=(*PAPER, "random"))}
    assert found["A3B+"] == Treatment.TRANSFER_PLUS
    assert found["B1A"] == Treatment.TRANSFER
    assert found["A2A"] == Treatment.SELFFER
    assert found["B2B+"] == Treatment.SELFFER_PLUS
    assert found["random2B"] == Treatment.RANDOM
    assert "random2B+" not in found
    assert len(found) == 8 * 3 + 2 * 3


def test_columns_share_split_seed_base_and_target():
    grid = condition_grid(4, splits=("x", "y"), seeds=(0, 1), treatments=(*PAPER, "random"))
    found = columns(grid)
    assert len(found) == 2 * 2 * 6
    assert [c for column in found for c in column.conditions] == grid
    assert len({column.name for column in found}) == len(found)


def test_bases_are_one_a_split_seed_and_task():
    bases = base_conditions(condition_grid(4, splits=("x", "y"), seeds=(0, 1, 2)))
    assert len(bases) == 2 * 3 * 2
    assert {b.treatment for b in bases} == {Treatment.BASE}


@pytest.mark.parametrize("n", [0, 6, -1])
def test_a_cut_outside_the_network_is_refused(n):
    with pytest.raises(ValueError, match=rf"n = {n} is no cut .* 6 layers; allowed: 1 \.\.\. 5"):
        condition_grid(6, cuts=(n,))


def test_a_cut_given_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        condition_grid(6, cuts=(1, 1))


def test_treatments_can_be_chosen():
    found = {c.treatment for c in condition_grid(4, treatments=("AnB", "random"))}
    assert found == {"AnB", "random"}
    with pytest.raises(ValueError, match=r"no treatment 'AnC'; treatments: scratch, BnB, BnB\+"):
        condition_grid(4, treatments=("AnC",))


def test_a_reduced_target_has_a_level_of_its_own_and_donors_trained_on_all():
    grid = condition_grid(4, examples=(10, None), treatments=("AnB",))
    assert len(grid) == 2 * 2 * 3
    bases = {(b.target, b.examples) for b in base_conditions(grid)}
    assert bases == {("A", 10), ("B", 10), ("A", None), ("B", None)}
    only_reduced = base_conditions(condition_grid(4, examples=(10,), treatments=("AnB",)))
    assert {(b.target, b.examples) for b in only_reduced} == bases
    names = [column.name for column in columns(grid)]
    assert names[0] == "split.seed0.A-B.first10" and names[-1] == "split.seed0.B-A"


def test_a_split_of_one_task_has_no_transfer():
    grid = condition_grid(4, tasks=("A",), treatments=(*PAPER, "random"))
    assert {c.treatment for c in grid} == {"BnB", "BnB+", "random"}


def test_the_smallest_grid_is_these_conditions():
    assert condition_grid(2) == [
        Condition("split", 0, base, target, 1, tuned)
        for base, target in ("AA", "AB", "BA", "BB")
        for tuned in (False, True)
    ]


def test_the_order_is_split_then_seed_then_examples_then_base_then_target():
    grid = condition_grid(
        2, splits=("x", "y"), seeds=(5, 6), examples=(None, 3), treatments=("AnB", "random")
    )
    places = [(c.split, c.seed, c.examples, c.base, c.target, c.n) for c in grid]
    assert places == [
        (split, seed, examples, base, target, 1)
        for split in "xy"
        for seed in (5, 6)
        for examples in (None, 3)
        for base, target in (("A", "B"), ("B", "A"), ("random", "A"), ("random", "B"))
    ]


def test_layers_above_the_cut_are_copied_and_trained_where_the_network_has_them():
    grid = condition_grid(3, preserved=(1, 2), treatments=("BnB",))
    found = [(c.label, c.variant and (c.variant.copied, c.variant.frozen)) for c in grid]
    assert found[: len(found) // 2] == [
        ("A1A", None),
        ("A2A", None),
        ("A1A preserved1", ((0, 1), (0,))),
        ("A2A preserved1", ((0, 1, 2), (0, 1))),
        ("A1A preserved2", ((0, 1, 2), (0,))),
    ]


def test_a_variant_stands_beside_the_papers_cuts_in_each_column():
    head, all_tuned = Variant("head", (0, 1), (2,)), Variant("tuned", (0,), ())
    grid = condition_grid(3, variants=(head, all_tuned), cuts=(2,), preserved=(1,))
    found = columns(grid)[1]
    assert (found.base, found.target) == ("A", "B")
    preserved = Variant("preserved1", (0, 1, 2), (0, 1))
    assert found.cuts == (
        Cut(2, False), Cut(2, True), Cut(2, False, preserved), Cut(2, False, head),
        Cut(1, True, all_tuned),
    )  # fmt: skip
    assert [c.label for c in found.conditions] == [
        "A2B", "A2B+", "A2B preserved1", "A2B head", "A1B+ tuned",
    ]  # fmt: skip
    assert [cut.label for cut in found.cuts] == [
        "2", "2+", "2 preserved1", "2 head", "1+ tuned",
    ]  # fmt: skip
    assert [c for column in columns(grid) for c in column.conditions] == grid


def test_a_random_base_has_no_variants():
    variants = (Variant("head", (0, 1), (2,)),)
    grid = condition_grid(3, variants=variants, preserved=(1,), treatments=("random",))
    assert [c.label for c in grid] == ["random1A", "random2A", "random1B", "random2B"]


@pytest.mark.parametrize(
    ("cut", "copied", "frozen", "from_base", "trunk"),
    [
        (Cut(2, False), (0, 1), (0, 1), (0, 1), 2),
        (Cut(2, True), (0, 1), (), (), 0),
        (Cut(0, True), (), (), (), 0),
        (Cut(4, False, Variant("v", (3, 1, 0), (1, 3, 0))), (3, 1, 0), (1, 3, 0), (0, 1, 3), 2),
        (Cut(2, False, Variant("above", (1, 2), (1, 2))), (1, 2), (1, 2), (1, 2), 0),
        (Cut(2, False, Variant("apart", (0, 1), (2,))), (0, 1), (2,), (), 0),
    ],
)  # fmt: skip
def test_which_layers_are_copied_frozen_and_shared(cut, copied, frozen, from_base, trunk):
    assert (cut.copied, cut.frozen, cut.from_base) == (copied, frozen, from_base)
    assert cut.trunk_depth == trunk


def test_tasks_and_columns_by_name():
    a, b = Task("A", (0, 2)), Task("B", (1,))
    split = Split("halves", (a, b))
    assert (split.task("A"), split.task("B")) == (a, b)
    with pytest.raises(KeyError, match="C"):
        split.task("C")
    assert Column("halves", 3, None, "B", ()).name == "halves.seed3.base-B"
    assert Column("halves", 3, "random", "B", (), 7).name == "halves.seed3.random-B.first7"
    assert Column("x", 1, "A", "B", (Cut(2, True),), 9).conditions == (
        Condition("x", 1, "A", "B", 2, True, None, 9),
    )


@pytest.mark.parametrize(
    ("base", "target", "tuned", "treatment"),
    [
        (None, "A", True, "base"),
        ("random", "A", False, "random"),
        ("A", "A", False, "BnB"),
        ("A", "A", True, "BnB+"),
        ("A", "B", False, "AnB"),
        ("A", "B", True, "AnB+"),
        ("scratch", "B", True, "scratch"),
    ],
)
def test_the_arm_of_a_condition(base, target, tuned, treatment):
    assert Condition("s", 0, base, target, 1, tuned).treatment == treatment


def test_scratch_is_one_network_a_split_seed_target_and_number_of_examples():
    grid = condition_grid(4, splits=("x", "y"), seeds=(0, 1), examples=(None, 3),
                          treatments=("scratch",))  # fmt: skip
    assert len(grid) == 2 * 2 * 2 * 2 == len(set(grid))
    assert {(c.base, c.n, c.fine_tuned, c.variant) for c in grid} == {("scratch", 0, True, None)}
    assert {(c.target, c.examples) for c in grid} == {(t, k) for t in "AB" for k in (None, 3)}
    assert [c.label for c in grid[:2]] == ["scratchA", "scratchB"]
    # It needs no donor, but the level that others are compared with.
    assert {c.treatment for c in base_conditions(grid)} == {Treatment.BASE}
    assert len(base_conditions(grid)) == len(grid)


def test_scratch_is_trained_as_long_as_base_and_transfer_and_begins_as_the_base_network():
    scratch, base, transfer = (
        columns([Condition("x", 1, name, "B", 0, True)], 2)[0] for name in ("scratch", None, "A")
    )
    assert [column.steps(7) for column in (scratch, base, transfer)] == [14, 7, 7]
    assert [column.copies for column in (scratch, base, transfer)] == [False, False, True]
    assert scratch.name == "x.seed1.scratch-B"
    (own,) = Column("x", 1, "scratch", "B", (Cut(0, True),)).conditions
    assert own.begins_as == base_condition("x", 1, "B").label == "baseB"


def test_a_base_network_trains_all_of_its_layers_on_its_task():
    assert base_condition("x", 4, "B") == Condition("x", 4, None, "B", 0, True)
    assert base_condition("x", 4, "B", 10) == Condition("x", 4, None, "B", 0, True, None, 10)
    only_random = condition_grid(3, treatments=("random",), splits=("x",), seeds=(4,))
    assert base_conditions(only_random) == [
        base_condition("x", 4, "A"),
        base_condition("x", 4, "B"),
    ]
    assert base_conditions(base_conditions(only_random)) == base_conditions(only_random)


def test_errors_name_what_is_allowed():
    with pytest.raises(ValueError, match=r"^n = 4 is no cut of a network of 4 layers; allowed: 1"):
        condition_grid(4, cuts=(1, 4))
    with pytest.raises(ValueError, match=r"^a cut stands twice in \(2, 1, 2\)$"):
        condition_grid(4, cuts=(2, 1, 2))
    message = r"^no treatment 'base'; treatments: scratch, BnB, BnB\+, AnB, AnB\+, random$"
    with pytest.raises(ValueError, match=message):
        condition_grid(4, treatments=("base",))


def test_a_key_is_the_seeds_folded_with_the_checksum_of_each_name():
    """What is on disk was drawn from these keys: they stay as they are."""
    expected = jax.random.key(3)
    for checksum in (zlib.crc32(b"init"), zlib.crc32(b"10"), zlib.crc32(b"A3B")):
        expected = jax.random.fold_in(expected, checksum)
    assert key_for(3, "init", 10, "A3B") == expected
    # 0xCBF43926 is the published checksum of these digits.
    expected = jax.random.fold_in(jax.random.key(0), 0xCBF43926)
    assert fold_in_name(jax.random.key(0), "123456789") == expected
