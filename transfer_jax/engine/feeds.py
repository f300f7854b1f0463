"""Where a slot's batches come from: images that live on the device, or a stream from disk."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice, repeat
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Int

from transfer_jax.data.image_set import ImageSet
from transfer_jax.data.order import Batch, BatchOrder, ColumnInputs, DeviceImages, Images, KeptTrunk
from transfer_jax.data.stream import BatchSource, HostBatch, Reading, stream
from transfer_jax.engine.mesh import COLUMN, DATA

Numbers = BatchOrder | Int[np.ndarray, "batches batch"]


class Feed(Protocol):
    """Gives each step its own batch, whatever it comes from.

    What it gives knows how: a dataset is gathered from within the compiled step, a batch is one.
    """

    def begin(self, steps: int, done: int = 0) -> None:
        """Training begins: `take` gives batches from the first step that is not done."""
        ...

    def take(self, count: int) -> Iterator[tuple[Images, int]]:
        """What the next `count` training steps see: images, and the number of steps they serve."""
        ...

    def evaluate(self, end: int, begin: int = 0) -> Iterator[Images]:
        """What the steps of one evaluation see, in turn: batches from `begin` on, up to `end`."""
        ...


def on_device(images: ImageSet) -> DeviceImages:
    """A dataset as arrays on the default device.

    Args:
      images: the dataset, in host memory.

    Returns:
      The dataset, on the device.
    """
    return DeviceImages(jnp.asarray(images.in_memory), jnp.asarray(images.labels))


def shapes_of_images(images: ImageSet, batch: int, *, read: bool = False) -> Images:
    """Shapes of the images that lie on a device: all of them, or a batch that was read.

    Args:
      images: the dataset.
      batch: examples of a batch.
      read: whether batches are read though the dataset is in memory.

    Returns:
      What a feed gives, of `jax.ShapeDtypeStruct`.
    """
    count, *pixel = images.images.shape
    kind, count = (Batch, batch) if images.streamed or read else (DeviceImages, count)
    return kind(
        jax.ShapeDtypeStruct((count, *pixel), jnp.uint8),  # pyright: ignore
        jax.ShapeDtypeStruct((count,), jnp.int32),  # pyright: ignore
    )


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
      trunk: what frozen layers make of the images that are trained on, if it is kept.
    """

    def __init__(self, images: DeviceImages, trunk: KeptTrunk | None = None) -> None:
        self.images, self.training = images, images._replace(trunk=trunk)

    def begin(self, steps: int, done: int = 0) -> None:
        """Nothing: each step finds its own batch by its number."""

    def take(self, count: int) -> Iterator[tuple[DeviceImages, int]]:
        """The dataset, once for all steps."""
        yield self.training, count

    def evaluate(self, end: int, begin: int = 0) -> Iterator[DeviceImages]:
        """The dataset, at every batch to evaluate on."""
        return repeat(self.images, end - begin)


class StreamFeed:
    """Batches read on the host while the devices work; columns of the same order share one reader.

    Every process reads only the rows of batches that lie on its own devices.

    Args:
      images: the dataset, on disk or in memory.
      orders: each column's order of training examples.
      evaluations: each column's batches to evaluate on.
      reading: how batches are read.
    """

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
        self.training: Iterator[Batch] = iter(())

    def begin(self, steps: int, done: int = 0) -> None:
        """Begin to read ahead, from the first step that is not done to the last."""
        keys = [order.words for order in self.orders]
        batch = self.orders[0].batch_size
        self.training = self._batches(keys, self.orders, batch, steps, done)

    def take(self, count: int) -> Iterator[tuple[Batch, int]]:
        """Each column's own batch, step by step."""
        for batch in islice(self.training, count):
            yield batch, 1

    def evaluate(self, end: int, begin: int = 0) -> Iterator[Batch]:
        """Each column's batches to evaluate on."""
        numbers = self.evaluations
        keys = [own.tobytes() for own in numbers]
        return self._batches(keys, numbers, numbers[0].shape[1], end, begin)

    def _batches(
        self,
        keys: Sequence[object],
        numbers: Sequence[Numbers],
        batch: int,
        count: int,
        done: int = 0,
    ) -> Iterator[Batch]:
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


def _place(by_row: dict[int, HostBatch], starts: dict[int, int], mesh: Mesh, batch: int) -> Batch:
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

    return Batch(placed("images"), placed("labels"))
