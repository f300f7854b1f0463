"""Batches that are read from disk, and beside them what frozen layers make of them."""

from collections.abc import Iterator

import numpy as np

from transfer_jax.data.order import Activations, Batch, KeptTrunk
from transfer_jax.engine.feeds import StreamFeed
from transfer_jax.engine.mesh import DATA, place


class KeptStreamFeed:
    """A stream whose training batches come with activations that lie on the host.

    Args:
      stream: reads the batches.
      trunk: what is kept.
    """

    def __init__(self, stream: StreamFeed, trunk: KeptTrunk) -> None:
        self.stream, self.trunk, self.step = stream, trunk, 0

    def begin(self, steps: int, done: int = 0) -> None:
        """Begin to read ahead, from the first step that is not done to the last."""
        self.stream.begin(steps, done)
        self.step = done

    def take(self, count: int) -> Iterator[tuple[Batch, int]]:
        """Each column's own batch, step by step."""
        for batch, steps in self.stream.take(count):
            yield batch._replace(kept=self._kept()), steps
            self.step += 1

    def evaluate(self, end: int, begin: int = 0) -> Iterator[Batch]:
        """Each column's batches to evaluate on, of which nothing is kept."""
        return self.stream.evaluate(end, begin)

    def _kept(self) -> Activations:
        """What is kept of the step's batch, each column's own."""
        orders, mesh = self.stream.orders, self.stream.mesh
        size = orders[0].batch_size
        places = np.arange(self.step * size, (self.step + 1) * size)
        held = {n: np.asarray(own) for n, own in self.trunk.activations.items()}
        rows = [np.asarray(self.trunk.rows)[order.at(places)] for order in orders]
        by_column = [{n: own[:, row] for n, own in held.items()} for row in rows]
        return place(by_column, mesh, batch_axis=None if size % mesh.shape[DATA] else 2)
