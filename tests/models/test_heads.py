"""The dense layer that a network ends in, and what enters it, found in networks of every kind."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from transfer_jax.models.caffenet import CaffeNet
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.linen_layers import from_linen
from transfer_jax.models.nnx_layers import from_nnx
from transfer_jax.models.zoo import ZOO


class OwnHead(nn.Module):
    """A dense layer before the last one, which is not to be taken for it."""

    factor: float = 1.0

    @nn.compact
    def __call__(self, x):
        x = nn.BatchNorm(use_running_average=True, name="norm")(nn.Dense(6, name="first")(x))
        x = nn.Dense(3, name="last")(x)
        return x if self.factor == 1 else self.factor * x


class NnxHead(nnx.Module):
    def __init__(self, *, rngs):
        self.first, self.last = nnx.Linear(4, 6, rngs=rngs), nnx.Linear(6, 3, rngs=rngs)

    def __call__(self, x):
        return self.last(nnx.relu(self.first(x)))


class NnxOdd(NnxHead):
    def __call__(self, x):
        return 2 * super().__call__(x)


NETWORKS = {
    "convnet": (ConvNet(3), (28, 28, 1), ()),
    "caffenet": (CaffeNet(3, width=0.125), (67, 67, 3), ()),
    "resnet18": (ZOO["resnet18"](3), (32, 32, 3), ("fc",)),
    "vit": (ZOO["vit_tiny_patch16_224"](3), (32, 32, 3), ("head",)),
    "dense": (from_linen([("a", nn.Dense(4)), ("b", nn.Dense(3))]), (5,), ()),
    "own": (from_linen([("a", nn.Dense(4)), ("b", OwnHead())]), (5,), ("last",)),
    "nnx": (from_nnx([("a", partial(nnx.Linear, 5, 4)), ("b", NnxHead)]), (5,), ("last",)),
    "nnx dense": (from_nnx([("a", partial(nnx.Linear, 5, 4))]), (5,), ()),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n == "caffenet" else n for n in NETWORKS]
)
def test_logits_are_a_dense_layer_of_what_is_found(name):
    net, shape, path = NETWORKS[name]
    x = jax.random.normal(jax.random.key(0), (2, *shape))
    variables = net.init(jax.random.key(1), x)
    last = len(net.layer_names) - 1
    entered, _ = net.apply(variables, x, 0, last)
    assert net.head_leaves(variables, jax.eval_shape(lambda: entered)) == path
    dense = variables[net.layer_names[-1]]["params"]
    for step in path:
        dense = dense[step]
    # Kernels of zeros would hide a mistake.
    dense["kernel"] = jax.random.normal(jax.random.key(2), dense["kernel"].shape)
    features = jax.jit(net.head_input)(variables, entered)
    expected, _ = net.apply(variables, entered, last)
    np.testing.assert_allclose(
        features @ dense["kernel"] + dense["bias"], expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "net",
    [
        from_linen([("a", nn.Dense(4)), ("last one", nn.relu)]),
        from_linen([("a", nn.Dense(4)), ("last one", OwnHead(2.0))]),
        from_nnx([("a", partial(nnx.Linear, 5, 4)), ("last one", NnxOdd)]),
        from_nnx([("a", partial(nnx.Linear, 5, 4)), ("last one", jnp.tanh)]),
    ],
)
def test_a_network_that_ends_otherwise_says_so(net):
    x = jnp.ones((2, 5))
    variables = net.init(jax.random.key(0), x)
    entered, _ = net.apply(variables, x, 0, 1)
    for find in (net.head_input, net.head_leaves):
        with pytest.raises(ValueError, match="last one, does not end in a dense layer; allowed"):
            find(variables, entered)
