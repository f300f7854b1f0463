"""A condition in the grid equals the same condition trained alone."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from transfer_jax import diff
from transfer_jax.engine.columns import ColumnStart, column_inputs, initial_networks
from transfer_jax.engine.feeds import ResidentFeed
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, replicate
from transfer_jax.engine.step import PACKINGS, ColumnProgram
from transfer_jax.grid.conditions import Cut, Variant
from transfer_jax.grid.keys import key_for
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.layered import TRAINING
from transfer_jax.models.precision import InPrecision

TX = optax.chain(optax.add_decayed_weights(1e-3), optax.sgd(0.05, momentum=0.9))
# In the grid, XLA fuses and orders the same sums otherwise than alone: float32 rounding, grown
# over the steps. Seen: at most 3e-7.
TOLERANCE = 3e-6


def start_of(column, network, init, split, recipe) -> ColumnStart:
    base = init(key_for(7, "base"))
    networks = initial_networks(column, network.layer_names, init, base)
    return ColumnStart(networks, base, column_inputs(column, split, recipe))


def train(column, network, init, split, recipe, images, *, in_chunks=False, **options):
    mesh = column_mesh(1)
    program = ColumnProgram(network, column.cuts, TX, **options)
    compiled = CompiledProgram(program, mesh, in_chunks)
    start = start_of(column, network, init, split, recipe)
    (outcome,) = compiled.run(
        [start], ResidentFeed(replicate(images, mesh)), recipe.steps, lambda *_: None
    )
    return start, outcome


@pytest.fixture(scope="module")
def grid(whole_column, network, init, split, recipe, device_images):
    return train(whole_column, network, init, split, recipe, device_images)


def alone_in_plain_jax(network, params, frozen, inputs, images, steps):
    """Ten lines of JAX and optax that know nothing of columns, trunks or cuts."""
    names = network.layer_names
    labels = {name: "frozen" if i in frozen else "free" for i, name in enumerate(names)}
    tx = optax.partition({"free": TX, "frozen": optax.set_to_zero()}, lambda _: labels)
    state = tx.init(params)

    def loss(params, x, y):
        logits, _ = network.apply(params, x, mode=TRAINING)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    for step in range(steps):
        batch = inputs.train_batches[step]
        x = (images.images[batch].astype(jnp.float32) - inputs.mean) * inputs.scale
        grads = jax.grad(loss)(params, x, inputs.ranks[images.labels[batch]])
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize(
    "cut", [Cut(n, tuned) for n in (1, 3, 5) for tuned in (False, True)], ids=str
)
def test_a_condition_in_the_grid_equals_plain_jax(cut, grid, network, recipe, device_images):
    start, outcome = grid
    whole = start.networks[cut.label]
    inputs = start.inputs
    alone = alone_in_plain_jax(network, whole, cut.frozen, inputs, device_images, recipe.steps)
    own = outcome.networks[cut.label]
    assert tuple(own) == network.layer_names[cut.trunk_depth :]
    for name in own:
        for leaf, value in own[name]["params"].items():
            np.testing.assert_allclose(value, alone[name]["params"][leaf], atol=TOLERANCE)
    frozen = network.layer_names[: cut.trunk_depth]
    assert not diff({n: whole[n] for n in frozen}, {n: alone[n] for n in frozen})
    assert diff({n: whole[n] for n in own}, own)


def test_accuracy_and_loss_are_those_of_the_trained_network(grid, network, device_images):
    start, outcome = grid
    inputs = start.inputs
    examples = inputs.test_batches[inputs.test_batches >= 0]
    x = (device_images.images[examples].astype(jnp.float32) - inputs.mean) * inputs.scale
    y = inputs.ranks[device_images.labels[examples]]
    for i, cut in enumerate([Cut(n, t) for n in range(1, 6) for t in (False, True)]):
        params = {**start.base, **outcome.networks[cut.label]}
        logits, _ = network.apply(params, x)
        assert outcome.top1[i] == pytest.approx(float((logits.argmax(-1) == y).mean()))
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        assert outcome.loss[i] == pytest.approx(float(loss), rel=1e-5)


@pytest.mark.parametrize("cut", [Cut(2, False), Cut(5, True)], ids=str)
def test_dropout_and_augmentation_do_not_depend_on_the_other_conditions(
    cut, whole_column, init, split, recipe, device_images
):
    network = ConvNet(3, widths=(4, 6, 6, 6), dense_widths=(8,), dropout=0.5)
    rest = (network, init, split, recipe, device_images)
    options = {"mirror": True, "shift": 1}
    _, together = train(whole_column, *rest, **options)
    _, alone = train(replace(whole_column, cuts=(cut,)), *rest, **options)
    for a, b in zip(
        jax.tree.leaves(together.networks[cut.label]),
        jax.tree.leaves(alone.networks[cut.label]),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=TOLERANCE)


def test_a_frozen_condition_owns_nothing_below_its_cut(whole_column, network, init, split, recipe):
    program = ColumnProgram(network, whole_column.cuts, TX)
    start = start_of(whole_column, network, init, split, recipe)
    state = program.init(start.networks)
    for cut in whole_column.cuts:
        owned = sum(leaf.size for leaf in jax.tree.leaves(state.conditions[cut.label].params))
        assert owned == sum(
            leaf.size
            for name in network.layer_names[cut.trunk_depth :]
            for leaf in jax.tree.leaves(start.networks[cut.label][name])
        )
        momenta = sum(leaf.size for leaf in jax.tree.leaves(state.conditions[cut.label].opt_state))
        assert momenta == owned


def test_a_network_that_diverges_leaves_the_others_alone(
    grid, whole_column, network, init, split, recipe, device_images
):
    _, healthy = grid
    compiled = CompiledProgram(ColumnProgram(network, whole_column.cuts, TX), column_mesh(1))
    start = start_of(whole_column, network, init, split, recipe)
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, start.networks["3+"])
    start = start._replace(networks={**start.networks, "3+": broken})
    (outcome,) = compiled.run([start], ResidentFeed(device_images), recipe.steps, lambda *_: None)
    assert np.isnan(outcome.loss).sum() == 1
    assert outcome.diverged.tolist() == [int(cut.label == "3+") for cut in whole_column.cuts]
    assert not healthy.diverged.any()
    for cut in whole_column.cuts:
        if cut.label != "3+":
            assert not diff(healthy.networks[cut.label], outcome.networks[cut.label])


def close(a, b):
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


def test_packings_agree(whole_column, init, split, recipe, device_images, network):
    """A mapped convolution sums in another order than a plain one."""
    dropping = ConvNet(3, widths=(4, 6, 6, 6), dense_widths=(8,), dropout=0.5)
    rest = (dropping, init, split, recipe, device_images)
    outcomes = [train(whole_column, *rest, packing=p, mirror=True)[1] for p in PACKINGS]
    close(*(outcome.networks for outcome in outcomes))


def test_steps_in_one_call_agree_with_steps_one_by_one(
    grid, whole_column, network, init, split, recipe, device_images
):
    """Within a loop XLA runs convolutions on one thread, and sums in that order."""
    _, chunks = train(whole_column, network, init, split, recipe, device_images, in_chunks=True)
    close(grid[1].networks, chunks.networks)
    np.testing.assert_allclose(grid[1].loss, chunks.loss, rtol=1e-5)


VARIANTS = {
    "preserved": Cut(2, False, Variant("preserved1", (0, 1, 2), (0, 1))),
    "top frozen": Cut(6, False, Variant("top", (0, 1, 2, 3, 4, 5), (3, 4, 5))),
    "one block tuned": Cut(6, False, Variant("block", (0, 1, 2, 3, 4, 5), (0, 1, 4, 5))),
    "frozen, not copied": Cut(2, False, Variant("odd", (0, 1), (0, 3))),
    "nothing copied": Cut(0, False, Variant("fresh", (), (0, 1))),
}


@pytest.mark.parametrize("cut", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_variant_equals_plain_jax(cut, whole_column, network, init, split, recipe, device_images):
    column = replace(whole_column, cuts=(Cut(3, False), cut))
    start, outcome = train(column, network, init, split, recipe, device_images)
    whole, own = start.networks[cut.label], outcome.networks[cut.label]
    alone = alone_in_plain_jax(
        network, whole, cut.frozen, start.inputs, device_images, recipe.steps
    )
    names = network.layer_names
    assert set(own) == {name for i, name in enumerate(names) if i not in cut.from_base}
    close(own, {name: alone[name] for name in own})
    for layer, name in enumerate(names):
        assert bool(diff(whole[name], {**start.base, **own}[name])) == (layer not in cut.frozen)
        kernel, of_base = (tree[name]["params"]["kernel"] for tree in (whole, start.base))
        if kernel.shape == of_base.shape:
            copied = not diff(kernel, of_base)
            assert copied == (layer in cut.copied)


def test_a_frozen_layer_above_a_trained_one_has_no_momentum(
    whole_column, network, init, split, recipe
):
    cut = VARIANTS["top frozen"]
    program = ColumnProgram(network, (cut,), TX)
    start = start_of(replace(whole_column, cuts=(cut,)), network, init, split, recipe)
    condition = program.init(start.networks).conditions[cut.label]
    assert set(condition.params) == set(network.layer_names[:3])
    sizes = [sum(leaf.size for leaf in jax.tree.leaves(tree)) for tree in condition[:2]]
    assert sizes[0] == sizes[1] > 0


def test_bfloat16_keeps_float32_parameters_and_stays_within_noise(
    grid, whole_column, network, init, split, recipe, device_images
):
    """bfloat16 has 8 bits of fraction: an error of 0.4% in each product. Over these six steps the
    losses move by far less than between two seeds."""
    low = InPrecision(network, "bfloat16")
    start, outcome = train(whole_column, low, init, split, recipe, device_images)
    other_seed = replace(whole_column, seed=1)
    _, other = train(other_seed, network, init, split, recipe, device_images)
    leaves = jax.tree.leaves(outcome.networks)
    assert {leaf.dtype for leaf in leaves} == {np.dtype("float32")}
    logits, _ = low.apply(start.networks["1"], jnp.zeros((2, 12, 12, 1)))
    assert logits.dtype == jnp.float32
    between_precisions = np.abs(outcome.loss - grid[1].loss)
    between_seeds = np.abs(other.loss - grid[1].loss)
    assert 0 < between_precisions.mean() < 0.2 * between_seeds.mean()


def test_a_first_bad_step_is_marked(whole_column, network, init, split, recipe, device_images):
    cut = Cut(1, True)
    wild = optax.sgd(1e30)
    compiled = CompiledProgram(ColumnProgram(network, (cut,), wild), column_mesh(1))
    start = start_of(replace(whole_column, cuts=(cut,)), network, init, split, recipe)
    images = replicate(device_images, compiled.mesh)
    (outcome,) = compiled.run([start], ResidentFeed(images), 3, lambda *_: None)
    assert outcome.diverged.tolist() == [2]
    (outcome,) = compiled.run([start], ResidentFeed(images), 1, lambda *_: None)
    assert outcome.diverged.tolist() == [1]
