"""Gradual unfreezing: each thaw with a step count of its own."""

import jax
import jax.numpy as jnp
import optax
import pytest

from tests.surgery.nets import FROZEN, GRADS, NOTHING, PARAMS
from transfer_jax import diff, freeze, graft, load_tree, save_tree, thaw
from transfer_jax.surgery.selection import SelectionError

LR = 0.01


def trained(tx, params, state, steps: int):
    @jax.jit
    def step(params, state):
        updates, state = tx.update(GRADS, state, params)
        return optax.apply_updates(params, updates), state

    for _ in range(steps):
        params, state = step(params, state)
    return params, state


def test_what_was_training_goes_on_as_if_nothing_had_happened():
    adam = optax.adamw(LR)
    frozen = freeze(adam, FROZEN)
    params, state = trained(frozen, PARAMS, frozen.init(PARAMS), 5)
    without, _ = trained(frozen, params, state, 3)
    tx = freeze(adam, NOTHING, thawed=[FROZEN])
    with_thaw, _ = trained(tx, params, thaw(state, tx, params), 3)
    assert not diff(without["fc2"], with_thaw["fc2"])
    assert diff(without["conv1"], with_thaw["conv1"])


def layer(*names: str):
    return {name: {"kernel": name in names} for name in ("a", "b", "c")}


def test_thaw_save_resume_and_thaw_again(tmp_path):
    params = {name: {"kernel": jnp.ones(2)} for name in ("a", "b", "c")}
    adam = optax.adam(LR)
    first = freeze(adam, layer("a", "b"))
    second = freeze(adam, layer("a"), thawed=[layer("b")])
    third = freeze(adam, layer(), thawed=[layer("b"), layer("a")])

    def run(tx, params, state):
        for _ in range(3):
            updates, state = tx.update(params, state, params)
            params = optax.apply_updates(params, updates)
        return params, state

    params, state = run(first, params, first.init(params))
    params, state = run(second, params, thaw(state, second, params))
    save_tree(tmp_path / "state.safetensors", state)
    restored = graft(second.init(params), load_tree(tmp_path / "state.safetensors"), "**")
    assert not diff(state, restored)
    resumed = thaw(restored, third, params)
    counts = {
        name: int(resumed.inner_states[name].inner_state[0].count)
        for name in ("trainable", "thaw 1", "thaw 2")
    }
    assert counts == {"trainable": 6, "thaw 1": 3, "thaw 2": 0}
    after, _ = run(third, params, resumed)
    assert set(diff(params, after).moved) == {"a/kernel", "b/kernel", "c/kernel"}


def test_a_thaw_that_forgets_a_group_is_refused():
    adam = optax.adam(LR)
    state = freeze(adam, FROZEN).init(PARAMS)
    with pytest.raises(ValueError, match="group 'trainable' are not those it had"):
        thaw(state, freeze(adam, NOTHING), PARAMS)
    thawed = freeze(adam, NOTHING, thawed=[FROZEN])
    with pytest.raises(ValueError, match="no group 'thaw 1'"):
        thaw(thawed.init(PARAMS), freeze(adam, FROZEN), PARAMS)
    with pytest.raises(ValueError, match="that `freeze` makes"):
        thaw(adam.init(PARAMS), thawed, PARAMS)


def test_a_leaf_cannot_be_frozen_and_thawed():
    with pytest.raises(SelectionError, match="conv1/kernel is frozen and thawed"):
        freeze(optax.sgd(LR), FROZEN, thawed=[FROZEN])


def test_a_state_of_another_shape_or_optimizer_is_refused():
    params = {name: {"kernel": jnp.ones(2)} for name in ("a", "b", "c")}
    state = freeze(optax.adam(LR), layer("a", "b")).init(params)
    tx = freeze(optax.adam(LR), layer("a"), thawed=[layer("b")])
    other = {**params, "c": {"kernel": jnp.ones(3)}}
    with pytest.raises(ValueError, match=r"mu/c/kernel of group 'trainable' .*\(3,\), had \(2,\)"):
        thaw(state, tx, other)
    scheduled = freeze(optax.adam(lambda count: LR), layer("a"), thawed=[layer("b")])
    with pytest.raises(ValueError, match="keep the optimizer; not in both: inner_state/1/count"):
        thaw(state, scheduled, params)
