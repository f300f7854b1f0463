"""A trunk computed once: what frozen first layers make of each image, kept for all steps.

Steps that take it give the same numbers to the bit, if an image's activation is the same in every
batch. So it is computed in batches of the size of training's, that lie on the mesh as these do; and
what depends on an image's place in its batch even so is found out, and not kept: a matrix product
may sum the last rows of a matrix in another order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int

from transfer_jax.data.order import ColumnInputs, DeviceImages, Images, KeptTrunk
from transfer_jax.engine.inputs import place_inputs
from transfer_jax.engine.mesh import COLUMN, fetch, over_columns, place
from transfer_jax.engine.trunk import ROUNDED, Trunk
from transfer_jax.engine.view import Seen
from transfer_jax.models.layered import Variables

# Batches in another order that must give the same numbers.
TRIED = 2

# From batches of each row of the mesh to what a feed gives for them, one after the other.
Fed = Callable[[Int[np.ndarray, "row batch example"]], Iterable[Images]]


@dataclass(frozen=True)
class TrunkPass:
    """One forward pass over images, on a mesh.

    Attributes:
      trunk: the layers, and the depths whose activations are kept.
      mesh: the devices that train.
      batch_size: examples of a training batch.
      lean: whether a CPU computes in the order that needs the least memory, as it is to train.
      rooms: arrays that are filled, by depth; others are made in memory.
    """

    trunk: Trunk
    mesh: Mesh
    batch_size: int
    lean: bool = True
    rooms: Mapping[int, np.ndarray] = field(default_factory=dict)

    def seen(
        self,
        base: Variables,
        images: Images,
        inputs: ColumnInputs,
        number: Int[Array, ""],
        view: Int[Array, ""],
    ) -> Seen:
        """The activations of one batch, all of its images seen in the same way."""
        batch = images.take(jnp.asarray(inputs.train_batches), number)
        seen = {0: self.trunk.view.kept(batch, inputs, view)}
        found = self.trunk.above(seen, base, step=number)
        if self.trunk.keeps == ROUNDED:
            return {n: own.astype(jnp.bfloat16) for n, own in found.items()}
        return found

    def over(
        self,
        base: Variables,
        fed: Fed,
        inputs: ColumnInputs,
        examples: Int[np.ndarray, " example"],
        on_batch: Callable[[], None] = lambda: None,
    ) -> KeptTrunk:
        """The activations of some images, as training sees them.

        Args:
          base: the network.
          fed: gives the images of batches.
          inputs: those of a column; only its mean and scale are used.
          examples: the numbers of the images.
          on_batch: called after each batch; what it raises ends the pass.

        Returns:
          The activations, on the host: of those depths at which they are the same in every batch.
        """
        names = self.trunk.network.layer_names[: max(self.trunk.depths)]
        placed = place([{n: base[n] for n in names}] * self.mesh.shape[COLUMN], self.mesh)
        call = over_columns(self.seen, self.mesh, shared=(DeviceImages,), lean=self.lean)
        places = np.arange(len(examples))
        held: dict[int, np.ndarray] = {}
        given = (call, placed, fed, inputs, examples, on_batch)
        for view, rows, found in self._batches(places, *given):
            for depth, own in found.items():
                if depth not in held:
                    held[depth] = self._room(depth, (len(examples), *own.shape[2:]), own.dtype)
                held[depth][view, rows] = own
        other = np.random.RandomState(0).permutation(places)
        for view, rows, found in self._batches(other, *given, most=TRIED):
            same = (n for n, own in found.items() if n in held)
            held = {n: held[n] for n in same if _equal(held[n][view, rows], found[n])}
        row_of = np.zeros(max(examples) + 1, np.int32)
        row_of[examples] = places
        return KeptTrunk(row_of, held)  # pyright: ignore

    def _room(self, depth: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        if depth in self.rooms:
            return self.rooms[depth]
        return np.empty((self.trunk.view.kept_views, *shape), dtype)

    def _batches(
        self,
        places: Int[np.ndarray, " example"],
        call: Callable[..., Any],
        base: Variables,
        fed: Fed,
        inputs: ColumnInputs,
        examples: Int[np.ndarray, " example"],
        on_batch: Callable[[], None],
        most: int | None = None,
    ) -> Iterator[tuple[int, np.ndarray, dict[int, np.ndarray]]]:
        """Of each batch in each view: the view, the places of its images, and the activations."""
        rows = _tables(places, self.mesh.shape[COLUMN], self.batch_size)
        numbers = examples[rows].astype(np.int32)
        own = place_inputs([inputs._replace(train_batches=n) for n in numbers], self.mesh)
        for number, images in enumerate(fed(numbers[:, :most])):
            if number == most:
                break
            for view in range(self.trunk.view.kept_views):
                found = call(base, images, own, np.int32(number), np.int32(view))
                yield view, rows[:, number], fetch(found)
            on_batch()


def _tables(
    places: Int[np.ndarray, " example"], rows: int, batch: int
) -> Int[np.ndarray, "row batch example"]:
    """Batches for each row of the mesh; the last ones begin again."""
    count = -(-len(places) // (rows * batch))
    return np.resize(places, (rows, count, batch))


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays are the same to the bit."""
    return a.tobytes() == b.tobytes()
