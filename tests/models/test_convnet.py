import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.layered import suffix

X = jax.random.normal(jax.random.key(1), (4, 12, 12, 1))
NET = ConvNet(3, widths=(4, 6, 6, 6), dense_widths=(8,), dropout=0.5)
PARAMS = NET.init(jax.random.key(0), X)
RNGS = {"dropout": jax.random.key(2)}


def test_parameters_are_keyed_by_layer_in_depth_order():
    assert tuple(PARAMS) == NET.layer_names == ("conv1", "conv2", "conv3", "conv4", "fc5", "fc6")
    assert {name: set(layer) for name, layer in PARAMS.items()} == {
        name: {"kernel", "bias"} for name in NET.layer_names
    }


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("start", range(7))
def test_a_suffix_with_its_own_parameters_equals_the_whole(start, train):
    rngs = RNGS if train else None
    whole = NET.apply(PARAMS, X, train=train, rngs=rngs)
    prefix_params = {name: PARAMS[name] for name in NET.layer_names[:start]}
    activation = NET.apply(prefix_params, X, 0, start, train=train, rngs=rngs)
    own = suffix(PARAMS, NET.layer_names, start)
    logits = NET.apply(own, activation, start, train=train, rngs=rngs)
    np.testing.assert_array_equal(logits, whole)


def test_dropout_is_on_in_training_only_and_keyed():
    a = NET.apply(PARAMS, X, train=True, rngs=RNGS)
    b = NET.apply(PARAMS, X, train=True, rngs={"dropout": jax.random.key(3)})
    np.testing.assert_array_equal(a, NET.apply(PARAMS, X, train=True, rngs=RNGS))
    assert jnp.abs(a - b).max() > 1e-3
    np.testing.assert_array_equal(NET.apply(PARAMS, X), NET.apply(PARAMS, X, rngs=RNGS))


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
    np.testing.assert_allclose(NET.apply(PARAMS, X), expected, atol=1e-5)


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
