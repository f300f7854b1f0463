"""Families of pretrained networks as values, by hand."""

import pytest

from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.cuts import cut_values
from transfer_jax.grid.families import family_of
from transfer_jax.grid.grid import columns
from transfer_jax.grid.pretrained import DEFAULT_FAMILIES, FAMILIES, pretrained_grid
from transfer_jax.grid.variants import Variant

NAMES = ("stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "head")
STAGES = ("stem", "layer1.1", "layer2.1")
# Of each family on cuts (1, 3, 5) of six layers: label, copied, frozen, family of rates.
BY_HAND = {
    "scratch": [("scratchA", 0, (), "scratch")],
    "probe": [(f"pretrained{n}A probe", n, tuple(range(n)), "frozen") for n in (1, 3, 5)],
    "head2toe": [("pretrained0A head2toe", 5, (0, 1, 2, 3, 4), "frozen")],
    "freeze": [
        ("pretrained1A+ freeze", 5, (0,), "fine-tuned"),
        ("pretrained3A+ freeze", 5, (0, 1, 2), "fine-tuned"),
        ("pretrained5A+ freeze", 5, (0, 1, 2, 3, 4), "frozen"),
    ],
    "full": [("pretrained0A+ full", 5, (), "fine-tuned")],
    "lp-ft": [("pretrained0A+ lp-ft", 5, (), "fine-tuned")],
    "surgical": [
        ("pretrained1A+ surgical", 5, (1, 2, 3, 4), "fine-tuned"),
        ("pretrained3A+ surgical", 5, (0, 3, 4), "fine-tuned"),
        ("pretrained5A+ surgical", 5, (0, 1, 2), "fine-tuned"),
    ],
    "gradual": [("pretrained0A+ gradual", 5, (0, 1, 2, 3, 4), "fine-tuned")],
    "AnB": [(f"pretrained{n}A", n, tuple(range(n)), "frozen") for n in (1, 3, 5)],
    "AnB+": [(f"pretrained{n}A+", n, (), "fine-tuned") for n in (1, 3, 5)],
    "random": [(f"random{n}A", n, tuple(range(n)), "frozen") for n in (1, 3, 5)],
}


def test_all_families_are_written_out_here():
    assert set(BY_HAND) == set(FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_family_copies_and_freezes(name):
    (column,) = columns(pretrained_grid(6, (5, 1, 3), [name]), scratch_trainings=1)
    found = [
        (condition.label, len(cut.copied), cut.frozen, str(family_of(cut)))
        for cut, condition in zip(column.cuts, column.conditions, strict=True)
    ]
    assert found == BY_HAND[name]
    assert all(cut.copied == tuple(range(len(cut.copied))) for cut in column.cuts)


def test_after_which_layers_heads_take_features():
    """One on all layers: after every cut, and below the last layer whether it is one or not."""
    cases = [
        ((1, 3), {"probe": [(1,), (3,)], "head2toe": [(1, 3, 5)], "full": [()]}),
        ((5, 1), {"probe": [(1,), (5,)], "head2toe": [(1, 5)], "freeze": [(), ()]}),
    ]
    for cuts, expected in cases:
        for name, depths in expected.items():
            (column,) = columns(pretrained_grid(6, cuts, [name]))
            assert [cut.depths for cut in column.cuts] == depths
            assert column.trainings == (not any(depths))


def test_gradual_unfreezing_sets_free_cut_by_cut():
    (column,) = columns(pretrained_grid(6, (1, 3, 5), ["gradual"]))
    (cut,) = column.cuts
    frozen = [cut.at(done, 8).frozen for done in range(0, 8, 2)]
    assert frozen == [(0, 1, 2, 3, 4), (0, 1, 2), (0,), ()]


def test_the_columns_of_all_families():
    grid = pretrained_grid(6, (1, 3), DEFAULT_FAMILIES, tasks=("A", "B"), seeds=(0, 1))
    found = {c.name: (len(c.cuts), c.steps(300)) for c in columns(grid, scratch_trainings=1)}
    expected = {}
    for seed in (0, 1):
        for task in "AB":
            place = f"whole.seed{seed}"
            expected[f"{place}.pretrained-{task}.probes"] = (2, 0)
            expected[f"{place}.pretrained-{task}"] = (4, 300)
            expected[f"{place}.scratch-{task}"] = (1, 300)
    assert found == expected
    treatments = {condition.treatment for condition in grid}
    assert treatments == {Treatment.TRANSFER, Treatment.TRANSFER_PLUS, Treatment.SCRATCH}


def test_a_choice_of_ones_own_may_not_be_called_like_a_family():
    own = Variant("odd", (0, 1), (0,))
    (condition,) = pretrained_grid(6, (1,), (), variants=(own,))
    assert condition.label == "pretrained2A odd"
    with pytest.raises(ValueError, match=r"variants\.full has the name of a family"):
        pretrained_grid(6, (1,), (), variants=(Variant("full", (0,), ()),))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((), ()),
        (("stages",), (1, 3, 5)),
        (("quarters",), (1, 3, 5)),
        (("blocks",), (1, 2, 3, 4, 5)),
        (("layer1.1", "stem"), (3, 1)),
        ((2, 4), (2, 4)),
        (("stages", 2, "stem"), (1, 3, 5, 2)),
        ((99,), (99,)),
    ],
)
def test_where_a_network_is_cut(asked, expected):
    assert cut_values(asked, NAMES, STAGES) == expected


@pytest.mark.parametrize(
    ("stages", "expected"), [(0, ()), (1, (1,)), (2, (1, 2)), (5, (1, 2, 3, 5)), (9, (2, 4, 6, 9))]
)
def test_quarters_are_up_to_four_ends_of_stages(stages, expected):
    names = [f"layer{i}" for i in range(stages)]
    assert cut_values(("quarters",), [*names, "head"], names) == expected


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("layer1.2", "cuts holds 'layer1.2'; allowed: .* stem, layer1.0, .*; nearest: layer1.1"),
        ("stage", "nearest: stages"),
        ("head", "cuts holds 'head', the last layer: nothing is left above it"),
    ],
)
def test_a_cut_that_does_not_exist(asked, said):
    with pytest.raises(ValueError, match=said) as error:
        cut_values((1, asked), NAMES, STAGES)
    assert "\n" not in str(error.value)
