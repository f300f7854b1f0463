import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.layered import TRAINING, params_of, statistics_of

X = jax.random.normal(jax.random.key(1), (4, 12, 12, 1))
NET = ConvNet(3, widths=(4, 6, 6, 6), dense_widths=(8,), dropout=0.5)
VARIABLES = NET.init(jax.random.key(0), X)
PARAMS, STATISTICS = params_of(VARIABLES), statistics_of(VARIABLES)
RNGS = {"dropout": jax.random.key(2)}


def test_parameters_are_keyed_by_layer_in_depth_order():
    assert tuple(PARAMS) == NET.layer_names == ("conv1", "conv2", "conv3", "conv4", "fc5", "fc6")
    assert STATISTICS == {}
    assert {name: set(layer) for name, layer in PARAMS.items()} == {
        name: {"kernel", "bias"} for name in NET.layer_names
    }


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("start", range(7))
def test_a_suffix_with_its_own_parameters_equals_the_whole(start, train):
    how = {"mode": TRAINING, "rngs": RNGS} if train else {}
    whole, _ = NET.apply(VARIABLES, X, **how)
    below = {name: VARIABLES[name] for name in NET.layer_names[:start]}
    activation, _ = NET.apply(below, X, 0, start, **how)
    own = {name: VARIABLES[name] for name in NET.layer_names[start:]}
    logits, _ = NET.apply(own, activation, start, **how)
    np.testing.assert_array_equal(logits, whole)


def test_dropout_is_on_in_training_only_and_keyed():
    a, again = (NET.apply(VARIABLES, X, mode=TRAINING, rngs=RNGS)[0] for _ in range(2))
    b, _ = NET.apply(VARIABLES, X, mode=TRAINING, rngs={"dropout": jax.random.key(3)})
    np.testing.assert_array_equal(a, again)
    assert jnp.abs(a - b).max() > 1e-3
    without, changed = NET.apply(VARIABLES, X, rngs=RNGS)
    np.testing.assert_array_equal(NET.apply(VARIABLES, X)[0], without)
    assert changed == {}


def test_logits_equal_those_of_the_network_written_in_plain_flax():
    x = X
    for name, pool in (("conv1", 2), ("conv2", 1), ("conv3", 1), ("conv4", 2)):
        kernel = PARAMS[name]["kernel"]
        strides = 2 if name == "conv1" else 1
        layer = nn.Conv(kernel.shape[-1], kernel.shape[:2], strides, padding=kernel.shape[0] // 2)
        x = nn.relu(layer.apply({"params": PARAMS[name]}, x))
        x = nn.max_pool(x, (pool, pool), (pool, pool))
    x = x.reshape(len(x), -1)
    x = nn.relu(nn.Dense(8).apply({"params": PARAMS["fc5"]}, x))
    expected = nn.Dense(3).apply({"params": PARAMS["fc6"]}, x)
    np.testing.assert_allclose(NET.apply(VARIABLES, X)[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pools": (2,)}, "pools has 1 values and widths 4"),
        ({"widths": (4, 0, 4, 4)}, "widths"),
        ({"kernel_sizes": (4, 3, 3, 3)}, "kernel_sizes.*odd"),
        ({"dropout": 1.5}, "dropout is 1.5"),
        ({"dense_widths": ("a",)}, "dense_widths"),
    ],
)
def test_a_network_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ConvNet(3, **settings)


def test_an_image_too_small_for_the_pooling_is_refused():
    with pytest.raises(ValueError, match="conv4 leaves no pixel"):
        ConvNet(3).init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)))
