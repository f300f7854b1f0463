"""Losses and scores against NumPy, alone and as the means that a column gives."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.engine.columns import column_inputs
from transfer_jax.engine.feeds import ResidentFeed
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, replicate
from transfer_jax.engine.objective import (
    BALANCED,
    CROSS_ENTROPY,
    SQUARED_ERROR,
    TOP1,
    TOP5,
    Measure,
    Objective,
    among_first,
)
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Cut

from .test_step import TX, start_of

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(200, 9)).astype(np.float32)
LABELS = GENERATOR.integers(0, 9, 200)


def by_numpy(measure: Measure, logits, labels):
    """Each example's number, written without JAX."""
    order = np.argsort(-logits, axis=1, kind="stable")
    if measure in (TOP1, BALANCED):
        return (order[:, 0] == labels).astype(float)
    if measure == TOP5:
        return np.array([label in own[:5] for label, own in zip(labels, order, strict=True)], float)
    if measure == CROSS_ENTROPY:
        wide = logits.astype(np.float64)
        own = wide[np.arange(len(wide)), labels]
        return np.log(np.exp(wide).sum(1)) - own
    return np.square(logits - np.eye(logits.shape[1])[labels]).sum(1)


@pytest.mark.parametrize(
    "measure", [TOP1, TOP5, CROSS_ENTROPY, SQUARED_ERROR], ids=lambda m: m.name
)
def test_each_example_has_the_number_that_numpy_finds(measure):
    found = measure.of_each(jnp.asarray(LOGITS), jnp.asarray(LABELS))
    np.testing.assert_allclose(found, by_numpy(measure, LOGITS, LABELS), rtol=1e-5)


def test_ties_and_what_is_no_number_are_never_better_than_the_largest():
    tied = jnp.zeros((3, 3))
    assert among_first(2)(tied, jnp.arange(3)).tolist() == [1, 1, 0]
    assert (
        among_first(1)(tied, jnp.arange(3)).tolist() == TOP1.of_each(tied, jnp.arange(3)).tolist()
    )
    broken = jnp.full((2, 9), jnp.nan)
    assert TOP5.of_each(broken, jnp.array([0, 8])).tolist() == [0, 0]


def test_the_squared_error_of_numbers_is_their_distance():
    outputs, wanted = LOGITS[:, :2], LOGITS[:, 2:4]
    found = SQUARED_ERROR.of_each(jnp.asarray(outputs), jnp.asarray(wanted))
    np.testing.assert_allclose(found, np.square(outputs - wanted).sum(1), rtol=1e-5)


def test_a_direction_says_which_value_is_better():
    assert TOP1.better(0.5, 0.4) and not TOP1.better(0.4, 0.5)
    assert SQUARED_ERROR.better(0.4, 0.5) and not SQUARED_ERROR.better(0.5, 0.4)
    for measure in (TOP1, SQUARED_ERROR):
        assert not measure.better(0.5, 0.5) and not measure.better(float("nan"), 0.5)


@pytest.mark.parametrize("loss", [TOP1, replace(CROSS_ENTROPY, by_class=True)])
def test_what_cannot_be_made_small_is_no_loss(loss):
    with pytest.raises(ValueError, match=f"the loss is {loss.name}, which .*; allowed"):
        Objective(loss, TOP1)


@pytest.fixture(scope="module")
def unequal(recipe, image_set):
    """Test examples: 10, 10 and 5 of the three classes of B."""
    subset = image_set.subset.copy()
    of_class_5 = np.flatnonzero((image_set.labels == 5) & image_set.is_test)
    subset[of_class_5[:5]] = 0
    return replace(recipe, images=replace(image_set, subset=subset), test_per_class=None)


@pytest.mark.parametrize("score", [TOP1, TOP5, BALANCED, SQUARED_ERROR], ids=lambda m: m.name)
def test_a_columns_score_is_the_mean_that_numpy_finds(
    score, unequal, whole_column, network, init, split, device_images
):
    """Also of padding: 25 examples fill four batches of 8 in part."""
    column = replace(whole_column, cuts=(Cut(2, True),))
    score = replace(score, of_each=among_first(2)) if score == TOP5 else score
    program = ColumnProgram(network, column.cuts, TX, objective=Objective(CROSS_ENTROPY, score))
    start = start_of(column, network, init, split, unequal)
    mesh = column_mesh(1)
    compiled = CompiledProgram(program, mesh)
    feed = ResidentFeed(replicate(device_images, mesh))
    (outcome,) = compiled.run([start], feed, 3, lambda *_: None)
    inputs = column_inputs(column, split, unequal)
    assert inputs.class_sizes[1].tolist()[3:] == [10, 10, 5]
    examples = inputs.test_batches[inputs.test_batches >= 0]
    assert len(examples) == 25
    x = (device_images.images[examples].astype(jnp.float32) - inputs.mean) * inputs.scale
    logits, _ = jax.device_get(network.apply(outcome.networks["2+"], x))
    labels = np.asarray(inputs.ranks)[np.asarray(device_images.labels)[examples]]
    if score.name == TOP5.name:
        each = (np.argsort(-logits, axis=1)[:, :2] == labels[:, None]).any(1).astype(float)
    else:
        each = by_numpy(score, logits, labels)
    expected = each.mean()
    if score == BALANCED:
        expected = np.mean([each[labels == rank].mean() for rank in range(3)])
    assert outcome.top1[0] == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(outcome.scores[0], each, rtol=1e-3)
