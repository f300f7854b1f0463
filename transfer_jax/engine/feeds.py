"""Where a slot's batches come from: images that live on the device, or a stream from disk."""

import time
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Int

from transfer_jax.data.image_set import ImageSet
from transfer_jax.data.order import BatchOrder, ColumnInputs, DeviceImages
from transfer_jax.data.stream import BatchSource, HostBatch, Reading, stream
from transfer_jax.engine.mesh import COLUMN, DATA

Numbers = BatchOrder | Int[np.ndarray, "batches batch"]


class Feed(Protocol):
    """Gives the images of each step, in turn.

    Attributes:
      streamed: whether these are the step's own batches, one a column; else all images, from
        which a column takes its batches by number.
    """

    streamed: bool

    def train(self, steps: int, done: int = 0) -> Iterator[DeviceImages]:
        """What the training steps see, from the first that is not done to the last."""
        ...

    def evaluate(self, batches: int) -> Iterator[DeviceImages]:
        """What the steps of one evaluation see."""
        ...


def on_device(images: ImageSet) -> DeviceImages:
    """A dataset as arrays on the default device.

    Args:
      images: the dataset, in host memory.

    Returns:
      The dataset, on the device.
    """
    return DeviceImages(jnp.asarray(images.in_memory), jnp.asarray(images.labels))


def evaluation_batches(inputs: ColumnInputs) -> Int[np.ndarray, "batch example"]:
    """A column's batches to evaluate on, in order: the validation's, then the test's.

    Args:
      inputs: the column's inputs.

    Returns:
      Indices of examples; -1 is padding.
    """
    return np.concatenate([inputs.validation_batches, inputs.test_batches])


class ResidentFeed:
    """All images on every device.

    Args:
      images: the dataset, on the mesh.
    """

    streamed = False

    def __init__(self, images: DeviceImages) -> None:
        self.images = images

    def train(self, steps: int, done: int = 0) -> Iterator[DeviceImages]:
        """The dataset, at every step."""
        return repeat(self.images, steps - done)

    def evaluate(self, batches: int) -> Iterator[DeviceImages]:
        """The dataset, at every batch to evaluate on."""
        return repeat(self.images, batches)


class StreamFeed:
    """Batches read from disk while the devices work; columns of the same order share one reader.

    Every process reads only the rows of batches that lie on its own devices.

    Args:
      images: the dataset, on disk.
      orders: each column's order of training examples.
      evaluations: each column's batches to evaluate on.
      mesh: the mesh.
      reading: how batches are read.
    """

    streamed = True

    def __init__(
        self,
        images: ImageSet,
        orders: Sequence[BatchOrder],
        evaluations: Sequence[Int[np.ndarray, "batches batch"]],
        mesh: Mesh,
        reading: Reading,
    ) -> None:
        self.images, self.mesh, self.reading = images, mesh, reading
        self.orders, self.evaluations = orders, evaluations
        self.waited = 0.0

    def train(self, steps: int, done: int = 0) -> Iterator[DeviceImages]:
        """Each column's own batch, from the first step that is not done to the last."""
        keys = [order.words for order in self.orders]
        return self._batches(keys, self.orders, self.orders[0].batch_size, steps, done)

    def evaluate(self, batches: int) -> Iterator[DeviceImages]:
        """Each column's batches to evaluate on."""
        numbers = self.evaluations
        keys = [own.tobytes() for own in numbers]
        return self._batches(keys, numbers, numbers[0].shape[1], batches)

    def _batches(
        self,
        keys: Sequence[object],
        numbers: Sequence[Numbers],
        batch: int,
        count: int,
        done: int = 0,
    ) -> Iterator[DeviceImages]:
        columns = [*range(len(keys)), *[len(keys) - 1] * (self.mesh.shape[COLUMN] - len(keys))]
        rows = _local_rows(self.mesh, batch)
        needed = {keys[columns[row]]: (columns[row], own) for row, own in rows.items()}
        readers = {
            key: stream(BatchSource(self.images, numbers[column], own, count), self.reading, done)
            for key, (column, own) in needed.items()
        }
        for _ in range(done, count):
            began = time.perf_counter()
            found = {key: next(reader) for key, reader in readers.items()}
            self.waited += time.perf_counter() - began
            by_row = {row: found[keys[columns[row]]] for row in rows}
            yield _place(by_row, {row: own.start for row, own in rows.items()}, self.mesh, batch)


def batch_sharding(mesh: Mesh, batch: int) -> NamedSharding:
    """How one batch a column lies on the mesh: divided over `data` where that goes evenly.

    Args:
      mesh: the mesh.
      batch: examples of a batch.

    Returns:
      The sharding of an array with leading axes of columns and examples.
    """
    return NamedSharding(mesh, P(COLUMN, None if batch % mesh.shape[DATA] else DATA))


def _local_rows(mesh: Mesh, batch: int) -> dict[int, slice]:
    """Of each row of the mesh that has a device of this process: the examples that lie there."""
    shape = (mesh.shape[COLUMN], batch)
    rows: dict[int, slice] = {}
    for index in batch_sharding(mesh, batch).addressable_devices_indices_map(shape).values():
        assert index is not None
        row, (start, stop, _) = index[0].indices(shape[0])[0], index[1].indices(batch)
        held = rows.get(row, slice(start, stop))
        rows[row] = slice(min(held.start, start), max(held.stop, stop))
    if len({(own.start, own.stop) for own in rows.values()}) > 1:
        # Columns that share a reader must need the same examples of it.
        rows = dict.fromkeys(rows, slice(0, batch))
    return rows


def _place(
    by_row: dict[int, HostBatch], starts: dict[int, int], mesh: Mesh, batch: int
) -> DeviceImages:
    sharding = batch_sharding(mesh, batch)
    any_row = next(iter(by_row.values()))

    def placed(field: str) -> jax.Array:
        tail = getattr(any_row, field).shape[1:]

        def part(index: tuple[slice, ...] | None) -> np.ndarray:
            assert index is not None
            row = index[0].indices(mesh.shape[COLUMN])[0]
            start, stop, _ = index[1].indices(batch)
            own = getattr(by_row[row], field)
            return own[None, start - starts[row] : stop - starts[row]]

        shape = (mesh.shape[COLUMN], batch, *tail)
        return jax.make_array_from_callback(shape, sharding, part)

    return DeviceImages(placed("images"), placed("labels"))
