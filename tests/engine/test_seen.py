"""What the trunk gives may be computed at each step or kept: the steps above it are the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import NUM_LAYERS
from transfer_jax.data.order import Batch
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Cut
from transfer_jax.models.convnet import ConvNet

from .test_step import TX, start_of

CUTS = (Cut(2, False), Cut(3, False), Cut(NUM_LAYERS - 1, False))


class Cache:
    """Activations of every image, computed once in batches of one size."""

    def __init__(self, see, images, size):
        count = len(images.labels)
        padded = np.arange(-(-count // size) * size) % count
        parts = [
            jax.device_get(see(Batch(images.images[own], images.labels[own])))
            for own in padded.reshape(-1, size)
        ]
        self.held = {n: np.concatenate([part[n] for part in parts])[:count] for n in parts[0]}

    def __getitem__(self, examples):
        return {depth: jnp.asarray(own[examples]) for depth, own in self.held.items()}


@pytest.fixture(scope="module")
def column(whole_column, network, init, split, recipe):
    program = ColumnProgram(network, CUTS, TX)
    start = start_of(whole_column, network, init, split, recipe)
    return program, start, {name: start.base[name] for name in program.base_layers}


def batch_of(images, examples):
    return Batch(images.images[examples], images.labels[examples])


def test_activations_are_kept_only_where_conditions_begin(column, device_images):
    program, start, base = column
    batch = batch_of(device_images, np.arange(4))
    seen = program.see(base, batch, start.inputs)
    assert sorted(seen) == [2, 3, 5]
    x = (batch.images.astype(jnp.float32) - start.inputs.mean) * start.inputs.scale
    for depth, own in seen.items():
        expected, _ = program.network.apply(start.base, x, 0, depth)
        np.testing.assert_allclose(own, expected, atol=1e-5)


def test_training_on_kept_activations_is_training_to_the_bit(column, recipe, device_images):
    program, start, base = column
    inputs = start.inputs
    see = jax.jit(lambda batch: program.see(base, batch, inputs))
    learn = jax.jit(lambda state, seen, classes: program.learn(state, base, seen, classes, inputs))
    cache = Cache(see, device_images, recipe.batch_size)
    found = []
    for kept in (False, True):
        state, losses = program.init(start.networks), []
        for step in range(recipe.steps):
            batch = batch_of(device_images, inputs.train_batches[step])
            seen = cache[inputs.train_batches[step]] if kept else see(batch)
            state, metrics = learn(state, seen, batch.labels)
            losses.append(np.asarray(metrics.loss))
        found.append((jax.device_get(state), losses))
    jax.tree.map(np.testing.assert_array_equal, *found)
    assert np.ptp(np.stack(found[0][1]), axis=0).min() > 0


def test_seeing_and_learning_apart_is_the_step(column, device_images):
    """One program or two: XLA sums in another order where it can fuse across."""
    program, start, base = column
    state = program.init(start.networks)
    whole, metrics = jax.jit(program.train)(state, base, device_images, start.inputs)
    batch = batch_of(device_images, start.inputs.train_batches[0])
    seen = jax.jit(program.see)(base, batch, start.inputs, state.step)
    apart, other = jax.jit(program.learn)(state, base, seen, batch.labels, start.inputs)
    for a, b in zip(
        jax.tree.leaves((whole, metrics)), jax.tree.leaves((apart, other)), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=3e-6)


def test_what_is_seen_in_training_depends_on_the_step_and_in_evaluation_does_not(
    whole_column, split, recipe, device_images
):
    network = ConvNet(3, widths=(4, 6, 6, 6), dense_widths=(8,), dropout=0.5)
    init = jax.jit(lambda key: network.init(key, jnp.zeros((1, 12, 12, 1))))
    start = start_of(whole_column, network, init, split, recipe)
    program = ColumnProgram(network, CUTS, TX, mirror=True, shift=2)
    base = {name: start.base[name] for name in program.base_layers}
    batch = batch_of(device_images, np.arange(8))
    see = jax.jit(program.see)
    first, again, second = (see(base, batch, start.inputs, step) for step in (0, 0, 1))
    for depth in first:
        np.testing.assert_array_equal(first[depth], again[depth])
        assert np.abs(first[depth] - second[depth]).max() > 1e-3
    still = see(base, batch, start.inputs)
    x = (batch.images.astype(jnp.float32) - start.inputs.mean) * start.inputs.scale
    np.testing.assert_allclose(still[5], network.apply(start.base, x, 0, 5)[0], atol=1e-5)
