"""A list of layers of any kind as a network, against the same modules used as they are."""

import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import transfer_jax as tj
from transfer_jax.models.layered import Mode
from transfer_jax.models.linen_layers import LayerStack
from transfer_jax.models.nnx_layers import NnxStack
from transfer_jax.models.own_layers import MixedStack, from_layers, from_made, variables_of
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.models.weights.reading import read_weights

X = jax.random.normal(jax.random.key(1), (4, 6, 6, 3))
SEEN = Preprocessing((0.5,) * 3, (0.25,) * 3, size=6)


class Residual(nnx.Module):
    def __init__(self, width, rngs):
        self.conv = nnx.Conv(width, width, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(width, momentum=0.5, rngs=rngs)

    def __call__(self, x):
        return x + nnx.relu(self.norm(self.conv(x)))


class Own(nnx.Module):
    """A reader's own model, as a whole."""

    def __init__(self, num_outputs, rngs):
        self.stem = nnx.Conv(3, 5, (3, 3), rngs=rngs)
        self.blocks = nnx.List([Residual(5, rngs), Residual(5, rngs)])
        self.head = nnx.Linear(5, num_outputs, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean((1, 2)))

    def layers(self):
        return [
            ("stem", self.stem), ("relu", nnx.relu), ("block1", self.blocks[0]),
            ("block2", self.blocks[1]), ("pool", lambda x: x.mean((1, 2))), ("head", self.head),
        ]  # fmt: skip


@pytest.fixture
def model():
    """Its own numbers, with statistics of its own."""
    model = Own(2, nnx.Rngs(3))
    for block in model.blocks:
        block.norm.mean[...] += 0.3
        block.norm.var[...] *= 2.0
    model.eval()
    return model


def test_modules_that_a_function_makes_give_the_models_logits_at_every_cut(model):
    network = from_made(lambda rngs: Own(2, rngs).layers())
    held = variables_of(model.layers())
    assert network.layer_names == ("stem", "relu", "block1", "block2", "pool", "head")
    fresh = network.init(jax.random.key(0), X)
    assert jax.tree.map(jnp.shape, fresh) == jax.tree.map(jnp.shape, held)
    for cut in range(len(network.layer_names) + 1):
        below, _ = network.apply(held, X, 0, cut)
        logits, _ = network.apply(held, below, cut)
        np.testing.assert_allclose(logits, model(X), atol=1e-6)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(network.apply(fresh, X)[0], model(X), atol=1e-2)


def test_its_statistics_are_those_that_the_model_learns(model):
    network, held = from_made(lambda rngs: Own(2, rngs).layers()), variables_of(model.layers())
    _, changed = network.apply(held, X, mode=Mode(statistics=True))
    model.train()
    model(X)
    now = variables_of(model.layers())
    for name in ("block1", "block2"):
        for leaf in ("mean", "var"):
            ours = changed[name]["batch_stats"]["norm"][leaf]
            theirs = now[name]["batch_stats"]["norm"][leaf]
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert set(changed) == {"block1", "block2"}


def test_every_key_gives_fresh_numbers_and_the_same_key_the_same():
    network = from_made(lambda rngs: Own(2, rngs).layers())
    init = jax.jit(network.init)
    a, again, b = (init(jax.random.key(key), X) for key in (0, 0, 1))
    assert not tj.diff(a, again)
    for name in ("stem", "head"):
        assert np.abs(a[name]["params"]["kernel"] - b[name]["params"]["kernel"]).max() > 0.05
    kernels = [a[name]["params"]["conv"]["kernel"] for name in ("block1", "block2")]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.05


def test_numbers_that_modules_hold_go_through_a_file(model, tmp_path):
    held = variables_of(model.layers())
    tj.save_tree(tmp_path / "own.safetensors", held)
    network = from_made(lambda rngs: Own(2, rngs).layers())
    like = network.init(jax.random.key(0), X)
    read = read_weights(tmp_path / "own.safetensors", "mine", like)
    np.testing.assert_allclose(network.apply(read, X)[0], model(X), atol=1e-6)


MIXED = [
    ("stem", nn.Conv(5, (3, 3))), ("norm", nn.BatchNorm()), ("relu", jnp.tanh),
    ("block", partial(Residual, 5)), ("pool", lambda x: x.mean((1, 2))), ("head", nn.Dense(2)),
]  # fmt: skip


def test_linen_nnx_and_functions_stand_in_one_list():
    network = from_layers(MIXED)
    variables = network.init(jax.random.key(0), X)
    assert isinstance(network, MixedStack)
    linen = {name: layer for name, layer in MIXED if isinstance(layer, nn.Module)}
    x = linen["stem"].apply(variables["stem"], X)
    x = jnp.tanh(nn.BatchNorm(use_running_average=True).apply(variables["norm"], x))
    own = variables["block"]["params"]
    x = x + jax.nn.relu(nn.Conv(5, (3, 3)).apply({"params": own["conv"]}, x) / np.sqrt(1 + 1e-5))
    logits = linen["head"].apply(variables["head"], x.mean((1, 2)))
    np.testing.assert_allclose(network.apply(variables, X)[0], logits, atol=1e-6)
    _, changed = network.apply(variables, X, mode=Mode(statistics=True))
    assert set(changed) == {"norm", "block"}


def test_layers_of_one_kind_are_a_network_of_that_kind():
    linen = [pair for pair in MIXED if pair[0] != "block"]
    assert isinstance(from_layers(linen), LayerStack)
    assert isinstance(from_layers([MIXED[2], MIXED[3]]), NnxStack)
    ready = from_layers(dict(linen))
    assert from_layers(ready) is ready and ready.preprocessing is None


@pytest.mark.parametrize("layers", [MIXED, dict(MIXED), tuple(MIXED), from_layers(MIXED)])
def test_what_it_wants_to_see_stands_beside_the_layers(layers):
    assert from_layers((layers, SEEN)).preprocessing == SEEN
    made = from_made(lambda rngs: (Own(2, rngs).layers(), SEEN))
    assert made.preprocessing == SEEN


def shares(rngs):
    low = Residual(3, rngs)
    return [("a", low), ("b", lambda x: x + 1), ("c", low)]


def holds_another(rngs):
    low, top = Residual(3, rngs), Residual(3, rngs)
    top.kept = low
    return [("a", low), ("b", top)]


DENSE = nn.Dense(2)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (shares, "layers a and c share conv/"),
        (holds_another, "layers a and b share kept/conv/"),
        ([("a", DENSE), ("b", DENSE), ("a", DENSE)], "two layers are called 'a'"),
        ([("a/b", DENSE)], "a layer is called 'a/b'; allowed: names without"),
        ([], "there is no layer; allowed: a list of"),
        ({}, "there is no layer; allowed: a list of"),
        ("abc", "str is no list of layers; allowed: a list of (name, layer) in depth order"),
        (None, "nothing is no list of layers"),
        (DENSE, "Dense is no list of layers"),
        ([DENSE], "layer 1 is Dense; allowed: a list of (name, layer)"),
        ([("a", DENSE), (3, DENSE)], "layer 2 is tuple; allowed"),
        ([("a", DENSE), ("b",)], "layer 2 is tuple; allowed"),
        ([("a", DENSE), ("b", 3)], "layer b is int; allowed: a Linen or NNX module, a function"),
        ([("a", nn.Dense)], "layer a is the class Dense; allowed: a Linen or NNX module"),
        ([("a", nnx.Linear(2, 2, rngs=nnx.Rngs(0)))], "layer a is a module of NNX that is made"),
    ],
)
def test_what_are_no_layers_is_told_in_one_line(layers, message):
    make = from_made if layers in (shares, holds_another) else from_layers
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        make(layers)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mean": 0.5}, "mean is 0.5; allowed: a tuple with a number for each channel"),
        ({"deviation": (0.5,)}, "deviation is (0.5,); allowed: a tuple"),
        ({"deviation": (0.5, 0.0, 1.0)}, "deviation holds 0.0; allowed: numbers above 0"),
        ({"crop_fraction": 1.5}, "crop_fraction is 1.5; allowed: above 0, up to 1"),
        ({"interpolation": "cubic"}, "interpolation is 'cubic'; allowed: bilinear, bicubic"),
    ],
)
def test_what_cannot_be_seen_is_refused(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Preprocessing(**{"mean": (0.5,) * 3, "deviation": (0.5,) * 3, **fields})
