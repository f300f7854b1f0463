"""A stream of batches, the disk played by arrays."""

import time
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from transfer_jax.data.order import batch_order
from transfer_jax.data.stream import HostBatch
from transfer_jax.engine import feeds
from transfer_jax.engine.feeds import StreamFeed
from transfer_jax.engine.mesh import COLUMN, DATA, column_mesh

IMAGES = np.random.default_rng(0).integers(0, 255, (20, 2, 3, 1)).astype(np.uint8)
LABELS = np.arange(20, dtype=np.int32)
ORDER = batch_order(jax.random.key(0), np.arange(12), 4)
EVALUATION = np.array([[12, 13], [14, -1], [15, 16]], np.int32)


class Source:
    def __init__(self, images, numbers, rows, count):
        assert images == "images"
        self.numbers = numbers if isinstance(numbers, np.ndarray) else numbers.batches(count)
        self.rows, self.count = rows, count


@pytest.fixture
def feed(monkeypatch):
    started = []

    def stream(source, reading, start):
        assert reading == "how"
        started.append((start, source.count, source.rows))
        for numbers in source.numbers[start : source.count]:
            own = numbers[source.rows]
            time.sleep(0.01)
            yield HostBatch(IMAGES[own], np.where(own >= 0, LABELS[own], -1))

    monkeypatch.setattr(feeds, "BatchSource", Source)
    monkeypatch.setattr(feeds, "stream", stream)
    found = StreamFeed("images", [ORDER], [EVALUATION], column_mesh(1), "how")  # pyright: ignore
    found.started = started  # pyright: ignore
    return found


@pytest.mark.parametrize("done", [0, 2])
def test_training_goes_on_from_the_first_step_that_is_not_done(done, feed):
    feed.begin(5, done)
    taken = [*feed.take(1), *feed.take(9)]
    assert [steps for _, steps in taken] == [1] * (5 - done)
    found = [batch for batch, _ in taken]
    assert feed.started == [(done, 5, slice(0, 4))]
    assert len(found) == 5 - done
    for batch, numbers in zip(found, ORDER.batches(5)[done:], strict=True):
        np.testing.assert_array_equal(batch.images, IMAGES[numbers][None])
        np.testing.assert_array_equal(batch.labels, LABELS[numbers][None])
    assert 0.01 * len(found) <= feed.waited < 10


def test_evaluation_reads_its_batches_in_order(feed):
    found = list(feed.evaluate(3))
    assert feed.started == [(0, 3, slice(0, 2))]
    assert [batch.labels.tolist() for batch in found] == [[[12, 13]], [[14, -1]], [[15, 16]]]
    assert found[1].images.shape == (1, 2, 2, 3, 1)


@pytest.mark.parametrize(("batch", "divided"), [(8, True), (7, False), (2, True)])
def test_a_batch_is_divided_over_devices_where_that_goes_evenly(batch, divided, monkeypatch):
    monkeypatch.setattr(feeds, "NamedSharding", lambda mesh, spec: spec)
    mesh = SimpleNamespace(shape={COLUMN: 1, DATA: 2})
    found = feeds.batch_sharding(mesh, batch)  # pyright: ignore
    assert found == P(COLUMN, DATA if divided else None)
