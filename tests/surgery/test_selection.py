from collections import OrderedDict

import flax
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import transfer_jax as tj
from transfer_jax.surgery.paths import leaf_paths
from transfer_jax.surgery.selection import SelectionError, first_layers, mask_of, select

TREE = {
    "conv1": {"kernel": 1, "bias": 2},
    "conv2": {"kernel": 3, "bias": 4},
    "head": {"norm": {"scale": 5}, "layers": [6, 7]},
}


def selected(where, **options) -> list[str]:
    flags = jax.tree.leaves(select(TREE, where, **options))
    return [path for path, flag in zip(leaf_paths(TREE), flags, strict=True) if flag]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("conv1/kernel", ["conv1/kernel"]),
        ("conv[1-3]/**", ["conv1/bias", "conv1/kernel", "conv2/bias", "conv2/kernel"]),
        ("conv[!1]/*", ["conv2/bias", "conv2/kernel"]),
        ("conv?/bias", ["conv1/bias", "conv2/bias"]),
        ("**/kernel", ["conv1/kernel", "conv2/kernel"]),
        ("head/**/scale", ["head/norm/scale"]),
        ("head/layers/0", ["head/layers/0"]),
        (["conv1/*", "!**/bias"], ["conv1/kernel"]),
        (["!conv*/**"], ["head/layers/0", "head/layers/1", "head/norm/scale"]),
        (lambda path, leaf: leaf > 5, ["head/layers/0", "head/layers/1"]),
    ],
)
def test_patterns(where, expected):
    assert selected(where) == expected


def test_a_star_stays_within_one_key():
    assert selected("*/scale", expect=0) == []


def test_a_selection_that_matches_nothing_names_the_nearest_path():
    with pytest.raises(SelectionError, match=r"'conv1/kernal' selects 0 .* conv1/kernel"):
        select(TREE, "conv1/kernal")


def test_a_wrong_count_is_an_error():
    assert selected("**/kernel", expect=2)
    with pytest.raises(SelectionError, match="selects 2 leaves, expected 3 leaves"):
        select(TREE, "**/kernel", expect=3)


def test_a_malformed_pattern_is_an_error_of_ours():
    with pytest.raises(SelectionError, match="is not a pattern"):
        select(TREE, "conv[z-a]")


def test_first_layers_follow_the_order_given_and_the_natural_one():
    params = {f"conv{i}": {"kernel": i} for i in (1, 10, 2)}
    natural = first_layers(params, 2)
    assert [name for name in params if natural[name]["kernel"]] == ["conv1", "conv2"]
    given = first_layers(params, 1, ["conv10", "conv1", "conv2"])
    assert [name for name in params if given[name]["kernel"]] == ["conv10"]


def test_first_layers_refuses_what_is_not_there():
    with pytest.raises(SelectionError, match=r"no layer 'conv3'.*nearest: conv"):
        first_layers(TREE, 1, ["conv1", "conv3"])
    with pytest.raises(SelectionError, match="n = 4 layers of a network of 3"):
        first_layers(TREE, 4)


def test_a_mask_must_fit():
    assert mask_of({"a": 1}, {"a": True}) == {"a": True}
    with pytest.raises(SelectionError, match="mask and tree differ"):
        mask_of({"a": 1, "b": 2}, {"a": True})
    with pytest.raises(SelectionError, match="mask and tree differ"):
        mask_of({"a": 1}, {"a": jnp.array(1.0)})


@pytest.mark.parametrize("nothing", [[], ()])
def test_an_empty_list_selects_nothing(nothing):
    with pytest.raises(SelectionError, match="an empty list selects 0 leaves"):
        select(TREE, nothing)
    assert selected(nothing, expect=0) == []


def test_a_mask_is_about_leaves_by_path_whatever_holds_them():
    mask = select(TREE, "conv1/*")
    frozen = flax.core.freeze(TREE)
    assert jax.tree.leaves(mask_of(frozen, mask)) == jax.tree.leaves(mask)
    assert type(mask_of(frozen, mask)) is flax.core.FrozenDict
    ordered = OrderedDict((name, TREE[name]) for name in ("head", "conv2", "conv1"))  # its order
    assert mask_of(ordered, mask)["conv1"] == {"kernel": True, "bias": True}
    assert not any(jax.tree.leaves([mask_of(ordered, mask)[name] for name in ("head", "conv2")]))
    state = nnx.State({"a": {"w": nnx.Param(jnp.zeros(2))}, "b": nnx.Param(jnp.zeros(2))})
    plain = {"a": {"w": True}, "b": False}
    donor = {"a": {"w": jnp.ones(2)}, "b": jnp.ones(2)}
    assert sorted(tj.diff(state, tj.graft(state, donor, plain)).moved) == ["a/w"]
    assert [layer.frozen for layer in tj.summary(frozen, mask).layers] == [2, 0, 0]
