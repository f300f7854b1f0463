"""Batches from disk: the same ones however they are read; training is as on memory."""

import multiprocessing
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest

from tests.conftest import NUM_LAYERS
from tests.engine.test_step import TX
from transfer_jax.data.assembly import assembled
from transfer_jax.data.decoding import ImageForm
from transfer_jax.data.image_set import TEST, TRAIN
from transfer_jax.data.order import batch_order
from transfer_jax.data.originals.part import Original, Originals
from transfer_jax.data.prepared_part import Preparation, prepare_part
from transfer_jax.data.records import open_records
from transfer_jax.data.stream import BatchSource, StreamError, stream
from transfer_jax.engine.columns import (
    ColumnStart,
    column_inputs,
    column_order,
    initial_networks,
)
from transfer_jax.engine.feeds import ResidentFeed, StreamFeed, evaluation_batches, on_device
from transfer_jax.engine.kept_feed import KeptStreamFeed
from transfer_jax.engine.kept_trunk import TrunkPass
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, replicate
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.engine.trunk import COMPUTED
from transfer_jax.grid.conditions import Column, Cut
from transfer_jax.plan.running_fields import Reading

FORM = ImageForm(12, channels=1)


class InMemory:
    inputs = ()

    def __init__(self, image_set, subset):
        self.image_set, self.subset = image_set, subset

    def read(self):
        for i in np.flatnonzero(self.image_set.subset == self.subset):
            yield Original(f"{i}", int(self.image_set.labels[i]), self.image_set.images[i])


@pytest.fixture(scope="module")
def folder(image_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    settings = Preparation("test", FORM, "raw")
    parts = [InMemory(image_set, subset) for subset in (TRAIN, TEST)]
    originals = Originals(tuple(parts), image_set.class_names, {}, 1)
    made = [prepare_part(part, settings, folder, originals.class_names) for part in parts]
    manifest = assembled(originals, settings, folder, made)
    (folder / "dataset.json").write_text(manifest.to_json())
    return folder


@pytest.fixture(scope="module")
def stored(folder):
    return open_records(folder, stream=True)


def source_of(stored, rows=slice(None), reshuffle=True):
    order = batch_order(jax.random.key(0), np.arange(50), 16, reshuffle=reshuffle)
    return BatchSource(stored, order, rows, 9)


@pytest.mark.parametrize("reading", [Reading(), Reading(threads=1, ahead=1), Reading(workers=2)])
def test_batches_are_the_same_however_they_are_read_and_from_any_step(stored, reading):
    source = source_of(stored)
    expected = [source[step] for step in range(9)]
    for start in (0, 5):
        found = list(stream(source, reading, start))
        assert len(found) == 9 - start
        for ours, theirs in zip(found, expected[start:], strict=True):
            np.testing.assert_array_equal(ours.images, theirs.images)
            np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_a_batch_is_that_of_memory_and_processes_read_their_own_rows(stored, image_set):
    batches = batch_order(jax.random.key(0), np.arange(50), 16).batches(9)
    whole = source_of(stored)[4]
    np.testing.assert_array_equal(whole.images, image_set.images[batches[4]])
    np.testing.assert_array_equal(whole.labels, image_set.labels[batches[4]])
    half = source_of(stored, slice(8, 16))[4]
    np.testing.assert_array_equal(half.images, whole.images[8:])


def test_without_reshuffling_every_pass_has_one_order(stored):
    order = batch_order(jax.random.key(0), np.arange(48), 16, reshuffle=False).batches(6)
    np.testing.assert_array_equal(order[:3], order[3:])
    again = batch_order(jax.random.key(0), np.arange(48), 16).batches(6)
    assert not np.array_equal(again[:3], again[3:])


def test_training_on_a_stream_is_training_on_memory_to_the_bit(
    stored, image_set, network, init, split, recipe
):
    cuts = tuple(Cut(n, tuned) for n in (2, NUM_LAYERS - 1) for tuned in (False, True))
    columns = [Column("halves", 0, base, "B", cuts) for base in ("A", "B")]
    outcomes = []
    mesh = column_mesh(1)
    for images in (image_set, stored):
        own = replace(recipe, images=images)
        starts = [
            ColumnStart(
                initial_networks(column, network.layer_names, init, init(jax.random.key(3))),
                init(jax.random.key(3)),
                column_inputs(column, split, own),
                column_order(column, split, own),
            )
            for column in columns[: mesh.shape["column"]]
        ]
        program = ColumnProgram(network, cuts, TX, mirror=True)
        compiled = CompiledProgram(program, mesh)
        feed = ResidentFeed(replicate(on_device(image_set), mesh))
        if images.streamed:
            orders = [start.order for start in starts]
            tests = [evaluation_batches(start.inputs) for start in starts]
            feed = StreamFeed(stored, orders, tests, mesh, Reading())
        outcomes.append(compiled.run(starts, feed, recipe.steps, lambda *_: None, test_every=3))
    for resident, streamed in zip(*outcomes, strict=True):
        # The mean of all images is summed in another order: float32 and float64.
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
            resident.networks,
            streamed.networks,
        )
        np.testing.assert_array_equal(resident.test, streamed.test)
        np.testing.assert_array_equal(resident.validation, streamed.validation)
        assert streamed.steps.tolist() == [3, 6]


def test_a_stream_takes_what_frozen_layers_gave_before(stored, network, init, split, recipe):
    """Beside images that are read: the numbers of a stream that is read alone."""
    own, mesh = replace(recipe, images=stored), column_mesh(1)
    column = Column("halves", 0, "A", "B", (Cut(2, False), Cut(NUM_LAYERS - 1, False)))
    base, order = init(jax.random.key(3)), column_order(column, split, own)
    networks = initial_networks(column, network.layer_names, init, base)
    start = ColumnStart(networks, base, column_inputs(column, split, own), order)
    program = ColumnProgram(network, column.cuts, TX, mirror=True, keeps=COMPUTED)
    tests = [evaluation_batches(start.inputs)]

    def fed(batches):
        read = StreamFeed(stored, [], [*batches], mesh, Reading())
        return read.evaluate(batches.shape[1])

    trunk = TrunkPass(program.trunk((2, NUM_LAYERS - 1)), mesh, own.batch_size)
    kept = trunk.over(base, fed, start.inputs, np.unique(order.examples))
    assert sorted(kept.activations) == [2, NUM_LAYERS - 1]
    given = (stored, [order], tests, mesh, Reading())
    compiled = CompiledProgram(program, mesh)
    found = [
        compiled.run([start], feed, own.steps, lambda *_: None, test_every=3)[0]
        for feed in (StreamFeed(*given), KeptStreamFeed(StreamFeed(*given), kept))
    ]
    jax.tree.map(np.testing.assert_array_equal, *(outcome.networks for outcome in found))
    np.testing.assert_array_equal(found[0].test, found[1].test)


def test_columns_of_one_order_share_a_reader(stored, monkeypatch, split, recipe):
    from transfer_jax.engine import feeds

    opened = []
    real = feeds.stream
    monkeypatch.setattr(feeds, "stream", lambda *args: opened.append(1) or real(*args))
    own = replace(recipe, images=stored)
    column = Column("halves", 0, "A", "B", (Cut(1, False),))
    order = column_order(column, split, own)
    tests = np.asarray(column_inputs(column, split, own).test_batches)
    feed = StreamFeed(stored, [order], [tests], column_mesh(1), Reading())
    feed.begin(4)
    assert len(list(feed.take(3))) == 3
    assert [served for _, served in feed.take(3)] == [1]
    assert len(opened) == 1


def test_a_corrupt_record_ends_the_reading_in_one_line(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "d")
    (shard,) = (tmp_path / "d").glob("train*record")
    content = bytearray(shard.read_bytes())
    for place in range(len(content) // 2, len(content) // 2 + 64):
        content[place] ^= 0xFF
    shard.write_bytes(bytes(content))
    source = source_of(open_records(tmp_path / "d", stream=True))
    with pytest.raises(StreamError, match=r"cannot be read on: .*\w"):
        list(stream(source, Reading(threads=1, ahead=1)))


def test_a_worker_that_is_killed_ends_the_reading(stored):
    batches = stream(source_of(stored), Reading(workers=2, ahead=1))
    next(batches)
    for worker in multiprocessing.active_children():
        worker.kill()
    with pytest.raises(StreamError, match="Worker process was terminated"):
        for _ in range(9):
            next(batches)
