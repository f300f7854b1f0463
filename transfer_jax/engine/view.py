"""How images of a batch are seen: normalised, and in training shifted, cut out and mirrored."""

from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from transfer_jax.data.augment import mirror, normalise, random_mirror, which_mirrored
from transfer_jax.data.crops import (
    centre_crop,
    cropped,
    few_places,
    random_crop,
    random_shift,
    shifted,
)
from transfer_jax.data.order import Activations, Batch, ColumnInputs
from transfer_jax.grid.keys import fold_in_name

# Number of layers of the base network to the activation after them.
Seen = dict[int, Array]
Pixels = Float[Array, "batch height width channels"]


class View(NamedTuple):
    """How images are seen.

    Attributes:
      mirror: whether training images are mirrored at random.
      shift: largest random shift of training images, in pixels.
      crop: side of the square that is cut out of each image, at random in training; 0 for none.
      views: to how many places it may be shifted, or cut out of, in all of training: the first one
        is the middle; 0 draws at every step.
    """

    mirror: bool = False
    shift: int = 0
    crop: int = 0
    views: int = 0

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
        if self.kept_views:
            return self._seen_as(x, self._drawn(key, len(x)))
        x = random_shift(fold_in_name(key, "shift"), x, self.shift)
        x = random_crop(fold_in_name(key, "crop"), x, self.crop)
        return random_mirror(fold_in_name(key, "mirror"), x) if self.mirror else x

    @property
    def places(self) -> int:
        """Where in an image training looks; 0 for too many places to keep what is made of them."""
        return self.views if self.shift or self.crop else 1

    @property
    def kept_views(self) -> int:
        """How many ways training sees an image: at each place, as it is and mirrored; or 0."""
        return self.places * (1 + self.mirror)

    def kept(
        self, batch: Batch, inputs: ColumnInputs, view: Int[Array, ""]
    ) -> Float[Array, "batch height width channels"]:
        """A batch in one of the ways in which training sees it.

        Args:
          batch: images.
          inputs: the column's inputs, whose mean and scale are used.
          view: which way, less than `kept_views`.

        Returns:
          What enters the first layer, as `training` gives it.
        """
        x = normalise(batch.images, inputs.mean, inputs.scale)
        return self._seen_as(x, jnp.broadcast_to(view, x.shape[:1]))

    def drawn(self, kept: Activations, key: Key[Array, ""]) -> Seen:
        """Of what was kept of a batch, the way in which `training` sees each image.

        Args:
          kept: number of layers to activations of every view.
          key: the step's key.

        Returns:
          Number of layers to activation.
        """
        return {n: _chosen(own, self._drawn(key, own.shape[1])) for n, own in kept.items()}

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

    def _drawn(self, key: Key[Array, ""], count: int) -> Int[Array, " batch"]:
        """The way in which a step sees each image: a place, and those mirrored after all others."""
        place = jax.random.randint(fold_in_name(key, "view"), (count,), 0, self.places)
        if not self.mirror:
            return place
        return place + self.places * which_mirrored(fold_in_name(key, "mirror"), count)

    def _seen_as(self, x: Pixels, way: Int[Array, " batch"]) -> Pixels:
        """Images, each in its way."""
        if self.places > 1 or self.crop:
            place = way % self.places
            # Not a network's own: what frozen layers make of a view is computed once for all.
            shifts, crops = few_places(self.places, self.shift, self.crop, x.shape[1:3])
            x = shifted(x, jnp.asarray(shifts)[place], self.shift)
            x = cropped(x, jnp.asarray(crops)[place], self.crop)
        return mirror(x, way >= self.places) if self.mirror else x


def _chosen(own: Float[Array, "view example ..."], way: Int[Array, " example"]) -> Array:
    """Each example in its own view."""
    way = way.reshape(-1, *(1,) * (own.ndim - 2))
    # Choices, and no gathering, which would fetch what lies on other devices.
    return reduce(lambda x, v: jnp.where(way == v, own[v], x), range(1, len(own)), own[0])
