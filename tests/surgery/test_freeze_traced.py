"""A mask that is data, equal to the static form step by step."""

import jax
import jax.numpy as jnp
import optax
import pytest

from tests.surgery.nets import FROZEN, GRADS, NOTHING, PARAMS
from transfer_jax import SelectionError, diff, freeze, freeze_traced, stack, unstack

OPTIMIZERS = {
    "sgd": optax.sgd(0.1, momentum=0.9),
    "adamw": optax.adamw(0.1, weight_decay=0.1),
    "clipped": optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1)),
    "accumulated": optax.MultiSteps(optax.adam(0.1), 2).gradient_transformation(),
    "injected": optax.inject_hyperparams(optax.adam)(optax.cosine_decay_schedule(0.1, 9)),
}
MASKS = [FROZEN, NOTHING, {"conv1": {"kernel": False}, "fc2": {"kernel": True}}]


def trajectory(tx, grads):
    params, state = PARAMS, tx.init(PARAMS)
    for step in range(4):
        updates, state = tx.update(
            jax.tree.map(lambda g, s=step: g * (s + 1), grads), state, params
        )
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_program_under_vmap_serves_many_masks(name):
    tx = OPTIMIZERS[name]
    arrays = stack([jax.tree.map(jnp.asarray, mask) for mask in MASKS])
    traced = jax.jit(jax.vmap(lambda mask: trajectory(freeze_traced(tx, mask), GRADS)))(arrays)
    for mask, found in zip(MASKS, unstack(traced), strict=True):
        static = trajectory(freeze(tx, mask), GRADS)
        for a, b in zip(jax.tree.leaves(static), jax.tree.leaves(found), strict=True):
            assert jnp.allclose(a, b, rtol=1e-6, atol=1e-7)
        for layer in PARAMS:
            if mask[layer]["kernel"]:
                assert not diff(found[layer], PARAMS[layer])


def test_nan_gradients_of_frozen_leaves_do_no_harm():
    grads = {**GRADS, "conv1": {"kernel": jnp.full(3, jnp.nan)}}
    mask = jax.tree.map(jnp.asarray, FROZEN)
    params = trajectory(freeze_traced(OPTIMIZERS["clipped"], mask), grads)
    assert not diff(params["conv1"], PARAMS["conv1"])
    assert jnp.isfinite(params["fc2"]["kernel"]).all()


def test_a_mask_of_another_structure_is_refused():
    with pytest.raises(SelectionError, match="fc2/kernel"):
        freeze_traced(optax.sgd(0.1), {"conv1": {"kernel": jnp.array(True)}}).init(PARAMS)


@pytest.mark.parametrize("flag", [1, jnp.float32(1), jnp.int32(1), "frozen", jnp.nan])
def test_a_mask_of_something_else_than_booleans_is_refused(flag):
    with pytest.raises(TypeError, match=r"the mask holds .* at a; allowed: bool"):
        freeze_traced(optax.sgd(0.1), {"a": flag})


@pytest.mark.parametrize("shape", [(3, 2), (3,), (1, 2)])
def test_flags_that_do_not_broadcast_to_their_leaf_are_refused(shape):
    params = {"a": jnp.ones(2)}
    tx = freeze_traced(optax.sgd(0.1), {"a": jnp.ones(shape, bool)})
    with pytest.raises(SelectionError, match=r"a: a mask of \(.*\) does not fit \(2,\)"):
        tx.init(params)


def test_narrow_floats_with_wide_gradients():
    params = {"a": jnp.arange(4).astype(jnp.float8_e4m3fn), "b": jnp.ones(2)}
    tx = freeze_traced(optax.sgd(0.1), {"a": jnp.array(True), "b": jnp.array(False)})
    grads = {"a": jnp.ones(4), "b": jnp.ones(2)}
    updates, _ = tx.update(grads, tx.init(params), params)
    after = optax.apply_updates(params, updates)
    assert after["a"].tobytes() == params["a"].tobytes() and after["a"].dtype == params["a"].dtype
