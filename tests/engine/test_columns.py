"""What a column starts from, field by field."""

from dataclasses import replace
from types import SimpleNamespace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from transfer_jax.data.image_set import TEST, TRAIN, VALIDATION, ImageSet
from transfer_jax.data.order import Batch
from transfer_jax.engine import mesh as meshes
from transfer_jax.engine.columns import (
    column_inputs,
    column_key,
    column_order,
    initial_networks,
    input_shapes,
    task_normalisation,
    validation_examples,
)
from transfer_jax.engine.feeds import batch_sharding, on_device
from transfer_jax.engine.mesh import (
    COLUMN,
    DATA,
    MeshError,
    column_mesh,
    devices_per_column,
    fetch,
    fetch_rows,
    over_columns,
    place,
    replicate,
    slots,
)
from transfer_jax.engine.recipe import Recipe
from transfer_jax.engine.view import View
from transfer_jax.grid.conditions import Column, Cut, Split, Task, Variant
from transfer_jax.grid.keys import key_for
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.running.bases import NoBase, RandomBase, TrainedBase

LABELS = np.arange(40, dtype=np.int32) % 4
SUBSET = np.full(40, TRAIN, np.int8)
SUBSET[24:32], SUBSET[32:] = VALIDATION, TEST
IMAGES = np.random.default_rng(0).integers(0, 99, (40, 3, 5, 2)).astype(np.uint8)
SET = ImageSet(IMAGES, LABELS, SUBSET, tuple("abcd"))
RECIPE = Recipe(
    SET, 5, 1, 4, batch_size=6, test_batch_size=3, steps=4, validation_examples=5
)  # fmt: skip
SPLIT = Split("halves", (Task("A", (0, 2)), Task("B", (1, 3))))
COLUMN_AB = Column("halves", 3, "A", "B", (Cut(1, False),))


def trained_on(classes, count=5):
    """The first images of each class among those to train on."""
    return np.sort(np.concatenate([np.flatnonzero(LABELS[:24] == c)[:count] for c in classes]))


def test_inputs_are_these():
    seen = task_normalisation(RECIPE, SPLIT.task("A"))
    found = column_inputs(COLUMN_AB, SPLIT, RECIPE, seen)
    assert found.train_batches.shape == (4, 6)
    assert set(found.train_batches.ravel()) <= set(trained_on((1, 3)))
    assert found.test_batches.tolist() == [[33, 35, -1], [-1, -1, -1]]
    assert found.validation_batches.tolist() == [[25, 27, 29], [31, -1, -1]]
    assert found.ranks.tolist() == [-1, 0, -1, 1]
    assert found.class_sizes.tolist() == [[0, 2, 0, 2], [0, 1, 0, 1]]
    pixels = IMAGES[trained_on((0, 2))].astype(np.float64)
    np.testing.assert_allclose(found.mean, pixels.mean(axis=0), rtol=1e-6)
    assert found.scale == pytest.approx(1 / (pixels - pixels.mean(axis=0)).std(), rel=1e-5)
    key = key_for(3, "train", "halves", "A", "B")
    assert (found.key == jax.random.key_data(key)).all()
    order = column_order(COLUMN_AB, SPLIT, RECIPE)
    np.testing.assert_array_equal(found.train_batches, order.batches(4))
    np.testing.assert_array_equal(order.examples, trained_on((1, 3)))
    batches = key_for(3, "batches", "halves", "B")
    assert order.words == tuple(jax.random.key_data(batches).tolist())


@pytest.mark.parametrize(
    ("base", "mean", "classes"),
    [
        ("A", "base", (0, 2)),
        ("A", "target", (1, 3)),
        (None, "base", (1, 3)),
        ("random", "base", (1, 3)),
    ],
)
def test_whose_mean_image_it_is(base, mean, classes):
    bases = {
        None: NoBase(),
        "random": RandomBase("halves", init),
        "A": TrainedBase("halves", SPLIT.task("A"), None, init),  # pyright: ignore
    }
    column, recipe = replace(COLUMN_AB, base=base), replace(RECIPE, mean=mean)
    found = column_inputs(column, SPLIT, recipe, bases[base].mean(recipe))
    np.testing.assert_allclose(found.mean, IMAGES[trained_on(classes)].mean(axis=0), rtol=1e-6)


def test_grey_levels_may_stay_as_they_are():
    recipe = replace(RECIPE, scale="none")
    for seen in (None, task_normalisation(recipe, SPLIT.task("A"))):
        found = column_inputs(COLUMN_AB, SPLIT, recipe, seen)
        assert (found.scale, found.scale.dtype, found.scale.shape) == (1.0, np.float32, ())


def test_a_pretrained_network_has_its_own_mean_and_deviation_of_each_channel():
    """Whatever the images are, and whichever task's; grey ones become coloured."""
    sees = Preprocessing((0.1, 0.2), (0.5, 0.25))
    for channels in (1, 2):
        images = replace(SET, images=IMAGES[..., :channels])
        recipe = replace(RECIPE, images=images, preprocessing=sees, crop=3)
        found, shapes = column_inputs(COLUMN_AB, SPLIT, recipe), input_shapes(recipe)
        seen = View(crop=3).evaluation(Batch(jnp.asarray(images.images), jnp.zeros(40)), found)
        expected = (images.images[:, :, 1:4] / 255 - (0.1, 0.2)) / (0.5, 0.25)
        np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-5)
        assert seen.shape[1:] == recipe.network_shape == (3, 3, 2)
        for name, array, shape in zip(found._fields, found, shapes, strict=True):
            assert (shape.shape, shape.dtype) == (array.shape, array.dtype), name


def test_a_mean_is_over_all_images_however_few_a_column_sees():
    few = column_inputs(replace(COLUMN_AB, base=None, examples=2), SPLIT, RECIPE)
    np.testing.assert_allclose(few.mean, IMAGES[trained_on((1, 3))].mean(axis=0), rtol=1e-6)
    assert set(few.train_batches.ravel()) == set(trained_on((1, 3), 2))


def test_shapes_are_those_of_what_is_made():
    found, shapes = column_inputs(COLUMN_AB, SPLIT, RECIPE), input_shapes(RECIPE)
    for name, array, shape in zip(found._fields, found, shapes, strict=True):
        assert (shape.shape, shape.dtype) == (array.shape, array.dtype), name


def test_scratch_sees_what_the_base_network_sees_and_then_goes_on():
    base, scratch = (
        column_inputs(replace(COLUMN_AB, base=name, trainings=trainings), SPLIT, RECIPE)
        for name, trainings in ((None, 1), ("scratch", 2))
    )
    steps = len(base.train_batches)
    assert steps == RECIPE.steps and len(scratch.train_batches) == 2 * steps
    np.testing.assert_array_equal(scratch.train_batches[:steps], base.train_batches)
    others = [name for name in base._fields if name != "train_batches"]
    for name in others:
        np.testing.assert_array_equal(getattr(scratch, name), getattr(base, name), name)
    shapes = input_shapes(RECIPE, 2)
    assert [shape.shape for shape in shapes] == [np.shape(array) for array in scratch]


def test_a_part_of_the_test_holds_as_many_of_each_class_and_all_of_it_all():
    whole = column_inputs(COLUMN_AB, SPLIT, RECIPE).test_batches
    parts = column_inputs(COLUMN_AB, SPLIT, replace(RECIPE, test_part=2)).test_batches
    examples, ordered = (np.asarray(own)[np.asarray(own) >= 0] for own in (whole, parts))
    assert sorted(ordered.tolist()) == sorted(examples.tolist())
    labels = LABELS[ordered]
    smallest = min(np.bincount(labels)[np.unique(labels)])
    for count in range(0, smallest * len(np.unique(labels)), len(np.unique(labels))):
        assert len(set(np.bincount(labels[:count], minlength=4)[[1, 3]])) == 1
    assert replace(RECIPE, test_part=2).part_batches == -(-2 // RECIPE.test_batch_size)
    assert RECIPE.part_batches == 0


def test_scratch_begins_as_the_base_network_of_its_task():
    found = [
        initial_networks(
            replace(COLUMN_AB, base=name, cuts=(Cut(0, True),)), tuple("abc"), init, {}
        )
        for name in (None, "scratch")
    ]
    jax.tree.map(np.testing.assert_array_equal, *found)


def test_what_a_network_sees_is_the_image_or_a_square_of_it():
    assert RECIPE.network_shape == (3, 5, 2)
    assert replace(RECIPE, crop=2).network_shape == (2, 2, 2)


def test_validation_images_are_the_tasks():
    found = validation_examples(SET, SPLIT.task("A"))
    assert found.tolist() == [24, 26, 28, 30] and found.dtype == np.int32


@pytest.mark.parametrize(
    ("column", "purpose"),
    [
        (COLUMN_AB, "A"),
        (replace(COLUMN_AB, base=None), "base"),
        (replace(COLUMN_AB, base="scratch"), "base"),
    ],
)
def test_the_key_of_a_column_names_its_networks(column, purpose):
    assert column_key(column) == key_for(3, "train", "halves", purpose, "B")


def init(key):
    keys = jax.random.split(key, 3)
    return {
        name: {"params": {"w": jax.random.normal(k, (2,))}}
        for name, k in zip("abc", keys, strict=True)
    }


def weights(variables, name):
    return variables[name]["params"]["w"]


def test_copied_layers_are_the_bases_and_the_others_fresh():
    cuts = (Cut(0, True), Cut(2, False), Cut(2, True), Cut(2, False, Variant("top", (2,), (2,))))
    column = replace(COLUMN_AB, cuts=cuts)
    base = init(jax.random.key(99))
    found = initial_networks(column, tuple("abc"), init, base)
    assert list(found) == ["0+", "2", "2+", "2 top"]
    for cut, condition in zip(cuts, column.conditions, strict=True):
        fresh = init(key_for(3, "init", "halves", condition.label))
        for layer, name in enumerate("abc"):
            expected = base if layer in cut.copied else fresh
            assert (weights(found[cut.label], name) == weights(expected, name)).all()
    alone = initial_networks(column, tuple("abc"), init, None)
    fresh = init(key_for(3, "init", "halves", "A2B"))
    assert (weights(alone["2"], "a") == weights(fresh, "a")).all()


def test_a_random_base_is_one_a_seed_and_split():
    expected = init(key_for(3, "init", "halves", "random"))
    found = RandomBase("halves", init).variables(3)
    assert (weights(found, "b") == weights(expected, "b")).all()


def test_images_come_to_the_device_as_they_are():
    found = on_device(SET)
    assert (np.asarray(found.images) == IMAGES).all() and found.images.dtype == np.uint8
    assert (np.asarray(found.labels) == LABELS).all()


class Shared(NamedTuple):
    """What all columns share, known by its type."""

    y: jax.Array


def test_on_one_device_trees_are_stacked_run_and_brought_back():
    mesh = column_mesh(1)
    assert dict(mesh.shape) == {COLUMN: 1, DATA: 1}
    tree = {"x": np.arange(3.0, dtype=np.float32)}
    placed = place([tree], mesh)
    assert placed["x"].tolist() == [[0.0, 1.0, 2.0]] and placed["x"].sharding.spec == P(COLUMN)
    batched = place([{"x": np.zeros((4, 2))}], mesh, batch_axis=2)
    assert batched["x"].sharding.spec == P(COLUMN, None, DATA)
    shared = replicate(Shared(np.array([10, 20, 30], np.float32)), mesh)  # pyright: ignore
    assert shared.y.sharding.spec == P()
    add = over_columns(lambda own, all_: own["x"] + all_.y, mesh, shared=(Shared,), donate=(0,))
    found = add(placed, shared)
    assert found.tolist() == [[10.0, 21.0, 32.0]]
    assert not shared.y.is_deleted()
    assert fetch({"z": found})["z"].tolist() == [[10.0, 21.0, 32.0]]
    rows = fetch_rows({"z": found}, mesh)
    assert list(rows) == [0] and rows[0]["z"].tolist() == [10.0, 21.0, 32.0]
    rows[0]["z"][0] = 5  # what is brought back is the host's own
    assert found[0, 0] == 10.0
    # A number is shared whatever its type.
    assert over_columns(lambda a, b: a * b, mesh)(found, np.int32(2)).tolist() == [[20, 42, 64]]


def test_slots_are_as_long_as_the_mesh_has_rows():
    mesh = SimpleNamespace(shape={COLUMN: 3, DATA: 2})
    assert list(slots("abcdefgh", mesh)) == [["a", "b", "c"], ["d", "e", "f"], ["g", "h"]]  # pyright: ignore
    assert list(slots([], mesh)) == []  # pyright: ignore


def test_a_batch_is_divided_where_that_goes_evenly():
    devices = np.array([jax.devices()[0]])
    mesh = jax.sharding.Mesh(devices.reshape(1, 1), (COLUMN, DATA))
    assert batch_sharding(mesh, 7).spec == P(COLUMN, DATA)


@pytest.mark.parametrize(
    ("columns", "devices", "batch", "found"),
    [(1, 8, 8, 8), (2, 8, 8, 4), (8, 8, 8, 1), (9, 8, 8, 1), (1, 6, 9, 3), (1, 1, 8, 1),
     (2, 6, 6, 3)],
)  # fmt: skip
def test_devices_to_spare_are_shared_evenly(columns, devices, batch, found):
    assert devices_per_column(columns, devices, batch) == found


def test_a_number_that_is_asked_for_is_taken_if_it_divides():
    assert devices_per_column(8, 8, 8, asked=4) == 4
    message = (
        "^devices_per_column is 8; it must divide the 8 devices and the batch of 12: "
        "allowed: 1, 2, 4$"
    )
    with pytest.raises(MeshError, match=message):
        devices_per_column(1, 8, 12, asked=8)


def test_a_short_slot_is_filled_with_its_last_tree(monkeypatch):
    """Rows that have no column of their own train the last one again; nobody reads them."""
    monkeypatch.setattr(meshes, "_put", lambda array, sharding: array)
    monkeypatch.setattr(meshes, "NamedSharding", lambda mesh, spec: spec)
    mesh = SimpleNamespace(shape={COLUMN: 4, DATA: 1})
    assert place([np.ones(1), np.zeros(1)], mesh).ravel().tolist() == [1, 0, 0, 0]  # pyright: ignore
    assert jnp.shape(place([np.ones(2)] * 4, mesh)) == (4, 2)  # pyright: ignore
