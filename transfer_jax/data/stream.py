"""Batches read from disk as training goes on, by Grain: in order, ahead of time, from any step."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import numpy as np
from jaxtyping import Int, UInt8

from transfer_jax.data.image_set import ImageSet
from transfer_jax.data.order import BatchOrder
from transfer_jax.data.workers import end_with_parent, signals_left_to_this_process

if TYPE_CHECKING:  # It takes seconds to import, and only a stream needs it.
    from grain import DatasetIterator


class StreamError(ValueError):
    """Images that cannot be read: a damaged record, or a worker process that is gone."""


class HostBatch(NamedTuple):
    """Images and classes in host memory; class -1 is padding."""

    images: UInt8[np.ndarray, "batch height width channels"]
    labels: Int[np.ndarray, " batch"]


class Reading(Protocol):
    """How batches are read, as a config says it."""

    @property
    def workers(self) -> int:
        """Processes that read and decode; 0: threads of this one."""
        ...

    @property
    def threads(self) -> int:
        """Threads of each process."""
        ...

    @property
    def ahead(self) -> int:
        """Batches that wait in memory."""
        ...


class BatchSource:
    """The batches of one order by number, each read whole by whoever asks for it.

    Args:
      images: a dataset, on disk or in memory.
      numbers: what each batch holds: an order of training examples, or fixed batches, in which
        -1 is padding.
      rows: the share of each batch that this process needs.
      count: number of batches.
    """

    def __init__(
        self,
        images: ImageSet,
        numbers: BatchOrder | Int[np.ndarray, "batches batch"],
        rows: slice,
        count: int,
    ) -> None:
        # What is on disk is read image by image, as an array is.
        self.images = cast(np.ndarray, images.images)
        self.labels = images.labels
        self.numbers, self.rows, self.count = numbers, rows, count

    def __len__(self) -> int:
        """Number of batches."""
        return self.count

    def __getitem__(self, step: int) -> HostBatch:
        """The share of one batch."""
        numbers = self._numbers(step)
        shape = (len(numbers), *self.images.shape[1:])
        images, labels = np.zeros(shape, np.uint8), np.full(len(numbers), -1, np.int32)
        for place, number in enumerate(numbers):
            if number >= 0:
                images[place], labels[place] = self.images[number], self.labels[number]
        return HostBatch(images, labels)

    def _numbers(self, step: int) -> Int[np.ndarray, " row"]:
        if not isinstance(self.numbers, BatchOrder):
            return self.numbers[step][self.rows]
        size = self.numbers.batch_size
        start, stop, _ = self.rows.indices(size)
        return self.numbers.at(np.arange(step * size + start, step * size + stop))


def stream(source: BatchSource, reading: Reading, start: int = 0) -> Iterator[HostBatch]:
    """The batches from one step on, read ahead.

    Args:
      source: the batches by number.
      reading: how they are read.
      start: the first step.

    Returns:
      The batches, in order; the same ones wherever it starts and however they are read.

    Raises:
      StreamError: a record is damaged, or a worker process is gone.
    """
    import grain

    # More threads than batches in memory would have nothing to do.
    threads = min(reading.threads, reading.ahead)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=reading.ahead)
    batches = grain.MapDataset.source(source)[start:].to_iter_dataset(options)  # pyright: ignore
    if reading.workers:
        # Grain asks for flags that only a program of absl's own parses.
        from absl import flags

        flags.FLAGS.mark_as_parsed()
        batches = batches.mp_prefetch(
            grain.multiprocessing.MultiprocessingOptions(reading.workers, reading.ahead),
            end_with_parent,
        )
    return _told(iter(batches), bool(reading.workers))


def _told(batches: "DatasetIterator[HostBatch]", workers: bool) -> Iterator[HostBatch]:
    """The batches; whatever a worker or a library raises becomes one line."""
    # The first batch starts the workers.
    starting = signals_left_to_this_process() if workers else nullcontext()
    try:
        with starting:
            batch = next(batches)
        while True:
            yield batch
            batch = next(batches)
    except StopIteration:
        return
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        raise StreamError(f"the images cannot be read on: {said}") from None
    finally:
        batches.close()
