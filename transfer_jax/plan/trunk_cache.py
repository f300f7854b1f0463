"""What is kept of frozen layers that are computed once an image."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from transfer_jax.data.order import Activations, Batch, Images, KeptTrunk
from transfer_jax.engine.cost import tree_bytes


@dataclass(frozen=True, eq=False)
class TrunkCache:
    """What is kept of a trunk.

    Attributes:
      examples: the images.
      shapes: after how many layers, and what: one copy; none where nothing is kept.
      fill: multiply-adds of the pass that computes it.
      without: multiply-adds of frozen first layers in a step of a column, where nothing is kept:
        the mean of all steps.
      within: those that are left.
      steps: steps of all columns together.
      reason: why nothing is kept, or not more.
      on_disk: whether it lies on disk, and is read at every step.
    """

    examples: Int[np.ndarray, " example"]
    shapes: Activations
    fill: int = 0
    without: float = 0
    within: float = 0
    steps: int = 0
    reason: str = ""
    on_disk: bool = False

    @property
    def depths(self) -> tuple[int, ...]:
        """After how many layers, in order."""
        return tuple(sorted(self.shapes))

    @property
    def size(self) -> int:
        """Bytes of one copy."""
        return tree_bytes(self.shapes)

    @property
    def pays(self) -> bool:
        """Whether it saves more than it costs."""
        return self.fill < (self.without - self.within) * self.steps

    def beside(self, images: Images) -> Images:
        """What a step takes: images, and what is kept of them.

        Args:
          images: shapes of a dataset, or of a batch that was read.

        Returns:
          Shapes.
        """
        if not self.shapes:
            return images
        if isinstance(images, Batch):
            return images._replace(kept={n: _of_batch(x, images) for n, x in self.shapes.items()})
        rows = jax.ShapeDtypeStruct(images.labels.shape, np.int32)
        return images._replace(trunk=KeptTrunk(rows, self.shapes))  # pyright: ignore


def _of_batch(x: Any, batch: Batch) -> Any:
    """The shape of what is kept, of a batch in place of all images."""
    views, _, *tail = x.shape
    return jax.ShapeDtypeStruct((views, *batch.labels.shape, *tail), x.dtype)
