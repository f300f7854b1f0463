"""What would go wrong in silence in a network of one's own is told when it is tried."""

import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.linen_layers import LayerStack
from transfer_jax.models.own_layers import from_layers, from_made
from transfer_jax.models.trial import try_network

SHAPE = (8, 8, 3)
KEPT: dict = {}


def flat(x):
    return x.reshape(len(x), -1)


def keeps(x):
    KEPT["x"] = x
    return x


def adds(x):
    return x + KEPT["x"]


class Keeps(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Dense(6)(x)
        KEPT["x"] = x
        return x


class Always(nn.Module):
    """It would normalise by the batch, and is told not to."""

    @nn.compact
    def __call__(self, x):
        return nn.BatchNorm(use_running_average=False)(x)


class Constant(nn.Module):
    """Numbers from elsewhere, where fresh ones are asked for."""

    @nn.compact
    def __call__(self, x):
        table = np.random.default_rng(0).normal(size=(x.shape[-1], 4)).astype(np.float32)
        return x @ self.param("kernel", lambda _: jnp.asarray(table))


class Loses(LayerStack):
    """It forgets what a cut is."""

    def apply(self, variables, x, start=0, stop=None, **known):
        x, changed = super().apply(variables, x, start, stop, **known)
        return (x if start == 0 or stop is not None else 2 * x), changed


class Foreign:
    """Not a stack of ours: it has the three parts, and no more."""

    def __init__(self, network):
        self.network, self.layer_names = network, network.layer_names
        self.init, self.apply = network.init, network.apply


HEAD = ("head", nn.Dense(3, kernel_init=nn.initializers.zeros))
FLAT = ("flat", flat)


@pytest.mark.parametrize(
    "network",
    [
        ConvNet(3),
        from_layers([FLAT, ("norm", nn.BatchNorm()), ("drop", nn.Dropout(0.5)), HEAD]),
        from_layers([FLAT, ("norm", Always()), HEAD]),
        # A residual connection within one layer; numbers that begin as zeros are tried as others.
        from_layers([FLAT, ("block", lambda x: x + jnp.tanh(x)), HEAD]),
        from_made(lambda rngs: [FLAT, ("fc", nnx.Linear(192, 3, rngs=rngs))]),
        Foreign(from_layers([FLAT, HEAD])),
    ],
)
def test_a_sound_network_passes(network):
    try_network(network, SHAPE)


def test_a_small_layer_may_be_dead_by_chance():
    """A single unit is, for both images, in some of these starts and not in others."""
    layers = [FLAT, ("low", nn.Dense(1)), ("relu", nn.relu), HEAD]
    network = from_layers(layers)
    x = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)[:2]
    init = jax.jit(network.init)
    left = [network.apply(init(jax.random.key(i), x), x, 0, 3)[0] for i in range(9)]
    assert 0 < sum(bool((a[0] == a[1]).all()) for a in left) < 9
    try_network(network, SHAPE)


SKIP = "allowed: a connection that skips layers within one layer: join these and what lies between"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([FLAT, ("low", keeps), ("mid", jnp.tanh), ("sum", adds), HEAD],
         f"layer sum reads what layer low left behind; {SKIP}"),
        ([FLAT, ("low", Keeps()), ("mid", nn.Dense(6)), ("sum", adds), HEAD],
         f"layer sum reads what layer low left behind; {SKIP}"),
        ([FLAT, ("fixed", Constant()), HEAD],
         "layer fixed begins with the same numbers for every seed; allowed: fresh ones"),
        ([FLAT, ("all", lambda x: x.reshape(-1)), HEAD], "layer all makes 384 of 2 images"),
        ([FLAT, ("log", lambda x: jnp.log(x)), HEAD], "layer log gives numbers that are not fin"),
        ([FLAT, ("dead", nn.relu), ("shut", lambda x: jnp.minimum(x, 0)), HEAD],
         "layer shut gives the same numbers for different images"),
        ([FLAT, ("less", lambda x: x - x.mean(0)), HEAD],
         "layer less gives an image other numbers when other images stand beside it"),
    ],
)  # fmt: skip
def test_what_is_unsound_is_told_by_the_layers_name(layers, message):
    network = from_layers(layers)
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        try_network(network, SHAPE)
    assert "\n" not in str(raised.value)


def test_a_network_that_is_no_stack_is_run_from_every_cut():
    loses = Foreign(Loses({"flat": flat, "low": nn.Dense(4), "head": nn.Dense(3)}))
    with pytest.raises(ValueError, match="cut after 1 layers, the network gives other logits"):
        try_network(loses, SHAPE)


def test_a_layer_that_is_not_the_same_in_every_program_is_told():
    calls = []

    def counts(x):
        calls.append(1)
        return x * len(calls)

    with pytest.raises(ValueError, match="layer count gives other numbers by itself than in"):
        try_network(from_layers([FLAT, ("count", counts), HEAD]), SHAPE)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (lambda x: (x, x), "layer top gives tuple; allowed: one array"),
        (lambda x: None, "layer top gives nothing; allowed: one array"),
        (lambda x: x[:, :0], "layer top leaves no pixel"),
    ],
)
@pytest.mark.parametrize("low", [nn.Dense(4), lambda rngs: nnx.Linear(192, 4, rngs=rngs)])
def test_what_leaves_a_layer_is_one_array(low, last, message):
    network = from_layers([FLAT, ("low", low), ("top", last)])

    def whole():
        x = jnp.zeros((1, *SHAPE))
        return network.apply(network.init(jax.random.key(0), x), x)

    with pytest.raises(ValueError, match=message):
        jax.eval_shape(whole)


def test_an_array_of_the_model_that_a_function_reads_is_told():
    """It would be neither trained nor kept."""

    def make(rngs=None):
        rngs = rngs or nnx.Rngs(0)
        head = nnx.Linear(192, 3, rngs=rngs)
        return [FLAT, ("fc", nn.Dense(192)), ("head", lambda x: head(x))]

    for network in (from_made(make), from_layers(make())):
        with pytest.raises(ValueError, match="layer head reads an array that is not its own"):
            try_network(network, SHAPE)
