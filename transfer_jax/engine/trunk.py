"""What conditions see of a batch: its images as they are normalised and augmented, and what the
shared trunk makes of them. Nothing here is trained."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from transfer_jax.data.augment import (
    centre_crop,
    mirror,
    normalise,
    random_crop,
    random_mirror,
    random_shift,
    which_mirrored,
)
from transfer_jax.data.order import Activations, Batch, ColumnInputs
from transfer_jax.engine.apart import apart
from transfer_jax.grid.keys import fold_in_name
from transfer_jax.models.layered import INFERENCE, Layered, Mode, Rngs, Variables

# How activations may be kept: not at all, as they are computed, or rounded to bfloat16.
NOTHING, COMPUTED, ROUNDED = "", "computed", "rounded"
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

    @property
    def kept_views(self) -> int:
        """How many ways training sees an image: as it is, and mirrored; 0 for too many to keep."""
        return 0 if self.shift or self.crop else 1 + self.mirror

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
        return mirror(x, jnp.broadcast_to(view == 1, x.shape[:1])) if self.mirror else x

    def drawn(self, kept: Activations, key: Key[Array, ""]) -> Seen:
        """Of what was kept of a batch, the way in which `training` sees each image.

        Args:
          kept: number of layers to activations of every view.
          key: the step's key.

        Returns:
          Number of layers to activation.
        """
        if not self.mirror:
            return {depth: own[0] for depth, own in kept.items()}
        return {depth: _chosen(own, fold_in_name(key, "mirror")) for depth, own in kept.items()}

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
      keeps: how activations may be kept, so that training gives the same numbers to the bit.
    """

    network: Layered
    depths: tuple[int, ...]
    view: View
    dropout: bool
    keeps: str = NOTHING

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
            return self.above({0: self.view.evaluation(batch, inputs)}, base)
        key = _step_key(inputs, step)
        seen = {0: self.view.training(batch, inputs, key)}
        if not self.keeps:
            return self.above(seen, base, Mode(dropout=self.dropout), step_rngs(inputs, step))
        kept = self._kept(batch, inputs, step, base, seen[0])
        rest = replace(self, depths=tuple(n for n in self.depths if n not in kept))
        # Of what is rounded no other is made: numbers are the same, whichever were kept.
        known = seen if self.keeps == ROUNDED else seen | kept
        found = rest.above(known, base, Mode(dropout=self.dropout), step_rngs(inputs, step), step)
        if self.keeps == ROUNDED:
            found = {n: _rounded(x) if n else x for n, x in found.items()}
        return {n: kept[n] if n in kept else found[n] for n in self.depths}

    def above(
        self,
        known: Seen,
        base: Variables,
        mode: Mode = INFERENCE,
        rngs: Rngs | None = None,
        step: Int[Array, ""] | None = None,
    ) -> Seen:
        """The wanted activations, each from the nearest one below that is known.

        Args:
          known: activations of a batch, those of its images at least.
          base: the base network's layers.
          mode: what layers do.
          rngs: keys by name.
          step: where it is given, each layer is computed apart from the next one, so that its
            numbers do not depend on what else is wanted.

        Returns:
          The activation by the number of layers below it.
        """
        seen = dict(known)
        for depth in self.depths:
            for n in range(max(n for n in seen if n <= depth), depth):
                x, _ = self.network.apply(base, seen[n], n, n + 1, mode=mode, rngs=rngs)
                seen[n + 1] = x if step is None else apart(x, step)
        return {depth: seen[depth] for depth in self.depths}

    def _kept(
        self, batch: Batch, inputs: ColumnInputs, step: Int[Array, ""], base: Variables, x: Array
    ) -> Seen:
        """What was kept of a batch, maybe in fewer bits, as layers give it."""
        depths = tuple(n for n in sorted(batch.kept or {}) if n <= max(self.depths, default=0))
        drawn = self.view.drawn({n: (batch.kept or {})[n] for n in depths}, _step_key(inputs, step))
        given = jax.eval_shape(replace(self, depths=depths).above, {0: x}, base)
        return {n: apart(own.astype(given[n].dtype), step) for n, own in drawn.items()}


def _rounded(x: Array) -> Array:
    """To bfloat16, in as many bits as before."""
    return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=7)


def _chosen(own: Float[Array, "view example ..."], key: Key[Array, ""]) -> Array:
    """Each example as it is, or mirrored."""
    count, tail = own.shape[1], (1,) * (own.ndim - 2)
    return jnp.where(which_mirrored(key, count).reshape(count, *tail), own[1], own[0])


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
