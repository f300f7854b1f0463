"""What one step shows its networks, and what it tells of them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from transfer_jax.data.augment import random_mirror
from transfer_jax.data.crops import random_crop, random_shift
from transfer_jax.data.order import Batch, ColumnInputs
from transfer_jax.engine.columns import column_order
from transfer_jax.engine.condition import ConditionProgram
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Cut, Variant
from transfer_jax.grid.keys import fold_in_name
from transfer_jax.models.layered import INFERENCE, mode_of

SGD = optax.sgd(0.1)
KEY = np.array([0, 7], np.uint32)
WHOLE = {name: {"params": jnp.zeros(1)} for name in "abcde"}
BASE = {"a": WHOLE["a"]}


class Noting:
    """Five layers that change nothing; the last one flattens. Notes what comes in, and how."""

    layer_names = tuple("abcde")

    def __init__(self):
        self.calls = []

    def apply(self, variables, x, start=0, stop=None, *, mode=INFERENCE, rngs=None):
        names = self.layer_names[start:stop]
        dropout = {name: mode_of(mode, name).dropout for name in names}
        self.calls.append((dropout, np.asarray(x)))
        self.rngs = rngs
        return x.reshape(len(x), -1) if "e" in names else x, {}


@pytest.mark.parametrize("frozen_dropout", [True, False])
def test_dropout_of_frozen_layers_above_the_trunk_too(frozen_dropout):
    network = Noting()
    cut = Cut(2, False, Variant("odd", (0, 1), (0, 3)))
    condition = ConditionProgram(network, cut, SGD, frozen_dropout)
    labels = jnp.zeros(1, jnp.int32)
    condition.step(condition.init(WHOLE), BASE, jnp.zeros((1, 2)), labels, {})
    ((found, _),) = network.calls
    assert found == {"b": True, "c": True, "d": frozen_dropout, "e": True}
    network.calls.clear()
    condition.logits({}, {}, jnp.zeros((1, 2)))
    ((found, _),) = network.calls
    assert found == dict.fromkeys("bcde", False)


@pytest.mark.parametrize("frozen_dropout", [True, False])
def test_dropout_of_the_trunk_in_training_only(frozen_dropout):
    network = Noting()
    program = ColumnProgram(network, (Cut(3, False),), SGD, frozen_dropout=frozen_dropout)
    batch = Batch(jnp.asarray(IMAGES), jnp.zeros(60, jnp.int32))
    inputs = column_inputs_of(IMAGES, np.zeros((1, 60), np.int32))
    for step, dropout in ((jnp.int32(0), frozen_dropout), (None, False)):
        network.calls.clear()
        found = program.see({}, batch, inputs, step)
        assert [call[0] for call in network.calls] == [{name: dropout} for name in "abc"]
        assert set(found) == {3}


def seen(images, program_options, train=True):
    """What comes into the first layer of one batch of images, mean 0 and scale 1."""
    network = Noting()
    program = ColumnProgram(network, (Cut(1, False),), SGD, **program_options)
    numbers = np.zeros((1, len(images)), np.int32)
    inputs = column_inputs_of(images, numbers)
    batch = Batch(jnp.asarray(images), jnp.zeros(len(images), jnp.int32))
    state = program.init({"1": WHOLE})
    if train:
        program.train(state, BASE, batch, inputs)
    else:
        program.evaluate(program.no_counts(), state.conditions, BASE, batch, inputs)
    return network.calls[0][-1]


def column_inputs_of(images, numbers):
    return ColumnInputs(
        train_batches=numbers,
        validation_batches=numbers,
        test_batches=numbers,
        ranks=np.zeros(1, np.int32),
        class_sizes=np.full((2, 1), len(images), np.int32),
        mean=np.zeros(images.shape[1:], np.float32),
        scale=np.float32(1),
        key=KEY,
    )


IMAGES = np.random.default_rng(0).integers(1, 256, (60, 5, 5, 1)).astype(np.uint8)


def windows(images, size, pad=0):
    """Every square of a size in each image, with a border of zeros: image, place, pixels."""
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0))).astype(np.float32)
    places = range(padded.shape[1] - size + 1)
    return np.stack([padded[:, i : i + size, j : j + size] for i in places for j in places], 1)


def place_of(found, possible):
    """The number of the one possible picture that each found one is."""
    same = (found[:, None] == possible).all(axis=(2, 3, 4))
    assert (same.sum(axis=1) == 1).all()
    return same.argmax(axis=1)


def test_training_images_are_shifted_as_far_as_the_program_says():
    places = place_of(seen(IMAGES, {"shift": 1}), windows(IMAGES, 5, pad=1))
    assert set(places.tolist()) == set(range(9))
    assert (seen(IMAGES, {}) == IMAGES).all()


def test_training_images_are_cropped_anywhere_and_test_images_in_the_middle():
    places = place_of(seen(IMAGES, {"crop": 3}), windows(IMAGES, 3))
    assert set(places.tolist()) == set(range(9))
    options = {"crop": 3, "shift": 1, "mirror": True}
    assert (seen(IMAGES, options, train=False) == IMAGES[:, 1:4, 1:4]).all()


def test_training_images_are_mirrored_about_every_second_time():
    both = np.stack([IMAGES, IMAGES[:, :, ::-1]], 1).astype(np.float32)
    assert 15 < place_of(seen(IMAGES, {"mirror": True}), both).sum() < 45


@pytest.mark.parametrize(
    ("name", "options", "draw"),
    [
        ("shift", {"shift": 1}, lambda key, x: random_shift(key, x, 1)),
        ("crop", {"crop": 3}, lambda key, x: random_crop(key, x, 3)),
        ("mirror", {"mirror": True}, random_mirror),
    ],
)
def test_each_draw_has_a_key_of_its_name(name, options, draw):
    """What is on disk was drawn with these keys: they stay as they are."""
    key = fold_in_name(jax.random.fold_in(jax.random.wrap_key_data(KEY), 0), name)
    expected = draw(key, jnp.asarray(IMAGES, jnp.float32))
    np.testing.assert_array_equal(seen(IMAGES, options), expected)


def test_dropout_has_one_too():
    network = Noting()
    program = ColumnProgram(network, (Cut(1, False),), SGD)
    state = program.init({"1": WHOLE})
    batch = Batch(jnp.asarray(IMAGES), jnp.zeros(60, jnp.int32))
    inputs = column_inputs_of(IMAGES, np.zeros((1, 60), np.int32))
    program.train(state._replace(step=jnp.int32(5)), BASE, batch, inputs)
    key = jax.random.fold_in(jax.random.wrap_key_data(KEY), 5)
    assert set(network.rngs) == {"dropout"}
    assert network.rngs["dropout"] == fold_in_name(key, "dropout")


class Linear:
    """Two layers, each a product with a matrix."""

    layer_names = ("a", "b")

    def apply(self, variables, x, start=0, stop=None, *, mode=INFERENCE, rngs=None):
        for name in self.layer_names[start:stop]:
            x = x.reshape(len(x), -1) @ variables[name]["params"]
        return x, {}


def test_a_step_tells_loss_and_score_before_it():
    random = np.random.default_rng(1)
    matrices = {"a": random.normal(0, 0.01, (25, 4)), "b": random.normal(size=(4, 3))}
    whole = {name: {"params": jnp.asarray(m, jnp.float32)} for name, m in matrices.items()}
    classes = random.integers(0, 3, len(IMAGES)).astype(np.int32)
    inputs = column_inputs_of(IMAGES, np.zeros((1, 60), np.int32))
    inputs = inputs._replace(ranks=np.array([2, 0, 1], np.int32))
    program = ColumnProgram(Linear(), (Cut(1, False), Cut(1, True)), SGD)
    minus = {"params": -whole["b"]["params"]}
    state = program.init({"1": whole, "1+": {"a": whole["a"], "b": minus}})
    batch = Batch(jnp.asarray(IMAGES), jnp.asarray(classes))
    state, told = program.train(state, {"a": whole["a"]}, batch, inputs)
    labels = inputs.ranks[classes]
    for i, sign in enumerate((1, -1)):
        logits = sign * IMAGES.reshape(60, -1).astype(float) @ matrices["a"] @ matrices["b"]
        assert told.score[i] == pytest.approx((logits.argmax(axis=1) == labels).mean())
        likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        surprise = -np.log(likely[np.arange(60), labels]).mean()
        assert told.loss[i] == pytest.approx(surprise, rel=1e-4)
    assert state.step == 1 and state.diverged.tolist() == [0, 0]
    assert told.score[0] != told.score[1]


def test_a_reduced_column_has_an_order_of_its_own(whole_column, split, recipe):
    """Its key is made of all that makes it other than another column."""
    whole = column_order(whole_column, split, recipe)
    found = {}
    for examples in (10, 20):
        order = column_order(replace(whole_column, examples=examples), split, recipe)
        assert len(order.examples) == 3 * examples
        found[examples] = order.words
    assert len({whole.words, *found.values()}) == 3


def test_a_class_of_fewer_images_gives_what_it_has(whole_column, split, recipe):
    whole = column_order(whole_column, split, recipe)
    more = column_order(replace(whole_column, examples=31), split, recipe)
    np.testing.assert_array_equal(more.examples, whole.examples)
