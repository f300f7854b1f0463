"""A path is a tuple of keys: whatever a key holds, no two leaves are taken for one."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

import transfer_jax as tj
from transfer_jax.surgery.paths import join_keys, leaf_paths, split_path

ODD_KEYS = ["", "/", "a/b", "a", "b", "a\\", "\\", "\\e", "a*", "w[0]", "?", "!a", "x.y", "\n", "ä"]
keys = st.text("ab/\\e*[].!\n", max_size=3)
trees = st.recursive(
    st.integers(0, 5).map(lambda n: np.full(2, float(n))),
    lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=3),
    max_leaves=6,
)
LAWS = settings(max_examples=150, deadline=None)
HAIKU = {f"net/~/linear_{i}": {"w": jnp.full(2, i + 1.0), "b": jnp.ones(1)} for i in range(2)}


def selected(tree: Any, where: Any, **options: Any) -> list[str]:
    flags = jax.tree.leaves(tj.select(tree, where, **options))
    return [path for path, flag in zip(leaf_paths(tree), flags, strict=True) if flag]


def key_tuples(tree: Any) -> list[tuple[str, ...]]:
    """What JAX says, for dictionaries."""
    return [tuple(k.key for k in path) for path, _ in jax.tree_util.tree_flatten_with_path(tree)[0]]


@LAWS
@given(st.lists(keys, max_size=4))
def test_the_text_of_a_path_is_exact(names):
    assert split_path(join_keys(names)) == tuple(names)


def test_ordinary_paths_are_plain_and_odd_ones_are_escaped():
    tree = {"conv3": {"kernel": 1}, "x.y": [1, (2,)], "net/~/fc": {"": 1}, "a\\b": 1}
    assert leaf_paths(tree) == [
        r"a\\b",
        "conv3/kernel",
        r"net\/~\/fc/\e",
        "x.y/0",
        "x.y/1/0",
    ]


@LAWS
@given(trees)
def test_every_leaf_has_a_path_of_its_own_that_selects_it(tree):
    paths = leaf_paths(tree)
    assert [split_path(path) for path in paths] == key_tuples(tree)
    for i, path in enumerate(paths):
        assert path.startswith("!") or path in selected(tree, path)
        alone = jax.tree.leaves(tj.select(tree, lambda found, _, path=path: found == path))
        assert [j for j, flag in enumerate(alone) if flag] == [i]


@LAWS
@given(trees, st.integers(0, 5))
def test_diff_and_graft_take_each_leaf_for_itself(tree, place):
    leaves, structure = jax.tree.flatten(tree)
    place %= len(leaves)
    changed = [leaf + (i == place) for i, leaf in enumerate(leaves)]
    other = jax.tree.unflatten(structure, changed)
    path = leaf_paths(tree)[place]
    assert list(tj.diff(tree, other).moved) == [path]
    only = jax.tree.unflatten(structure, [i == place for i in range(len(leaves))])
    assert not tj.diff(tj.graft(tree, other, only), other)
    assert tj.summary(tree, depth=9).layers[place].name == path


def test_leaves_whose_joined_names_collide():
    before = {"a": {"b": jnp.ones(2)}, "a/b": jnp.ones(2)}
    after = {"a": {"b": jnp.zeros(2)}, "a/b": jnp.ones(2)}
    report = tj.diff(before, after)
    assert (list(report.moved), report.identical) == (["a/b"], (r"a\/b",))
    assert tj.diff({"a": {"b": 1.0}}, {"a/b": 1.0}).added == (r"a\/b",)
    assert tj.diff(jnp.ones(2), {"": jnp.ones(2)})


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("*/w", ["net/~/linear_0,w", "net/~/linear_1,w"]),
        ("?*/w", ["net/~/linear_0,w", "net/~/linear_1,w"]),
        ("net*_1/*", ["net/~/linear_1,b", "net/~/linear_1,w"]),
        (r"net\/~\/linear_0/w", ["net/~/linear_0,w"]),
        ("net[/]~[/]linear_0/?", ["net/~/linear_0,b", "net/~/linear_0,w"]),
        ("**/b", ["net/~/linear_0,b", "net/~/linear_1,b"]),
        (["**", "!*_0/**"], ["net/~/linear_1,b", "net/~/linear_1,w"]),
        ("net/**", []),
        ("**/linear_0/w", []),
        ("net[!x]~?linear_0/w", ["net/~/linear_0,w"]),
        (r"net[!\/]~*/w", []),
    ],
)
def test_a_slash_inside_a_key_parts_no_keys(where, found):
    paths = selected(HAIKU, where, expect=len(found))
    assert [",".join(split_path(path)) for path in paths] == found


def test_layers_of_haiku():
    names = [layer.name for layer in tj.summary(HAIKU).layers]
    assert names == [r"net\/~\/linear_0", r"net\/~\/linear_1"]
    first = tj.first_layers(HAIKU, 1, ["net/~/linear_0", "net/~/linear_1"])
    assert jax.tree.leaves(first) == [True, True, False, False]
    mine = {"fc": {"w": jnp.zeros(2), "b": jnp.zeros(1)}}
    for rename in ({r"net\/~\/linear_1": "fc"}, lambda p: p.replace(r"net\/~\/linear_1", "fc")):
        assert tj.graft(mine, HAIKU, "**", rename=rename)["fc"]["w"].tolist() == [2.0, 2.0]
    assert tj.graft({"x": mine}, mine, "**", rename={"": "x"})


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (r"a\*", ["a*"]),
        ("a*", ["a*", "a/b", "a", "a\\"]),
        ("w[0]", ["w[0]", "w0"]),
        (r"w\[0]", ["w[0]"]),
        (r"\?", ["?"]),
        ("?", ["?", "/", "\\", "a", "b", "\n", "ä"]),
        (r"\!a", ["!a"]),
        (r"\e", [""]),
        (r"\\e", ["\\e"]),
        (r"\\", ["\\"]),
        ("[b/]", ["/", "b"]),
        ("x.y", ["x.y"]),
        ("[[x]*", ["x.y"]),
    ],
)
def test_patterns_over_odd_keys(where, found):
    tree = {**dict.fromkeys(ODD_KEYS, 1), "w0": 1}
    assert {split_path(path)[0] for path in selected(tree, where)} == set(found)


@jax.tree_util.register_dataclass
@dataclass
class Attention:
    query: Any
    value: Any


def test_an_own_attribute_called_value_is_kept():
    tree = {"attn": Attention(jnp.ones(2), jnp.ones(2)), "value": {"value": jnp.ones(2)}}
    assert leaf_paths(tree) == ["attn/query", "attn/value", "value/value"]
    assert selected(tree, "attn/*") == ["attn/query", "attn/value"]
    assert selected(tree, "**/value") == ["attn/value", "value/value"]


def test_only_the_value_of_an_nnx_variable_is_left_out():
    class Net(nnx.Module):
        def __init__(self) -> None:
            self.value = nnx.Param(jnp.ones(2))
            self.attn = nnx.Param(Attention(jnp.ones(2), jnp.ones(3)))
            self.table = nnx.Param({"value": jnp.ones(4)})

    found = ["attn/query", "attn/value", "table/value", "value"]
    assert sorted(leaf_paths(nnx.state(Net()))) == found
    assert sorted(leaf_paths(Net())) == found
    assert leaf_paths({"held": nnx.state(Net())["value"]}) == ["held"]
    pure = nnx.to_pure_dict(nnx.state(Net()))
    assert not tj.diff(nnx.state(Net()), pure)


def test_one_path_for_two_leaves_is_refused_before_anything_is_done(tmp_path):
    tree = OrderedDict([(1, jnp.ones(2)), ("1", jnp.zeros(2))])
    for work in (leaf_paths, tj.summary, lambda t: tj.diff(t, t), lambda t: tj.graft(t, t, "**")):
        with pytest.raises(ValueError, match="two leaves have the path 1"):
            work(tree)
    with pytest.raises(tj.TreeFileError, match="two leaves have the path 1"):
        tj.save_tree(tmp_path / "net.safetensors", tree)
    with pytest.raises(tj.SelectionError, match="layers of one name: 1, 1"):
        tj.first_layers(tree, 1)
    assert list(tmp_path.iterdir()) == []


def test_keys_without_an_order_are_told():
    with pytest.raises(ValueError, match="the keys of 'a' have no order, they are of int, str"):
        leaf_paths({"a": {1: 1.0, "1": 2.0}})


def test_containers_of_other_types_meet_by_the_names_of_their_keys():
    donor = {"query": jnp.ones(2), "value": jnp.full(2, 3.0)}
    fresh = Attention(jnp.zeros(2), jnp.zeros(2))
    assert tj.graft(fresh, donor, "value").value.tolist() == [3.0, 3.0]
    listed = tj.graft([jnp.zeros(2)], {"0": jnp.ones(2)}, "**")
    assert listed[0].tolist() == [1.0, 1.0]
    assert tj.graft({0: jnp.zeros(2)}, {"0": jnp.ones(2)}, "**")[0].tolist() == [1.0, 1.0]
