"""Choices where the original had one way: whose mean, dropout below the cut, crops, a newer net."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import NUM_LAYERS
from tests.engine.test_step import TX
from transfer_jax.data.crops import centre_crop, random_crop
from transfer_jax.data.order import Batch
from transfer_jax.data.tasks import first_examples
from transfer_jax.engine.columns import column_inputs, initial_networks
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Column, Cut
from transfer_jax.models.caffenet import CaffeNet
from transfer_jax.models.convnet import ConvNet
from transfer_jax.running.bases import TrainedBase

ALMOST_ALL = Cut(NUM_LAYERS - 1, False)


@pytest.mark.parametrize("stays", [True, False])
def test_dropout_below_the_cut_stays_on_unless_it_is_said(stays, split, recipe, image_set):
    network = ConvNet(3, widths=(4, 6, 6, 6), dense_widths=(8,), dropout=0.5)
    init = jax.jit(lambda key: network.init(key, jnp.zeros((1, 12, 12, 1))))
    column = Column("halves", 0, "A", "B", (ALMOST_ALL,))
    base = init(jax.random.key(7))
    program = ColumnProgram(network, column.cuts, TX, frozen_dropout=stays)
    state = program.init(initial_networks(column, network.layer_names, init, base))
    inputs = column_inputs(column, split, recipe)
    batch = np.asarray(inputs.train_batches)[0]
    images = Batch(jnp.asarray(image_set.images[batch]), jnp.asarray(image_set.labels[batch]))
    kept = {name: base[name] for name in program.base_layers}
    step = jax.jit(program.train)
    losses = []
    for seed in (0, 1):
        key = jax.random.key_data(jax.random.key(seed))
        _, metrics = step(state, kept, images, inputs._replace(key=key))
        losses.append(float(metrics.loss[0]))
    # Only the last layer, which has no dropout, is above the cut.
    assert (losses[0] != losses[1]) == stays


@pytest.mark.parametrize(("mean", "task"), [("base", "A"), ("target", "B")])
def test_the_mean_image_is_the_bases_or_the_targets(mean, task, split, recipe, image_set, init):
    column = Column("halves", 0, "A", "B", (Cut(1, False),))
    recipe = replace(recipe, mean=mean, scale="none")
    base = TrainedBase("halves", split.task("A"), None, init)  # pyright: ignore
    inputs = column_inputs(column, split, recipe, base.mean(recipe))
    seen = first_examples(image_set.labels, image_set.is_train, split.task(task), 30)
    expected = image_set.images[seen].astype(np.float64).mean(0)
    np.testing.assert_allclose(inputs.mean, expected, rtol=1e-6)
    assert float(np.asarray(inputs.scale)) == 1.0


def test_a_random_crop_is_a_window_and_the_windows_differ():
    images = np.arange(2 * 9 * 8, dtype=np.float32).reshape(2, 9, 8, 1).repeat(20, 0)
    crops = np.asarray(random_crop(jax.random.key(0), jnp.asarray(images), 5))
    corners = set()
    for image, crop in zip(images, crops, strict=True):
        row, col = np.argwhere(image[..., 0] == crop[0, 0, 0])[0]
        np.testing.assert_array_equal(crop, image[row : row + 5, col : col + 5])
        corners.add((int(row), int(col)))
    assert {row for row, _ in corners} == set(range(5))
    assert {col for _, col in corners} == set(range(4))


@pytest.mark.parametrize(("side", "start"), [(256, 14), (257, 15)])
def test_the_centre_crop_is_the_middle(side, start):
    image = jnp.arange(float(side)).reshape(1, 1, side, 1).repeat(side, 1)
    crop = centre_crop(image, 227)
    assert crop.shape == (1, 227, 227, 1)
    assert float(crop[0, 0, 0, 0]) == start


def test_the_modern_network_has_the_same_layers_without_groups():
    modern, paper = CaffeNet(10, 1 / 16, modern=True), CaffeNet(10, 1 / 16)
    x = jax.random.normal(jax.random.key(0), (2, 67, 67, 3))
    params, theirs = (jax.jit(net.init)(jax.random.key(1), x) for net in (modern, paper))
    kernel = lambda own: own["conv2"]["params"]["kernel"]  # noqa: E731
    assert modern.layer_names == paper.layer_names
    assert kernel(params).shape[2] == 2 * kernel(theirs).shape[2]
    assert set(params["conv2"]["params"]) == {"kernel", "bias", "norm"}
    whole, _ = modern.apply(params, x)
    for n in (1, 5):
        first, _ = modern.apply({k: params[k] for k in modern.layer_names[:n]}, x, 0, n)
        rest, _ = modern.apply({k: params[k] for k in modern.layer_names[n:]}, first, n)
        np.testing.assert_allclose(rest, whole, rtol=1e-5, atol=1e-5)
    # Activations neither vanish nor explode from layer to layer, as the paper's do at this width.
    assert 0.1 < float(jnp.std(whole)) / float(jnp.std(x)) < 10
