"""Where the columns of a slot read their images from."""

from collections.abc import Sequence

from jax.sharding import Mesh

from transfer_jax.data.order import DeviceImages
from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.feeds import (
    Feed,
    ResidentFeed,
    StreamFeed,
    evaluation_batches,
    on_device,
)
from transfer_jax.engine.mesh import replicate
from transfer_jax.plan.plan import Plan


class Feeds:
    """Makes feeds; a dataset that lies on the devices is put there once."""

    def __init__(self) -> None:
        self.images: dict[tuple[Mesh, str], DeviceImages] = {}

    def of(self, plan: Plan, starts: Sequence[ColumnStart], mesh: Mesh) -> Feed:
        """The feed of columns that are trained side by side.

        Args:
          plan: the plan of one of them; those that share a program share their images.
          starts: what they start from.
          mesh: the devices that they are trained on.

        Returns:
          The feed.
        """
        images = plan.recipe.images
        if not images.streamed:
            return ResidentFeed(self._resident(plan, mesh))
        orders = [start.order for start in starts if start.order is not None]
        evaluations = [evaluation_batches(start.inputs) for start in starts]
        return StreamFeed(images, orders, evaluations, mesh, plan.config.reading)

    def _resident(self, plan: Plan, mesh: Mesh) -> DeviceImages:
        data = plan.config.data
        key = (mesh, f"{data.source} {data.folder} {data.enlarge}")
        if key not in self.images:
            self.images[key] = replicate(on_device(plan.recipe.images), mesh)
        return self.images[key]
