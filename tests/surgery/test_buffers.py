"""Which results share memory with their inputs: a donated step must not delete an input."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import transfer_jax as tj

LAYERS = ("conv1", "conv2", "head")


def net(seed: int) -> Any:
    keys = jax.random.split(jax.random.key(seed), 3)
    return {n: {"kernel": jax.random.normal(k, (4, 4))} for n, k in zip(LAYERS, keys, strict=True)}


def buffers(tree: Any) -> set[int]:
    return {
        leaf.ctypes.data if isinstance(leaf, np.ndarray) else leaf.unsafe_buffer_pointer()
        for leaf in jax.tree.leaves(tree)
        if isinstance(leaf, jax.Array | np.ndarray)
    }


donating = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf * 2, tree), donate_argnums=0)


@pytest.mark.parametrize("where", ["conv1/*", "**", ["**", "!head/*"]])
def test_fresh_and_donor_live_through_donated_steps(where):
    fresh, donor = net(0), net(1)
    expected = jax.tree.map(np.asarray, (fresh, donor))
    for _ in range(3):
        donating(tj.graft(fresh, donor, where))
        donating(tj.reinitialise(fresh, donor, where))
        donating(jax.jit(lambda a, b: tj.graft(a, b, where))(fresh, donor))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves((fresh, donor)), jax.tree.leaves(expected), strict=True)
    )


def frozen_updates(params: Any, grads: Any) -> Any:
    tx = tj.freeze(optax.adam(0.1), jax.tree.map(lambda _: True, params))
    return tx.update(grads, tx.init(params), params)[0]


def gradients(params: Any) -> Any:
    return tj.value_and_grad(lambda p: p["head"]["kernel"].sum(), "conv1/*")(params)


def grafted_where_it_fits(params: Any, donor: Any) -> Any:
    return tj.graft(params, {**donor, "head": jnp.ones(2)}, "**", on_mismatch="keep")


COPIES = {
    "graft": lambda a, b: tj.graft(a, b, "conv1/*"),
    "graft what fits": grafted_where_it_fits,
    "reinitialise": lambda a, b: tj.reinitialise(a, b, "head/*"),
    "graft a column": lambda a, b: tj.graft(a, b, "head/*", columns=(0, 1)),
    "stack": lambda a, b: tj.stack([a, b]),
    "stack of one": lambda a, b: tj.stack([a]),
    "unstack": lambda a, b: tj.unstack(a),
    "unstack of one": lambda a, b: tj.unstack(jax.tree.map(lambda x: x[None], a)),
    "value_and_grad": lambda a, b: gradients(a),
    "freeze": frozen_updates,
}


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("kind", ["jax", "numpy"])
def test_results_have_memory_of_their_own(name, kind):
    a, b = net(0), net(1)
    if kind == "numpy":
        a, b = jax.tree.map(np.array, (a, b))
    assert not buffers(COPIES[name](a, b)) & buffers((a, b))


SHARED = {
    "graft": lambda a, b: tj.graft(a, b, "conv1/*", copy=False),
    "reinitialise": lambda a, b: tj.reinitialise(a, b, "head/*", copy=False),
    "partition": lambda a, b: tj.partition(a, "head/*"),
    "combine": lambda a, b: tj.combine(*tj.partition(a, "head/*")),
    "freeze_stats": lambda a, b: tj.freeze_stats(a, b, tj.select(a, "head/*")),
}


@pytest.mark.parametrize("name", SHARED)
def test_those_that_say_so_hold_their_inputs_own_arrays(name):
    a, b = net(0), net(1)
    result = buffers(SHARED[name](a, b))
    assert len(result) == 3 and result <= buffers((a, b))


def test_a_state_can_be_thawed_twice():
    params = net(0)
    adam = optax.adam(0.1)
    body = tj.select(params, "!head/*")
    frozen = tj.freeze(adam, body)
    _, state = frozen.update(params, frozen.init(params), params)
    tx = tj.freeze(adam, jax.tree.map(lambda _: False, params), thawed=[body])
    thawed = tj.thaw(state, tx, params)
    assert not buffers(thawed) & buffers((state, params))
    assert buffers(tj.thaw(state, tx, params, copy=False)) & buffers(state)
    for _ in range(2):
        donating(tj.thaw(state, tx, params))


def test_leaves_that_are_no_arrays_pass_through():
    tree = {
        "f": jax.nn.relu,
        "n": 3,
        "s": jax.ShapeDtypeStruct((2,), jnp.float32),
        "a": jnp.ones(1),
    }
    grafted = tj.graft(tree, tree, "a")
    assert {k: grafted[k] for k in "fns"} == {k: tree[k] for k in "fns"}
    key = {"k": jax.random.key(0)}
    assert tj.graft(key, key, "k")["k"] is not key["k"]
