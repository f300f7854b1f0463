"""Where the columns of a slot read their images from."""

from collections.abc import Sequence

from jax.sharding import Mesh

from transfer_jax.data.order import DeviceImages, KeptTrunk
from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.disk import bytes_on_disk
from transfer_jax.engine.feeds import (
    Feed,
    ResidentFeed,
    StreamFeed,
    evaluation_batches,
    on_device,
)
from transfer_jax.engine.kept_feed import KeptStreamFeed
from transfer_jax.engine.mesh import replicate
from transfer_jax.models.layered import Variables
from transfer_jax.plan.plan import Plan
from transfer_jax.running.kept_trunks import KeptTrunks


class Feeds:
    """Makes feeds; a dataset that lies on the devices is put there once.

    Args:
      trunks: what frozen layers give, where that is kept.
    """

    def __init__(self, trunks: KeptTrunks | None = None) -> None:
        self.trunks = trunks
        self.images: dict[tuple[Mesh, str], DeviceImages] = {}
        self.trunk: tuple[KeptTrunk | None, KeptTrunk | None] = (None, None)

    def of(
        self,
        plan: Plan,
        starts: Sequence[ColumnStart],
        mesh: Mesh,
        base: Variables | None = None,
    ) -> Feed:
        """The feed of columns that are trained side by side.

        Args:
          plan: the plan of one of them; those that share a program share their images.
          starts: what they start from.
          mesh: the devices that they are trained on.
          base: the network that they all copy from, if it was given.

        Returns:
          The feed.
        """
        images = plan.recipe.images
        resident = None if images.streamed else self._resident(plan, mesh)
        trunk = None
        if base is not None and self.trunks is not None:
            trunk = self.trunks.of(plan, base, starts, mesh, resident)
        if resident is not None and not bytes_on_disk(trunk):
            return ResidentFeed(resident, self._on(mesh, trunk))
        orders = [start.order for start in starts if start.order is not None]
        evaluations = [evaluation_batches(start.inputs) for start in starts]
        stream = StreamFeed(images, orders, evaluations, mesh, plan.config.reading)
        return KeptStreamFeed(stream, trunk) if trunk else stream

    def _on(self, mesh: Mesh, trunk: KeptTrunk | None) -> KeptTrunk | None:
        """What is kept, on the devices; put there once."""
        if trunk is None:
            return None
        if self.trunk[0] is not trunk:
            self.trunk = (None, None)  # Before another takes as much.
            self.trunk = (trunk, trunk and replicate(trunk, mesh))
        return self.trunk[1]

    def _resident(self, plan: Plan, mesh: Mesh) -> DeviceImages:
        data = plan.config.data
        key = (mesh, f"{data.source} {data.folder} {data.enlarge}")
        if key not in self.images:
            self.images[key] = replicate(on_device(plan.recipe.images), mesh)
        return self.images[key]
