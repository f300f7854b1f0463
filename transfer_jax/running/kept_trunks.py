"""What frozen layers give, computed once for all columns, seeds and slots of a training."""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from transfer_jax.data.order import ColumnInputs, DeviceImages, Images, KeptTrunk
from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.disk import bytes_on_disk, disk_for, on_disk
from transfer_jax.engine.feeds import StreamFeed
from transfer_jax.engine.kept_trunk import TrunkPass
from transfer_jax.engine.memory import memory_of_device
from transfer_jax.engine.processes import agree
from transfer_jax.models.layered import Variables
from transfer_jax.plan.plan import Plan
from transfer_jax.plan.trunk_cache import TrunkCache
from transfer_jax.plan.trunk_choice import trunk_cache
from transfer_jax.plan.trunk_notes import kept_note

KEEPING = "while frozen layers were computed"
# Processes agree on the largest number that any says: on what their memory lacks of this.
MIB, MOST = 2**20, 2**30


class KeptTrunks:
    """Keeps what one trunk gives; another one's takes its place.

    Args:
      say: tells a person.
      on_batch: called after each batch; what it raises ends the pass.
    """

    def __init__(self, say: Callable[[str], None], on_batch: Callable[[], None]) -> None:
        self.say, self.on_batch = say, on_batch
        self.decided: dict[tuple[Plan, Mesh], TrunkCache] = {}
        self.held: tuple[object, KeptTrunk | None] = (None, None)

    def of(
        self,
        plan: Plan,
        base: Variables,
        starts: Sequence[ColumnStart],
        mesh: Mesh,
        images: DeviceImages | None,
    ) -> KeptTrunk | None:
        """What the trunk of a plan's columns gives, on the host.

        Args:
          base: the network that they copy from.
          starts: what some of them start from.
          mesh: the devices that they are trained on.
          images: on these devices; None where they are read from disk.

        Returns:
          What is kept; None for nothing.
        """
        cache = self._decided(plan, mesh)
        # Columns of another run, whose images are others, may share a program with these.
        seen = [own.order.examples for own in starts if own.order is not None]
        if not cache.shapes or not all(np.isin(own, cache.examples).all() for own in seen):
            return None
        key = (mesh, plan.program_key(()), cache.depths, cache.examples.tobytes())
        if self.held[0] != key:
            self.held = (None, None)  # Before another takes as much.
            self.held = (key, self._computed(plan, cache, base, starts[0].inputs, mesh, images))
        return self.held[1]

    def _decided(self, plan: Plan, mesh: Mesh) -> TrunkCache:
        if (plan, mesh) not in self.decided:
            disk = disk_for(plan.config.cache.disk, bytes_on_disk(self.held[1]))
            room = (memory_of_device(mesh), disk)
            lacking = agree(*(MOST - min(own // MIB, MOST) for own in room))
            self.decided[plan, mesh] = trunk_cache(plan, *(MIB * (MOST - own) for own in lacking))
        return self.decided[plan, mesh]

    def _computed(
        self,
        plan: Plan,
        cache: TrunkCache,
        base: Variables,
        inputs: ColumnInputs,
        mesh: Mesh,
        images: DeviceImages | None,
    ) -> KeptTrunk | None:
        rooms = _rooms(cache)
        if rooms is None:
            self.say("Frozen layers are computed at every step: the disk has no room for them")
            return None
        self.say(kept_note(plan, cache))

        def fed(batches: Int[np.ndarray, "row batch example"]) -> Iterable[Images]:
            if images is not None:
                return repeat(images, batches.shape[1])
            stream = StreamFeed(plan.recipe.images, [], [*batches], mesh, plan.config.reading)
            return stream.evaluate(batches.shape[1])

        trunk, size = plan.program(()).trunk(cache.depths), plan.recipe.batch_size
        kept = TrunkPass(trunk, mesh, size, rooms=rooms)
        found = kept.over(base, fed, inputs, cache.examples, self.on_batch)
        if odd := [n for n in cache.depths if n not in found.activations]:
            names = ", ".join(plan.network.layer_names[n - 1] for n in odd)
            self.say(
                f"what leaves {names} depends on an image's place in a batch of {size}, by "
                "rounding: it is computed at every step"
            )
        return found if found.activations else None


def _rooms(cache: TrunkCache) -> dict[int, np.ndarray] | None:
    """Files for what is kept on disk; None where a process has no room for them."""
    found: dict[int, np.ndarray] = {}
    try:
        for n, own in cache.shapes.items() if cache.on_disk else ():
            found[n] = on_disk(own.shape, own.dtype)
        (full,) = agree(0)
    except OSError:
        (full,) = agree(1)
    return None if full else found
