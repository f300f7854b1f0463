"""Conditions whose frozen layers are set free as training goes on."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.conftest import NUM_LAYERS
from tests.engine.test_step import TOLERANCE, start_of
from transfer_jax.engine.columns import ResumePoint
from transfer_jax.engine.feeds import ResidentFeed
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, replicate
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Cut
from transfer_jax.grid.schedules import gradual, lp_ft
from transfer_jax.grid.variants import Phase, Variant
from transfer_jax.models.layered import TRAINING

STEPS, DECAY, MOMENTUM = 8, 1e-3, 0.9
MIDDLE = Variant("middle", (0, 1, 2), (0, 1, 2), (Phase(0.25, (0, 2)), Phase(0.5, (0,))))
CUTS = (
    Cut(2, False),
    Cut(2, True, lp_ft(2, NUM_LAYERS)),
    Cut(2, True),
    Cut(3, True, gradual(3, NUM_LAYERS)),
    Cut(3, True, MIDDLE),
)
# Of each cut, by hand: the layers that are frozen at each of the eight steps.
FROZEN = {
    "2": [(0, 1)] * 8,
    "2+ lp-ft": [(0, 1)] * 4 + [()] * 4,
    "2+": [()] * 8,
    "3+ gradual": [(0, 1, 2)] * 2 + [(0, 1)] * 2 + [(0,)] * 2 + [()] * 2,
    "3+ middle": [(0, 1, 2)] * 2 + [(0, 2)] * 2 + [(0,)] * 4,
}


def rate(step):
    """A schedule that goes on for all layers, whenever they are set free."""
    return 0.05 * (1 - step / 10)


TX = optax.chain(optax.add_decayed_weights(DECAY), optax.sgd(rate, momentum=MOMENTUM))


@pytest.fixture(scope="module")
def training(whole_column, network, init, split, recipe, device_images):
    column, recipe = replace(whole_column, cuts=CUTS), replace(recipe, steps=STEPS)
    mesh = column_mesh(1)
    compiled = CompiledProgram(ColumnProgram(network, CUTS, TX), mesh)
    start = start_of(column, network, init, split, recipe)
    feed, held = ResidentFeed(replicate(device_images, mesh)), {}

    def on_pause(pause):
        held[pause.done] = ResumePoint(pause.states()[0], [])

    (outcome,) = compiled.run([start], feed, STEPS, on_pause, log_every=1)
    return compiled, start, outcome, feed, held


def by_hand(network, params, frozen_at, inputs, images):
    """SGD with momentum, written out; a layer that is set free begins without velocity."""
    velocity = jax.tree.map(jnp.zeros_like, params)

    def loss(params, x, y):
        whole = {name: {"params": own} for name, own in params.items()}
        logits, _ = network.apply(whole, x, mode=TRAINING)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    for step, frozen in enumerate(frozen_at):
        batch = inputs.train_batches[step]
        x = (images.images[batch].astype(jnp.float32) - inputs.mean) * inputs.scale
        grads = jax.grad(loss)(params, x, inputs.ranks[images.labels[batch]])
        for layer, name in enumerate(network.layer_names):
            if layer not in frozen:
                velocity[name] = jax.tree.map(
                    lambda v, g, w: MOMENTUM * v + g + DECAY * w,
                    velocity[name], grads[name], params[name],
                )  # fmt: skip
                params = params | {
                    name: jax.tree.map(
                        lambda w, v, at=step: w - rate(at) * v, params[name], velocity[name]
                    )
                }
    return params


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.label)
def test_a_condition_equals_sgd_written_out(cut, training, network, device_images):
    _, start, outcome, _, _ = training
    params = {name: own["params"] for name, own in start.networks[cut.label].items()}
    wanted = by_hand(network, params, FROZEN[cut.label], start.inputs, device_images)
    own = {name: held["params"] for name, held in outcome.networks[cut.label].items()}
    always = {network.layer_names[layer] for layer in FROZEN[cut.label][-1]}
    assert set(own) == set(network.layer_names) - always
    for name in own:
        for leaf, found in own[name].items():
            np.testing.assert_allclose(found, wanted[name][leaf], atol=TOLERANCE)


def test_the_other_conditions_of_a_column_are_as_without_phases(
    training, whole_column, network, init, split, recipe, device_images
):
    column = replace(whole_column, cuts=(CUTS[0], CUTS[2]))
    start = start_of(column, network, init, split, replace(recipe, steps=STEPS))
    compiled = CompiledProgram(ColumnProgram(network, column.cuts, TX), column_mesh(1))
    (outcome,) = compiled.run([start], training[3], STEPS, lambda *_: None)
    for label, layers in outcome.networks.items():
        for found, with_phases in zip(
            jax.tree.leaves(layers), jax.tree.leaves(training[2].networks[label]), strict=True
        ):
            np.testing.assert_allclose(found, with_phases, atol=TOLERANCE)


@pytest.mark.parametrize("done", range(1, STEPS))
def test_training_goes_on_from_any_step_to_the_bit(done, training):
    compiled, start, outcome, feed, held = training
    (again,) = compiled.run(
        [start._replace(resume_point=held[done])], feed, STEPS, lambda *_: None, log_every=1
    )
    same = jax.tree.map(np.array_equal, outcome.networks, again.networks)
    assert all(jax.tree.leaves(same))


def test_each_phase_is_compiled_once(training):
    compiled = training[0]
    # Six boundaries at four steps: 2, 4 and 6 of eight.
    assert len({compiled.at(done, STEPS).program.cuts for done in range(STEPS)}) == 4
    assert compiled.at(0, STEPS) is compiled


def test_a_fresh_state_has_the_structure_that_is_carried_over(training, network):
    compiled, start, _, _, held = training
    for done, resume_point in held.items():
        fresh = compiled.at(done, STEPS).program.init(start.networks)
        assert jax.tree.structure(fresh) == jax.tree.structure(resume_point.state)
