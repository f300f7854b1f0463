"""A column of NNX modules trains as one of the same Linen modules."""

from dataclasses import replace
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from transfer_jax.grid.conditions import Cut
from transfer_jax.models.linen_layers import from_linen
from transfer_jax.models.nnx_layers import from_nnx

from .test_network_with_state import train

CUTS = (Cut(1, False), Cut(2, False), Cut(2, True))


class LinenBlock(nn.Module):
    features: int

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Dense(self.features, name="dense")(x.reshape(len(x), -1))
        return nn.relu(nn.BatchNorm(not train, momentum=0.8, name="norm")(x))


class NnxBlock(nnx.Module):
    def __init__(self, inputs, features, *, rngs):
        self.dense = nnx.Linear(inputs, features, rngs=rngs)
        self.norm = nnx.BatchNorm(features, momentum=0.8, rngs=rngs)

    def __call__(self, x):
        return nnx.relu(self.norm(self.dense(x.reshape(len(x), -1))))


@pytest.mark.parametrize("choice", ["held", "moves"])
def test_nnx_modules_train_as_linen_modules_do(choice, whole_column, split, recipe, device_images):
    linen = from_linen([("a", LinenBlock(8)), ("b", LinenBlock(6)), ("head", nn.Dense(3))])
    sizes = [("a", partial(NnxBlock, 144, 8)), ("b", partial(NnxBlock, 8, 6))]
    others = from_nnx([*sizes, ("head", partial(nnx.Linear, 6, 3))])
    init = jax.jit(lambda key: linen.init(key, jnp.zeros((1, 12, 12, 1))))
    column = replace(whole_column, cuts=CUTS)
    rest = (init, split, recipe, device_images)
    found = [train(column, net, *rest, copied_statistics=choice) for net in (linen, others)]
    (start, one), (_, other) = found
    assert set(one.networks["2+"]["b"]) == {"params", "batch_stats"}
    for a, b in zip(jax.tree.leaves(one.networks), jax.tree.leaves(other.networks), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert jax.tree.structure(one.networks) == jax.tree.structure(other.networks)
    moved = (
        one.networks["2+"]["a"]["batch_stats"]["norm"]["mean"]
        - start.base["a"]["batch_stats"]["norm"]["mean"]
    )
    assert (np.abs(moved).max() > 0.01) == (choice == "moves")
