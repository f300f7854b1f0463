"""Linear heads on features: against scipy's optimum, and features against plain Flax."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.engine.optima import CLASSES, clouds, logits, optimum
from tests.running.pretrained import NAMES, network, weights
from transfer_jax.data.order import ColumnInputs, DeviceImages
from transfer_jax.engine.features import FeatureProgram
from transfer_jax.engine.logistic import FIXED_STRENGTH, STRENGTHS, axes_of
from transfer_jax.engine.probing import Examples, probe
from transfer_jax.engine.view import View
from transfer_jax.models.linen_layers import from_linen


@pytest.mark.parametrize(("count", "features"), [(200, 6), (40, 60)])
def test_a_head_is_scipys(count, features):
    train, validation, test = (clouds(count, features, seed) for seed in range(3))
    found = probe(train, validation, test, CLASSES)
    own = optimum(train, found.strength)
    np.testing.assert_allclose(logits(found.linear, test), logits(own, test), atol=0.02)
    assert np.array_equal(found.right == 1, logits(own, test).argmax(1) == test.labels)
    shifted = logits(own, test) - np.log(np.exp(logits(own, test)).sum(1, keepdims=True))
    expected = -shifted[np.arange(count), test.labels]
    np.testing.assert_allclose(found.loss, expected, atol=0.02)


def test_the_strength_is_the_best_on_validation_images_and_of_equals_the_greatest():
    train, validation, test = (
        clouds(count, 20, seed, correlated=False) for seed, count in enumerate((60, 300, 50))
    )
    right = [
        int((logits(optimum(train, s), validation).argmax(1) == validation.labels).sum())
        for s in STRENGTHS
    ]
    found = probe(train, validation, test, CLASSES)
    # An image may lie on the border to the last digit.
    assert dict(zip(STRENGTHS, right, strict=True))[found.strength] >= max(right) - 1
    assert min(right) - 1 <= found.validation_right.sum() <= max(right) + 1
    assert min(right) < max(right) - 10
    easy = Examples(np.eye(CLASSES, dtype=np.float32), np.arange(CLASSES))
    assert probe(easy, easy, easy, CLASSES).strength == max(STRENGTHS)


@pytest.mark.slow
def test_no_image_flatters_the_strength_that_it_chose():
    """Of labels that nothing tells, half are right; of the best strength on them it is more."""
    random, counted, best = np.random.default_rng(0), [], []
    for _ in range(60):
        train, validation = (
            Examples(random.normal(size=(n, 8)).astype(np.float32), random.integers(2, size=n))
            for n in (40, 50)
        )
        counted.append(probe(train, validation, validation, 2).validation_right.mean())
        heads = [logits(optimum(train, s), validation).argmax(1) for s in STRENGTHS]
        best.append(max(np.mean(head == validation.labels) for head in heads))
    error = 0.5 / np.sqrt(60 * 50)
    assert abs(np.mean(counted) - 0.5) < 3 * error
    assert np.mean(best) - 0.5 > 3 * error


def test_without_validation_images_the_strength_is_fixed():
    none = Examples(np.zeros((0, 6), np.float32), np.zeros(0, int))
    found = probe(clouds(50, 6), none, clouds(50, 6, 1), CLASSES)
    assert found.strength == FIXED_STRENGTH and len(found.validation_right) == 0


def test_a_wider_program_solves_the_same():
    parts = [clouds(80, 6, seed) for seed in range(3)]
    narrow, wide = probe(*parts, CLASSES), probe(*parts, CLASSES, 50)
    np.testing.assert_allclose(narrow.linear.kernel, wide.linear.kernel, rtol=1e-3, atol=1e-3)
    assert narrow.linear.kernel.shape == wide.linear.kernel.shape == (6, CLASSES)


@pytest.mark.parametrize(("count", "features"), [(40, 15), (15, 40)])
def test_the_axes_are_those_of_a_singular_value_decomposition(count, features):
    x = clouds(count, features).features.astype(float)
    axes = axes_of(x)
    centred = (x - x.mean(0)) / np.sqrt(x.var(0).mean())
    _, lengths, turn = np.linalg.svd(centred, full_matrices=False)
    many = min(features, count - 1)
    along = axes.of(x)
    assert along.shape == (count, many)
    together = along.T @ along / count
    np.testing.assert_allclose(together, np.diag(lengths[:many][::-1] ** 2 / count), atol=1e-7)
    agreed = np.abs(turn[:many][::-1] @ axes.turn) * np.sqrt(x.var(0).mean())
    np.testing.assert_allclose(agreed, np.eye(many), atol=1e-4)


@pytest.mark.slow
def test_features_that_never_differ_have_no_part():
    train = clouds(50, 6)
    still = np.c_[train.features, np.full(50, 7.0)].astype(np.float32)
    found = probe(*[Examples(still, train.labels)] * 3, CLASSES)
    np.testing.assert_allclose(found.linear.kernel[6], 0, atol=1e-6)
    nothing = Examples(np.ones((5, 3), np.float32), np.arange(5) % CLASSES)
    assert axes_of(nothing.features).turn.shape == (3, 1)
    np.testing.assert_allclose(probe(*[nothing] * 3, CLASSES).linear.kernel, 0)
    wide = Examples(np.ones((3, 5), np.float32), np.arange(3))
    assert axes_of(wide.features).turn.shape == (5, 1)
    np.testing.assert_allclose(probe(*[wide] * 3, CLASSES).linear.kernel, 0)


def test_features_are_those_of_plain_flax():
    held, images = weights(), jax.random.randint(jax.random.key(0), (5, 28, 28, 1), 0, 256)
    images = images.astype(jnp.uint8)
    batches = np.array([[3, 1], [0, -1]])
    zeros = np.zeros((1, 1), np.int32)
    inputs = ColumnInputs(
        zeros, zeros, zeros, np.arange(7), zeros, np.full((28, 28, 1), 3.0), np.float32(0.1), zeros
    )
    program = FeatureProgram(network(7), (1, 3, 4), View())
    fed = [DeviceImages(images, jnp.zeros(5, jnp.int32))] * 2
    seen = []
    found = program.all(held, fed, batches, inputs, lambda: seen.append(1))
    assert len(seen) == 2
    x = (np.asarray(images, np.float32)[[3, 1, 0]] - 3.0) * 0.1
    for n, name in enumerate(NAMES[:-1], 1):
        layer, own = network(7).layers[name], held[name]
        x = layer.apply(own, x, train=False)
        if n in (1, 3):
            np.testing.assert_allclose(found[n], x.mean((1, 2)), atol=1e-5)
    norm = nn.LayerNorm().apply({"params": held["head"]["params"]["norm"]}, x.mean((1, 2)))
    np.testing.assert_allclose(found[4], norm, atol=1e-5)
    assert set(found) == {1, 3, 4}


def test_features_of_other_shapes():
    """Of tokens their mean; of vectors these; below a last layer that is no dense layer, too."""
    layers = [
        ("tokens", lambda x: x.reshape(2, 4, 3)),
        ("vectors", lambda x: x[:, 0]),
        ("top", abs),
    ]
    net = from_linen(layers)
    x = jnp.arange(24.0).reshape(2, 2, 2, 3)
    program = FeatureProgram(net, (1, 2), View())
    variables = net.init(jax.random.key(0), x)
    images = DeviceImages(x.astype(jnp.uint8), jnp.zeros(2, jnp.int32))
    zeros = np.zeros((1, 1), np.int32)
    inputs = ColumnInputs(*[zeros] * 5, np.zeros((2, 2, 3)), np.float32(1), zeros)
    found = program.of(variables, images, np.array([[0, 1]]), np.int32(0), inputs)
    np.testing.assert_allclose(found[1], np.arange(24.0).reshape(2, 4, 3).mean(1))
    np.testing.assert_allclose(found[2], [[0, 1, 2], [12, 13, 14]])
