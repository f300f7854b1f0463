"""Laws of the kit, on random trees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_jax import combine, diff, graft, partition, stack, unstack

arrays = st.integers(0, 5).map(lambda seed: jnp.asarray(np.random.default_rng(seed).normal(size=3)))
trees = st.recursive(
    arrays | st.none(),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.lists(inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=8,
)
LAWS = settings(max_examples=60, deadline=None)


@LAWS
@given(trees)
def test_grafting_a_tree_onto_itself_changes_nothing(tree):
    everything = jax.tree.map(lambda _: True, tree)
    assert not diff(graft(tree, tree, everything), tree)


@LAWS
@given(trees, st.integers(0, 2**8 - 1))
def test_combine_undoes_partition(tree, bits):
    leaves, structure = jax.tree.flatten(tree)
    mask = jax.tree.unflatten(structure, [bool(bits >> i & 1) for i in range(len(leaves))])
    selected, rest = partition(tree, mask)
    assert len(jax.tree.leaves(selected)) + len(jax.tree.leaves(rest)) == len(leaves)
    whole = combine(selected, rest)
    assert jax.tree.structure(whole) == structure
    assert not diff(whole, tree)


@LAWS
@given(trees.filter(jax.tree.leaves), st.integers(1, 3))
def test_unstack_undoes_stack(tree, count):
    copies = [jax.tree.map(lambda x, i=i: x + i, tree) for i in range(count)]
    for copy, again in zip(copies, unstack(stack(copies)), strict=True):
        assert not diff(copy, again)


def test_combine_names_a_leaf_that_both_parts_hold():
    with pytest.raises(ValueError, match="both parts hold the leaf a/b"):
        combine({"a": {"b": 1}}, {"a": {"b": 2}})


def test_stack_names_what_differs():
    with pytest.raises(ValueError, match=r"a: tree 1 has \(3,\), tree 0 has \(2,\)"):
        stack([{"a": jnp.zeros(2)}, {"a": jnp.zeros(3)}])
    with pytest.raises(ValueError, match=r"not in both: \['b'\]"):
        stack([{"a": jnp.zeros(2)}, {"a": jnp.zeros(2), "b": jnp.zeros(1)}])
    with pytest.raises(ValueError, match="at least one tree"):
        stack([])


def test_unstack_needs_one_leading_size():
    with pytest.raises(ValueError, match=r"a \(2,\), b \(3,\)"):
        unstack({"a": jnp.zeros(2), "b": jnp.zeros(3)})


def test_diff_sees_every_kind_of_change():
    before = {"same": jnp.zeros(2), "moved": jnp.zeros(2), "gone": 1, "shape": jnp.zeros(2)}
    after = {"same": jnp.zeros(2), "moved": jnp.array([3.0, 4.0]), "new": 1, "shape": jnp.zeros(3)}
    report = diff(before, after)
    assert report.identical == ("same",)
    assert report.moved == {"moved": 5.0}
    assert (report.added, report.removed) == (("new",), ("gone",))
    assert report.reshaped == {"shape": ("float32[2]", "float32[3]")}
    assert "moved    moved  L2 5" in str(report)


def test_diff_is_to_the_bit():
    assert diff({"a": jnp.array(0.0)}, {"a": jnp.array(-0.0)})
    assert not diff({"a": jnp.array(jnp.nan)}, {"a": jnp.array(jnp.nan)})


def test_a_stack_keeps_dtypes_or_says_that_it_cannot():
    for left, right in ((jnp.int8(3), jnp.int32(300)), (1, 1.5), (jnp.bfloat16(1), jnp.ones(()))):
        with pytest.raises(ValueError, match=r"a: tree 1 has .*, tree 0 has "):
            stack([{"a": left}, {"a": right}])
    with pytest.raises(ValueError, match=r"a/act is .*; allowed: arrays and numbers"):
        stack([{"a": {"act": jnp.tanh}}] * 2)


def test_a_receipt_of_what_has_no_distance():
    for before, after in (
        (np.array(["a", "b"]), np.array(["a", "c"])),
        (np.array([1, "b"], object), np.array([1, "c"], object)),
        (jnp.tanh, jnp.sin),
        (jnp.array([jnp.inf]), jnp.array([-jnp.nan])),
    ):
        assert not diff({"a": before}, {"a": before})
        assert np.isnan(diff({"a": before}, {"a": after}).moved["a"])
    mixed = np.array([1, "".join(["b", "c"])], object)  # equal, and elsewhere in memory
    assert not diff({"a": mixed}, {"a": np.array([1, "".join(["b", "c"])], object)})


def test_a_number_of_python_is_what_jax_takes_it_for():
    for number in (3, 2.1, 1 + 2j, True):
        assert not diff({"a": number}, {"a": jnp.asarray(number)})
    assert diff({"a": 2.1}, {"a": 2.1 + 1e-12}).moved
    assert diff({"a": 3}, {"a": jnp.asarray(4)}).moved == {"a": 1.0}
    assert diff({"a": 0.0}, {"a": -0.0}).moved == {"a": 0.0}
