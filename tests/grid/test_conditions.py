import pytest

from transfer_jax import condition_grid
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.grid import PAPER, base_conditions, columns

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
    with pytest.raises(ValueError, match=r"no treatment 'AnC'; treatments: BnB, BnB\+, AnB"):
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
