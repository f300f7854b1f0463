"""Batch normalisation in a real column, against the same network in plain Flax."""

from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from etils import epath

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax import diff
from transfer_jax.engine.columns import ResumePoint
from transfer_jax.engine.feeds import ResidentFeed
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, replicate
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.folder.checkpoints import restore, save
from transfer_jax.folder.control_results import read_controls
from transfer_jax.grid.conditions import Cut, Variant
from transfer_jax.models.layered import as_stored, from_stored
from transfer_jax.models.linen_layers import from_linen
from transfer_jax.plan import plan as plans
from transfer_jax.plan.config import load_config
from transfer_jax.running.column_checkpoints import ColumnCheckpoints

from .test_step import TOLERANCE, TX, close, start_of

NAMES = ("block1", "block2", "block3", "head")
ODD = Variant("odd", (0,), (0, 1))
CUTS = (Cut(1, False), Cut(2, False), Cut(3, False), Cut(2, True), Cut(0, True))
CUTS = (*CUTS, Cut(1, False, ODD))


class Block(nn.Module):
    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(self.features, (3, 3), self.stride, use_bias=False, name="conv")(x)
        norm = nn.BatchNorm(use_running_average=not train, momentum=0.8, name="norm")
        return nn.relu(norm(x))


class Head(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(3, name="dense")(x.mean((1, 2)))


LAYERS = (Block(6, 2), Block(8), Block(8, 2), Head())


class Plain(nn.Module):
    """The same network as Flax users write it; `learns` says which blocks learn statistics."""

    @nn.compact
    def __call__(self, x, learns):
        for name, features, stride in (("block1", 6, 2), ("block2", 8, 1), ("block3", 8, 2)):
            x = Block(features, stride, name=name)(x, train=name in learns)
        return Head(name="head")(x)


@pytest.fixture(scope="module")
def network():
    return from_linen(zip(NAMES, LAYERS, strict=True))


@pytest.fixture(scope="module")
def init(network):
    """Statistics that are none of a fresh network, as a trained one has."""

    def fresh(key):
        found = network.init(key, jnp.zeros((1, 12, 12, 1)))
        shift = jax.random.uniform(key, (), minval=0.1, maxval=0.5)
        moved = {n: jax.tree.map(lambda s: s + shift, found[n]["batch_stats"]) for n in NAMES[:3]}
        return {
            n: {**own, "batch_stats": moved[n]} if n in moved else own for n, own in found.items()
        }

    return jax.jit(fresh)


def alone_in_plain_flax(whole, cut, learns, inputs, images, steps):
    """The trained network, by Flax and optax alone."""
    frozen = {NAMES[layer] for layer in cut.frozen}
    labels = {name: "frozen" if name in frozen else "free" for name in NAMES}
    tx = optax.partition({"free": TX, "frozen": optax.set_to_zero()}, lambda _: labels)
    params = {name: whole[name]["params"] for name in NAMES}
    statistics = {name: whole[name]["batch_stats"] for name in NAMES[:3]}
    state = tx.init(params)

    def loss(params, statistics, x, y):
        logits, new = Plain().apply(
            {"params": params, "batch_stats": statistics}, x, learns, mutable=["batch_stats"]
        )
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean(), new["batch_stats"]

    gradient = jax.jit(jax.grad(loss, has_aux=True))
    for step in range(steps):
        batch = inputs.train_batches[step]
        x = (images.images[batch].astype(jnp.float32) - inputs.mean) * inputs.scale
        y = inputs.ranks[images.labels[batch]]
        grads, statistics = gradient(params, statistics, x, y)
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    rest = {name: {"batch_stats": own} for name, own in statistics.items()}
    return {name: {"params": params[name], **rest.get(name, {})} for name in NAMES}


def train(column, network, init, split, recipe, images, **options):
    mesh = column_mesh(1)
    compiled = CompiledProgram(ColumnProgram(network, column.cuts, TX, **options), mesh)
    start = start_of(column, network, init, split, recipe)
    feed = ResidentFeed(replicate(images, mesh))
    (outcome,) = compiled.run([start], feed, recipe.steps, lambda *_: None)
    return start, outcome


@pytest.fixture(scope="module", params=["held", "moves"])
def trained(request, whole_column, network, init, split, recipe, device_images):
    column = replace(whole_column, cuts=CUTS)
    options = {"copied_statistics": request.param}
    return request.param, *train(column, network, init, split, recipe, device_images, **options)


def learning(cut, choice) -> set[str]:
    """Fresh layers learn; copied ones that are trained do if it is said; frozen ones never."""
    return {
        name
        for layer, name in enumerate(NAMES[:3])
        if layer not in cut.frozen and (layer not in cut.copied or choice == "moves")
    }


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.label)
def test_a_condition_equals_plain_flax(cut, trained, recipe, device_images):
    choice, start, outcome = trained
    whole, own = start.networks[cut.label], outcome.networks[cut.label]
    learns = learning(cut, choice)
    alone = alone_in_plain_flax(whole, cut, learns, start.inputs, device_images, recipe.steps)
    assert set(own) == {name for i, name in enumerate(NAMES) if i not in cut.from_base}
    for name in own:
        close(own[name], alone[name])
    after = {**start.base, **own}
    for layer, name in enumerate(NAMES):
        assert bool(diff(whole[name]["params"], after[name]["params"])) == (layer not in cut.frozen)
        if name != "head":
            held = not diff(whole[name]["batch_stats"], after[name]["batch_stats"])
            assert held == (name not in learns)


def test_networks_are_tested_with_the_statistics_that_they_have(trained, device_images):
    _, start, outcome = trained
    inputs = start.inputs
    examples = inputs.test_batches[inputs.test_batches >= 0]
    x = (device_images.images[examples].astype(jnp.float32) - inputs.mean) * inputs.scale
    y = inputs.ranks[device_images.labels[examples]]
    for i, cut in enumerate(CUTS):
        whole = {**start.base, **outcome.networks[cut.label]}
        params = {name: own["params"] for name, own in whole.items()}
        statistics = {name: whole[name]["batch_stats"] for name in NAMES[:3]}
        logits = Plain().apply({"params": params, "batch_stats": statistics}, x, ())
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        assert outcome.loss[i] == pytest.approx(float(loss), rel=1e-4)
        assert outcome.top1[i] == pytest.approx(float((logits.argmax(-1) == y).mean()))


def test_packings_agree_though_conditions_of_one_frozen_set_learn_other_statistics(
    whole_column, network, init, split, recipe, device_images
):
    """1+ and 2+ own the same layers; block2 is fresh in one, and held in the other."""
    column = replace(whole_column, cuts=(Cut(1, True), Cut(2, True), Cut(2, False)))
    rest = (column, network, init, split, recipe, device_images)
    (_, one), (_, other) = (train(*rest, packing=packing) for packing in ("unroll", "vmap"))
    for a, b in zip(jax.tree.leaves(one.networks), jax.tree.leaves(other.networks), strict=True):
        np.testing.assert_allclose(a, b, atol=10 * TOLERANCE)


def test_statistics_are_in_checkpoints_and_in_stored_networks(
    tmp_path, whole_column, network, init, split, recipe
):
    column = replace(whole_column, cuts=CUTS)
    program = ColumnProgram(network, CUTS, TX)
    start = start_of(column, network, init, split, recipe)
    state = jax.device_get(program.init(start.networks))
    kept = ColumnCheckpoints(epath.Path(tmp_path) / "column", {"column": "a"})
    kept.save(ResumePoint(state, []))
    kept.wait()
    kept.close()
    like = jax.eval_shape(lambda: program.init(start.networks))
    found = kept.restore(0, like).state
    assert found.conditions["2+"].statistics.keys() == {"block1", "block2", "block3"}
    assert found.conditions["2"].statistics.keys() == {"block3"}
    assert not diff(state, found)
    save(tmp_path / "base", as_stored(start.base))
    again = from_stored(restore(tmp_path / "base", as_stored(start.base)), start.base)
    assert not diff(again, jax.device_get(start.base))


@pytest.mark.slow
def test_a_whole_run_has_statistics_in_its_networks_and_controls(tmp_path, monkeypatch):
    def build(config, largest):
        head = nn.Dense(config.network.num_outputs or largest)
        pool = ("pool", lambda x: x.mean((1, 2)))
        return from_linen([("block1", Block(3, 2)), ("block2", Block(4)), pool, ("head", head)])

    monkeypatch.setattr(plans, "build_network", build)
    flags = [flag for flag in TINY if "seeds" not in flag]
    flags += [
        "--config.seeds=1",
        "--config.checkpoint.networks=all",
        "--config.control_examples=40",
    ]
    flags += ["--config.controls=('cka','barrier','reinitialisation','stitching')"]
    tj.run(load_config("fashion_mnist", flags), tmp_path / "run")
    bases = {t: tj.load_tree(str(tmp_path / "run" / "bases" / f"distant.seed0.{t}")) for t in "AB"}
    assert set(bases["A"]["block1"]) == {"params", "batch_stats"}
    assert set(bases["A"]["head"]) == {"kernel", "bias"}
    assert np.abs(bases["A"]["block1"]["batch_stats"]["norm"]["mean"]).max() > 0
    stored = tj.load_tree(str(tmp_path / "run" / "networks" / "distant.seed0.A-B"))
    held, moved = (stored["3+"][name]["batch_stats"] for name in ("block1", "block2"))
    assert not diff(held, bases["A"]["block1"]["batch_stats"])
    assert not diff(moved, bases["A"]["block2"]["batch_stats"])
    assert diff(stored["1+"]["block2"]["batch_stats"], bases["A"]["block2"]["batch_stats"])
    rows = read_controls(epath.Path(tmp_path / "run" / "controls" / "distant.seed0.A-B.csv"))
    assert np.isfinite([row.value for row in rows if row.control != "debiased-cka"]).all()
