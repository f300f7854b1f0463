"""What a frozen optimizer promises."""

import jax
import jax.numpy as jnp
import optax
import pytest

from tests.surgery.nets import FROZEN, GRADS, PARAMS
from transfer_jax import SelectionError, diff, freeze, freeze_stats, partition


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


def test_a_mask_of_another_structure_is_refused():
    with pytest.raises(SelectionError, match="not in both: \\['fc2/kernel'\\]"):
        freeze(optax.sgd(0.1), {"conv1": {"kernel": True}}).init(PARAMS)


@pytest.mark.parametrize("of_arrays", [jax.jit, lambda function: function], ids=["traced", "not"])
def test_statistics_stay_where_a_mask_of_arrays_is_true(of_arrays):
    before, after = {"bn": jnp.zeros(2), "bo": jnp.zeros(2)}, {"bn": jnp.ones(2), "bo": jnp.ones(2)}
    frozen = {"bn": jnp.array([True, False]), "bo": jnp.array(False)}
    found = of_arrays(freeze_stats)(before, after, frozen)
    assert (found["bn"].tolist(), found["bo"].tolist()) == ([0.0, 1.0], [1.0, 1.0])
