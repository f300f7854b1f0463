"""One head on many layers: what it keeps, what it is worth, and scipy's optimum on the same."""

import numpy as np
import pytest

from tests.engine.optima import CLASSES, clouds, logits, optimum
from transfer_jax.engine.all_layers import FIXED_SHARE, SHARES, head_on_all_layers
from transfer_jax.engine.logistic import FIXED_STRENGTH
from transfer_jax.engine.probing import Examples, probe

BLOCKS = (60, 90, 50)
# Layers of the network differ in scale by far.
SCALES = np.repeat([1000.0, 1.0, 0.001], BLOCKS)
# A bit of the class is told in the first layer, and the other one in the last.
TELLING = (17, 171)


def two_bits(count: int, seed: int, scales: np.ndarray = SCALES) -> Examples:
    """Noise of all layers, but for two features that each say half of what the class is."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    x = random.normal(size=(count, sum(BLOCKS)))
    for bit, column in enumerate(TELLING):
        x[:, column] = 4.0 * (2 * (labels >> bit & 1) - 1) + 0.1 * random.normal(size=count)
    return Examples((x * scales).astype(np.float32), labels)


def kept_by(found) -> list[int]:
    return np.flatnonzero(found.linear.kernel.any(axis=1)).tolist()


def scaled(examples: Examples, units: np.ndarray) -> Examples:
    return examples._replace(features=(examples.features / units).astype(np.float32))


def units_of(features: np.ndarray, blocks: tuple[int, ...]) -> np.ndarray:
    """By hand: of each layer one number, the root of the mean of its features' variances."""
    found, begin = [], 0
    for width in blocks:
        own = features[:, begin : begin + width].astype(float)
        found += [np.sqrt(np.mean([own[:, i].var() for i in range(width)]))] * width
        begin += width
    return np.array(found)


@pytest.mark.slow
def test_what_tells_the_classes_is_kept_and_no_layer_alone_can():
    train, validation, test = (two_bits(300, seed) for seed in range(3))
    found = head_on_all_layers(train, validation, test, CLASSES, BLOCKS)
    assert kept_by(found) == list(TELLING) and found.right.mean() == 1.0
    assert found.validation_right.mean() == 1.0
    begin = 0
    for width in BLOCKS:
        own = [
            e._replace(features=e.features[:, begin : begin + width])
            for e in (train, validation, test)
        ]
        assert probe(*own, CLASSES, sum(BLOCKS)).right.mean() < 0.6
        begin += width


def test_the_head_is_of_features_as_they_are():
    train, validation, test = (two_bits(300, seed) for seed in range(3))
    found = head_on_all_layers(train, validation, test, CLASSES, BLOCKS)
    own = logits(found.linear, test)
    assert np.array_equal(own.argmax(1) == test.labels, found.right == 1)
    shifted = own - np.log(np.exp(own).sum(1, keepdims=True))
    np.testing.assert_allclose(-shifted[np.arange(300), test.labels], found.loss, atol=1e-4)


@pytest.mark.parametrize("count", [120, 30])
def test_a_head_is_scipys_on_what_scipys_ranking_keeps(count):
    """More images than features, and fewer; without validation images nothing is chosen."""
    blocks = (20, 25, 5)
    train, test = (clouds(count, sum(blocks), seed) for seed in (0, 1))
    none = Examples(np.zeros((0, sum(blocks)), np.float32), np.zeros(0, int))
    found = head_on_all_layers(train, none, test, CLASSES, blocks)
    assert found.strength == FIXED_STRENGTH and len(found.validation_right) == 0
    units = units_of(train.features, blocks)
    kernel, _ = optimum(scaled(train, units), FIXED_STRENGTH)
    many = round(FIXED_SHARE * sum(blocks))
    best = np.sort(np.argsort(-np.linalg.norm(kernel, axis=1))[:many])
    assert kept_by(found) == best.tolist()
    own, seen = (
        e._replace(features=scaled(e, units).features[:, best]) for e in (train, test)
    )  # fmt: skip
    expected = logits(optimum(own, FIXED_STRENGTH), seen)
    np.testing.assert_allclose(logits(found.linear, test), expected, atol=0.02)


@pytest.mark.slow
def test_the_scale_of_a_layer_is_nothing():
    plain, moved = (
        head_on_all_layers(*[two_bits(200, seed, scales) for seed in range(3)], CLASSES, BLOCKS)
        for scales in (np.ones(sum(BLOCKS)), SCALES)
    )
    assert kept_by(plain) == kept_by(moved)
    np.testing.assert_allclose(
        plain.linear.kernel, moved.linear.kernel * SCALES[:, None], rtol=1e-3
    )


@pytest.mark.slow
def test_where_all_features_tell_something_all_are_kept():
    """Of each feature alone little is known, and of a few not much more."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(CLASSES, 60))

    def some(count):
        labels = random.integers(0, CLASSES, count)
        x = 0.5 * centres[labels] + random.normal(size=(count, 60))
        return Examples(x.astype(np.float32), labels)

    found = head_on_all_layers(some(600), some(600), some(600), CLASSES, (30, 30))
    assert SHARES[-1] == 1.0 and len(kept_by(found)) == 60


def test_no_image_flatters_the_share_that_it_chose():
    """Of labels that nothing tells, half are right; of the best of all choices it is more."""
    random, counted, best = np.random.default_rng(0), [], []
    for _ in range(40):
        train, validation = (
            Examples(random.normal(size=(n, 12)).astype(np.float32), random.integers(2, size=n))
            for n in (40, 50)
        )
        found = head_on_all_layers(train, validation, validation, 2, (6, 6))
        counted.append(found.validation_right.mean())
        best.append(found.right.mean())
    error = 0.5 / np.sqrt(40 * 50)
    assert abs(np.mean(counted) - 0.5) < 3 * error
    assert np.mean(best) - 0.5 > 3 * error


@pytest.mark.slow
def test_one_feature_one_class_and_features_that_never_differ():
    cases = (((1,), np.ones((5, 1)), 2), ((1, 5), np.ones((5, 6)), 3), ((2, 3), np.eye(5), 1))
    for blocks, x, classes in cases:
        some = Examples(x.astype(np.float32), np.arange(5) % classes)
        found = head_on_all_layers(some, some, some, classes, blocks)
        assert np.isfinite(found.linear.kernel).all() and np.isfinite(found.loss).all()
