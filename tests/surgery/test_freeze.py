"""Freezing, each trap beside the naive way that falls into it."""

import jax
import jax.numpy as jnp
import optax
import pytest

from transfer_jax import SelectionError, diff, first_layers, freeze, partition

PARAMS = {"conv1": {"kernel": jnp.ones(3)}, "fc2": {"kernel": jnp.ones(3)}}
FROZEN = first_layers(PARAMS, 1)
GRADS = {"conv1": {"kernel": jnp.full(3, 100.0)}, "fc2": {"kernel": jnp.ones(3)}}


def one_step(tx, grads=GRADS):
    updates, state = tx.update(grads, tx.init(PARAMS), PARAMS)
    return optax.apply_updates(PARAMS, updates), state


@pytest.mark.parametrize(
    "tx",
    [
        optax.sgd(0.1, momentum=0.9),
        optax.adamw(0.1, weight_decay=0.1),
        optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.1, momentum=0.9)),
        optax.chain(optax.clip_by_global_norm(1.0), optax.lion(0.1)),
        optax.inject_hyperparams(optax.adam)(optax.cosine_decay_schedule(0.1, 10)),
    ],
)
def test_frozen_leaves_stay_identical_to_the_bit_and_have_no_state(tx):
    frozen_tx = freeze(tx, FROZEN)
    params, state = PARAMS, frozen_tx.init(PARAMS)
    for _ in range(3):
        updates, state = frozen_tx.update(GRADS, state, params)
        params = optax.apply_updates(params, updates)
    report = diff(PARAMS, params)
    assert report.identical == ("conv1/kernel",)
    assert set(report.moved) == {"fc2/kernel"}
    alone = tx.init(partition(PARAMS, FROZEN)[1])
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(s)) for s in (state, alone)]
    assert sizes[0] == sizes[1]


def test_masked_alone_passes_raw_gradients_through():
    trainable = jax.tree.map(lambda frozen: not frozen, FROZEN)
    naive, _ = one_step(optax.masked(optax.adamw(0.1), trainable))
    assert naive["conv1"]["kernel"][0] == 101.0
    ours, _ = one_step(freeze(optax.adamw(0.1), FROZEN))
    assert ours["conv1"]["kernel"][0] == 1.0


def test_zeroed_gradients_still_decay():
    zero_first = optax.chain(
        optax.masked(optax.set_to_zero(), FROZEN), optax.adamw(0.01, weight_decay=0.1)
    )
    naive, _ = one_step(zero_first)
    assert naive["conv1"]["kernel"][0] < 1.0
    ours, _ = one_step(freeze(optax.adamw(0.01, weight_decay=0.1), FROZEN))
    assert ours["conv1"]["kernel"][0] == 1.0


def test_a_clip_outside_counts_frozen_gradients():
    clip = optax.clip_by_global_norm(1.0)
    naive, _ = one_step(optax.chain(clip, freeze(optax.sgd(1.0), FROZEN)))
    ours, _ = one_step(freeze(optax.chain(clip, optax.sgd(1.0)), FROZEN))
    steps = [1.0 - float(net["fc2"]["kernel"][0]) for net in (naive, ours)]
    assert steps[0] < 0.01
    assert abs(steps[1] - 3**-0.5) < 1e-6


def test_nan_gradients_of_frozen_leaves_do_no_harm():
    grads = {**GRADS, "conv1": {"kernel": jnp.full(3, jnp.nan)}}
    multiplied = jax.tree.map(lambda g, frozen: g * (not frozen), grads, FROZEN)
    assert jnp.isnan(multiplied["conv1"]["kernel"]).all()
    ours, _ = one_step(freeze(optax.adamw(0.1), FROZEN), grads)
    assert not diff(ours["conv1"], PARAMS["conv1"])


def test_a_mask_of_another_structure_is_refused():
    with pytest.raises(SelectionError, match="not in both: \\['fc2/kernel'\\]"):
        freeze(optax.sgd(0.1), {"conv1": {"kernel": True}}).init(PARAMS)
