"""Batches that are read from disk, and beside them what frozen layers make of them."""

from collections.abc import Iterator, Sequence

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from transfer_jax.data.image_set import ImageSet
from transfer_jax.data.order import Activations, Batch, BatchOrder, KeptTrunk
from transfer_jax.data.stream import Reading
from transfer_jax.engine.feeds import StreamFeed
from transfer_jax.engine.mesh import DATA, place


class KeptStreamFeed(StreamFeed):
    """A stream whose training batches come with activations that lie on the host.

    Args:
      images: the dataset, on disk.
      orders: each column's order of training examples.
      evaluations: each column's batches to evaluate on.
      reading: how batches are read.
      trunk: what is kept.
    """

    def __init__(
        self,
        images: ImageSet,
        orders: Sequence[BatchOrder],
        evaluations: Sequence[Int[np.ndarray, "batches batch"]],
        mesh: Mesh,
        reading: Reading,
        trunk: KeptTrunk,
    ) -> None:
        super().__init__(images, orders, evaluations, mesh, reading)
        self.trunk, self.step = trunk, 0

    def begin(self, steps: int, done: int = 0) -> None:
        """Begin to read ahead, from the first step that is not done to the last."""
        super().begin(steps, done)
        self.step = done

    def take(self, count: int) -> Iterator[tuple[Batch, int]]:
        """Each column's own batch, step by step."""
        for batch, steps in super().take(count):
            yield batch._replace(kept=self._kept()), steps
            self.step += 1

    def _kept(self) -> Activations:
        """What is kept of the step's batch, each column's own."""
        size = self.orders[0].batch_size
        places = np.arange(self.step * size, (self.step + 1) * size)
        held = {n: np.asarray(own) for n, own in self.trunk.activations.items()}
        rows = [np.asarray(self.trunk.rows)[order.at(places)] for order in self.orders]
        by_column = [{n: own[:, row] for n, own in held.items()} for row in rows]
        return place(by_column, self.mesh, batch_axis=None if size % self.mesh.shape[DATA] else 2)
