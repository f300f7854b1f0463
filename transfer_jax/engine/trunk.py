"""What conditions see of a batch: its images as they are normalised and augmented, and what the
shared trunk makes of them. Nothing here is trained."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
from jaxtyping import Array, Float, Int, Key

from transfer_jax.data.augment import (
    centre_crop,
    normalise,
    random_crop,
    random_mirror,
    random_shift,
)
from transfer_jax.data.order import Batch, ColumnInputs
from transfer_jax.grid.keys import fold_in_name
from transfer_jax.models.layered import Layered, Mode, Rngs, Variables

# Number of layers of the base network to the activation after them.
Seen = dict[int, Array]


class View(NamedTuple):
    """How images are seen.

    Attributes:
      mirror: whether training images are mirrored at random.
      shift: largest random shift of training images, in pixels.
      crop: side of the square that is cut out of each image, at random in training; 0 for none.
    """

    mirror: bool = False
    shift: int = 0
    crop: int = 0

    def training(
        self, batch: Batch, inputs: ColumnInputs, key: Key[Array, ""]
    ) -> Float[Array, "batch height width channels"]:
        """A batch to learn from.

        Args:
          batch: images.
          inputs: the column's inputs, whose mean and scale are used.
          key: the step's key.

        Returns:
          What enters the first layer.
        """
        x = normalise(batch.images, inputs.mean, inputs.scale)
        x = random_shift(fold_in_name(key, "shift"), x, self.shift)
        x = random_crop(fold_in_name(key, "crop"), x, self.crop)
        return random_mirror(fold_in_name(key, "mirror"), x) if self.mirror else x

    def evaluation(
        self, batch: Batch, inputs: ColumnInputs
    ) -> Float[Array, "batch height width channels"]:
        """A batch to evaluate on.

        Args:
          batch: images.
          inputs: the column's inputs, whose mean and scale are used.

        Returns:
          What enters the first layer.
        """
        return centre_crop(normalise(batch.images, inputs.mean, inputs.scale), self.crop)


@dataclass(frozen=True)
class Trunk:
    """The base network's first layers, which run once for all conditions that keep them.

    Attributes:
      network: the layered network.
      depths: after how many layers an activation is wanted, in order.
      view: how images are seen.
      dropout: whether dropout is on in training.
    """

    network: Layered
    depths: tuple[int, ...]
    view: View
    dropout: bool

    def see(
        self,
        base: Variables,
        batch: Batch,
        inputs: ColumnInputs,
        step: Int[Array, ""] | None = None,
    ) -> Seen:
        """The activations of a batch.

        Args:
          base: the base network's layers.
          batch: images.
          inputs: the column's inputs.
          step: the training step, which decides augmentation and dropout; None sees images as
            they are evaluated.

        Returns:
          The activation by the number of layers below it.
        """
        if step is None:
            x, rngs = self.view.evaluation(batch, inputs), None
        else:
            x = self.view.training(batch, inputs, _step_key(inputs, step))
            rngs = step_rngs(inputs, step)
        mode = Mode(dropout=self.dropout and step is not None)
        seen = {0: x}
        for n in range(max(self.depths, default=0)):
            x, _ = self.network.apply(base, x, n, n + 1, mode=mode, rngs=rngs)
            seen[n + 1] = x
        return {depth: seen[depth] for depth in self.depths}


def step_rngs(inputs: ColumnInputs, step: Int[Array, ""]) -> Rngs:
    """The keys that layers draw from at a step, the same in all conditions of a column.

    Args:
      inputs: the column's inputs.
      step: the training step.

    Returns:
      Keys by name.
    """
    return {"dropout": fold_in_name(_step_key(inputs, step), "dropout")}


def _step_key(inputs: ColumnInputs, step: Int[Array, ""]) -> Key[Array, ""]:
    return jax.random.fold_in(jax.random.wrap_key_data(inputs.key), step)
