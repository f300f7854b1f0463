"""What the shared trunk makes of a batch, for all conditions. Nothing here is trained."""

from dataclasses import dataclass, replace

import jax
from jaxtyping import Array, Int, Key

from transfer_jax.data.order import Batch, ColumnInputs
from transfer_jax.engine.apart import apart
from transfer_jax.engine.view import Seen, View
from transfer_jax.grid.keys import fold_in_name
from transfer_jax.models.layered import INFERENCE, Layered, Mode, Rngs, Variables

# How activations may be kept: not at all, as they are computed, or rounded to bfloat16.
NOTHING, COMPUTED, ROUNDED = "", "computed", "rounded"


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
