"""Phases of training as values: what is frozen when, by hand."""

import sys

import pytest

from transfer_jax import condition_grid
from transfer_jax.grid.conditions import Cut
from transfer_jax.grid.registry import RegistryError
from transfer_jax.grid.schedules import SCHEDULES, gradual, lp_ft, scheduled
from transfer_jax.grid.variants import Phase, Variant


def test_linear_probing_holds_the_copied_layers_for_half_of_the_steps():
    cut = Cut(2, True, lp_ft(2, 5))
    assert cut.copied == (0, 1)
    assert [cut.at(done, 7).frozen for done in (0, 3, 4, 6)] == [(0, 1), (0, 1), (), ()]
    assert [cut.at(done, 7).trunk_depth for done in (0, 6)] == [2, 0]


def test_gradual_unfreezing_goes_from_the_top_in_equal_parts():
    cut = Cut(3, True, gradual(3, 6))
    by_step = [cut.at(done, 8) for done in range(8)]
    frozen = [own.frozen for own in by_step]
    assert frozen == [(0, 1, 2)] * 2 + [(0, 1)] * 2 + [(0,)] * 2 + [()] * 2
    assert by_step[-1].set_free == ((2,), (1,), (0,))
    assert by_step[0].set_free == ()
    assert {own.label for own in by_step} == {"3+ gradual"}


def test_a_cut_of_the_paper_has_one_phase():
    for cut in (Cut(2, False), Cut(2, True), Cut(0, True)):
        assert {cut.at(done, 10) for done in range(10)} == {cut}


def test_layers_in_the_middle_may_be_set_free():
    variant = Variant("middle", (0, 1, 2), (0, 1, 2), (Phase(0.25, (0, 2)), Phase(0.5, (0,))))
    cut = Cut(3, True, variant)
    assert [cut.at(done, 4).from_base for done in range(4)] == [(0, 1, 2), (0, 2), (0,), (0,)]
    assert cut.at(3, 4).set_free == ((1,), (2,))


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ((Phase(0.0, ()),), "a phase begins after 0.0 of the steps; allowed: above 0.0"),
        ((Phase(1.0, ()),), "below 1"),
        ((Phase(0.6, (0,)), Phase(0.5, ())), "after 0.5 of the steps; allowed: above 0.6"),
        ((Phase(0.5, (0, 1)),), "the phase from 0.5 on sets nothing free"),
        ((Phase(0.5, (0, 2)),), "the phase from 0.5 on sets nothing free"),
    ],
)
def test_phases_that_cannot_be_are_refused(later, said):
    with pytest.raises(ValueError, match="odd") as error:
        Variant("odd", (0, 1), (0, 1), later)
    assert said in str(error.value)


def test_schedules_are_for_every_base_target_and_cut():
    grid = condition_grid(3, schedules=("lp-ft", "gradual"))
    labels = [c.label for c in grid if c.variant]
    assert sorted(labels) == sorted(
        f"{base}{n}{target}+ {name}"
        for base in "AB" for target in "AB" for n in (1, 2) for name in ("lp-ft", "gradual")
    )  # fmt: skip
    assert [c for c in grid if not c.variant] == condition_grid(3)


MODULE = """
from transfer_jax.grid.variants import Phase, Variant
def late(n, num_layers):
    layers = tuple(range(n))
    return Variant("late", layers, layers, (Phase(0.9, layers[:-1]),))
def beyond(n, num_layers): return Variant("beyond", (num_layers,), ())
def nothing(n, num_layers): return None
"""


def test_layers_are_whole_numbers_whatever_holds_them():
    assert Variant("odd", [1, 0], [0], [Phase(0.5, [])]) == Variant(
        "odd", (1, 0), (0,), (Phase(0.5, ()),)
    )
    for odd in ((0.0,), (-1,), (True,), ("a",)):
        with pytest.raises(ValueError, match="allowed: whole numbers from 0"):
            Variant("odd", odd, ())


def test_two_choices_of_one_name_are_refused(monkeypatch):
    monkeypatch.setitem(SCHEDULES, "other", lp_ft)
    with pytest.raises(ValueError, match=r"two choices of layers are called '1\+ lp-ft'"):
        condition_grid(3, schedules=("lp-ft", "other"))


def test_a_schedule_may_be_a_function_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "own_schedules.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    try:
        assert scheduled("own_schedules:late", 2, 5).later == (Phase(0.9, (0,)),)
        with pytest.raises(ValueError, match=r"names layer 5; allowed: 0 \.\.\. 4"):
            scheduled("own_schedules:beyond", 2, 5)
        with pytest.raises(ValueError, match="made nothing"):
            scheduled("own_schedules:nothing", 2, 5)
    finally:
        sys.modules.pop("own_schedules", None)
    with pytest.raises(RegistryError, match=r"allowed: lp-ft, gradual, .*; nearest: gradual"):
        scheduled("gradul", 2, 5)
