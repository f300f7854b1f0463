"""Sums over examples come out the same, whatever XLA joins them with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.engine.counts import Counts, added, no_counts


def sums(losses, scores, weights, real) -> Counts:
    """What one batch adds to nothing."""
    return added(no_counts(len(losses)), losses, scores, weights, real)


@pytest.fixture(params=[1, 7, 16, 100])
def batch(request):
    """Three networks' losses and scores, weights, and which examples are real."""
    random = np.random.RandomState(request.param)
    losses = random.gamma(2.0, size=(3, request.param)).astype(np.float32)
    scores = random.randint(2, size=losses.shape).astype(np.float32)
    weights = random.uniform(0.1, 1, losses.shape[1]).astype(np.float32)
    return losses, scores, weights, np.arange(losses.shape[1]) < max(1, request.param - 3)


def test_they_are_sums_over_real_examples(batch):
    losses, scores, weights, real = batch
    found = jax.jit(sums)(*batch)
    np.testing.assert_allclose(found.loss, losses[:, real].sum(1, dtype=float), rtol=1e-6)
    wanted = (scores * weights)[:, real].sum(1, dtype=float)
    np.testing.assert_allclose(found.score, wanted, rtol=1e-6)
    np.testing.assert_allclose(found.weight, weights[real].sum(dtype=float), rtol=1e-6)
    assert (found.examples, found.batch) == (real.sum(), 1)


def test_of_examples_looked_up_or_given_they_are_the_same_to_the_bit(batch):
    """As of a dataset on the device, and of a batch that was read."""
    losses, scores, weights, real = batch
    order = np.random.RandomState(1).permutation(len(real))
    back = jnp.asarray(np.argsort(order))

    def looked_up(losses, scores, weights, real):
        return sums(losses[:, back], scores[:, back], weights[back], real[back])

    given = jax.jit(sums)(*batch)
    found = jax.jit(looked_up)(losses[:, order], scores[:, order], weights[order], real[order])
    jax.tree.map(np.testing.assert_array_equal, given, found)


def test_they_are_added_in_halves(batch):
    losses, *_, real = batch
    part = np.zeros((3, 128), np.float32)[:, : 1 << (len(real) - 1).bit_length()]
    part[:, : len(real)] = np.where(real, losses, 0)
    while part.shape[1] > 1:
        part = part[:, : part.shape[1] // 2] + part[:, part.shape[1] // 2 :]
    np.testing.assert_array_equal(jax.jit(sums)(*batch).loss, part[:, 0])
