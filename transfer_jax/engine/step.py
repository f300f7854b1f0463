"""One training step, and one evaluation step, of all conditions of a column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from transfer_jax.data.augment import (
    centre_crop,
    normalise,
    random_crop,
    random_mirror,
    random_shift,
)
from transfer_jax.data.order import ColumnInputs, DeviceImages
from transfer_jax.engine.condition import ConditionProgram, ConditionState, cross_entropy
from transfer_jax.grid.conditions import Cut
from transfer_jax.grid.keys import fold_in_name
from transfer_jax.models.layered import Layered, Params, Rngs
from transfer_jax.surgery.stacking import stack, unstack

PACKINGS = ("unroll", "vmap")


class ColumnState(NamedTuple):
    """What a step changes: of each cut, what its condition owns; and where training stands.

    `diverged` is the first step, counted from 1, whose loss was not finite; 0 for none.
    """

    conditions: dict[str, ConditionState]
    diverged: Int[Array, " cut"]
    step: Int[Array, ""]


class Metrics(NamedTuple):
    """Loss and accuracy on one batch, in the order of the column's cuts."""

    loss: Float[Array, " cut"]
    accuracy: Float[Array, " cut"]


class Counts(NamedTuple):
    """Sums over the examples seen so far, in the order of the column's cuts; the next batch."""

    loss: Float[Array, " cut"]
    correct: Int[Array, " cut"]
    examples: Int[Array, ""]
    batch: Int[Array, ""]


class Evaluation(NamedTuple):
    """How networks stand: on validation images, which a run chooses by, and on test images."""

    validation: Counts
    test: Counts


@dataclass(frozen=True)
class ColumnProgram:
    """The computation that all columns with the same cuts share.

    Attributes:
      network: the layered network.
      cuts: the cuts of the column, in order.
      tx: the optimizer of one condition.
      mirror: whether training images are mirrored at random.
      shift: largest random shift of training images, in pixels.
      crop: side of the square that is cut out of each image, at random in training; 0 for none.
      frozen_dropout: whether dropout stays on in frozen layers.
      packing: "unroll" writes the conditions out one after the other; "vmap" maps over those
        with the same frozen layers.
    """

    network: Layered
    cuts: Sequence[Cut]
    tx: optax.GradientTransformation
    mirror: bool = False
    shift: int = 0
    crop: int = 0
    frozen_dropout: bool = True
    packing: str = "unroll"

    @property
    def base_layers(self) -> tuple[str, ...]:
        """The layers of the base network that some condition keeps for good."""
        layers = {layer for cut in self.cuts for layer in cut.from_base}
        return tuple(name for i, name in enumerate(self.network.layer_names) if i in layers)

    @property
    def trunk_depth(self) -> int:
        """Number of first layers that run once for all conditions that keep them."""
        return max((cut.trunk_depth for cut in self.cuts), default=0)

    def init(
        self, whole: dict[str, Params], settings: Mapping[str, float] | None = None
    ) -> ColumnState:
        """The state before the first step.

        Args:
          whole: cut label to that condition's whole network.
          settings: values that the optimizer keeps in its state, such as its learning rate;
            None leaves those of `tx`.

        Returns:
          The state; it holds what each condition owns only.
        """
        conditions = {cut.label: self.condition(cut).init(whole[cut.label]) for cut in self.cuts}
        if settings:
            values = {name: jnp.asarray(value) for name, value in settings.items()}
            conditions = {
                label: held._replace(opt_state=optax.tree.set(held.opt_state, **values))
                for label, held in conditions.items()
            }
        return ColumnState(
            conditions, jnp.zeros(len(self.cuts), jnp.int32), jnp.zeros((), jnp.int32)
        )

    def train(
        self, state: ColumnState, base: Params, images: DeviceImages, inputs: ColumnInputs
    ) -> tuple[ColumnState, Metrics]:
        """One step of every condition on the next batch of a dataset on the device.

        Args:
          state: the column's state.
          base: the base network's layers named by `base_layers`.
          images: the dataset.
          inputs: the column's inputs; the batch is the one of `state.step`.

        Returns:
          The next state, and each condition's loss and accuracy before the step.
        """
        batch = jax.lax.dynamic_index_in_dim(inputs.train_batches, state.step, keepdims=False)
        return self.train_batch(state, base, _take(images, batch), inputs)

    def train_batch(
        self, state: ColumnState, base: Params, batch: DeviceImages, inputs: ColumnInputs
    ) -> tuple[ColumnState, Metrics]:
        """One step of every condition on one batch.

        Args:
          state: the column's state.
          base: the base network's layers named by `base_layers`.
          batch: images and classes.
          inputs: the column's inputs.

        Returns:
          The next state, and each condition's loss and accuracy before the step.
        """
        labels = inputs.ranks[batch.labels]
        key = jax.random.fold_in(jax.random.wrap_key_data(inputs.key), state.step)
        x = normalise(batch.images, inputs.mean, inputs.scale)
        x = random_shift(fold_in_name(key, "shift"), x, self.shift)
        x = random_crop(fold_in_name(key, "crop"), x, self.crop)
        x = random_mirror(fold_in_name(key, "mirror"), x) if self.mirror else x
        rngs = {"dropout": fold_in_name(key, "dropout")}
        activations = self._trunk_activations(base, x, train=self.frozen_dropout, rngs=rngs)
        conditions, losses, accuracies = {}, {}, {}
        for group in self._groups():
            held = [state.conditions[cut.label] for cut in group]
            found = self._step(group, held, base, activations, labels, rngs)
            for cut, (condition, loss, accuracy) in zip(group, found, strict=True):
                conditions[cut.label] = condition
                losses[cut.label], accuracies[cut.label] = loss, accuracy
        loss = jnp.stack([losses[cut.label] for cut in self.cuts])
        accuracy = jnp.stack([accuracies[cut.label] for cut in self.cuts])
        first = (state.diverged == 0) & ~jnp.isfinite(loss)
        diverged = jnp.where(first, state.step + 1, state.diverged)
        return ColumnState(conditions, diverged, state.step + 1), Metrics(loss, accuracy)

    def evaluate(
        self,
        counts: Counts,
        conditions: dict[str, ConditionState],
        base: Params,
        images: DeviceImages,
        inputs: ColumnInputs,
    ) -> tuple[Counts, Bool[Array, "cut example"]]:
        """Add the next batch to evaluate on, of a dataset on the device, to the counts.

        Args:
          counts: the sums so far; the batch is the one of `counts.batch`.
          conditions: cut label to that condition's state.
          base: the base network's layers named by `base_layers`.
          images: the dataset.
          inputs: the column's inputs.

        Returns:
          The next counts, and which examples of the batch each condition gets right.
        """
        batches = jnp.concatenate([inputs.validation_batches, inputs.test_batches])
        numbers = jax.lax.dynamic_index_in_dim(batches, counts.batch, keepdims=False)
        batch = _take(images, numbers)
        labels = jnp.where(numbers >= 0, batch.labels, -1)
        return self.evaluate_batch(counts, conditions, base, batch._replace(labels=labels), inputs)

    def evaluate_batch(
        self,
        counts: Counts,
        conditions: dict[str, ConditionState],
        base: Params,
        batch: DeviceImages,
        inputs: ColumnInputs,
    ) -> tuple[Counts, Bool[Array, "cut example"]]:
        """Add one batch of examples to the counts of every condition.

        Args:
          counts: the sums so far.
          conditions: cut label to that condition's state.
          base: the base network's layers named by `base_layers`.
          batch: images and classes; class -1 is padding.
          inputs: the column's inputs.

        Returns:
          The next counts, and which examples of the batch each condition gets right.
        """
        real = batch.labels >= 0
        labels = jnp.where(real, inputs.ranks[batch.labels], 0)
        x = centre_crop(normalise(batch.images, inputs.mean, inputs.scale), self.crop)
        activations = self._trunk_activations(base, x, train=False, rngs=None)
        losses, rights = [], []
        for cut in self.cuts:
            own, x = conditions[cut.label].params, activations[cut.trunk_depth]
            logits = self.condition(cut).logits(own, base, x)
            losses.append(jnp.sum(jnp.where(real, cross_entropy(logits, labels), 0.0)))
            rights.append((logits.argmax(-1) == labels) & real)
        added = Counts(
            counts.loss + jnp.stack(losses),
            counts.correct + jnp.stack([jnp.sum(right) for right in rights]),
            counts.examples + jnp.sum(real),
            counts.batch + 1,
        )
        return added, jnp.stack(rights)

    def no_counts(self, batch: int = 0) -> Counts:
        """Counts of no examples; the first batch to be added is this one."""
        zeros = jnp.zeros(len(self.cuts))
        nothing, first = jnp.zeros((), jnp.int32), jnp.asarray(batch, jnp.int32)
        return Counts(zeros, zeros.astype(jnp.int32), nothing, first)

    def condition(self, cut: Cut) -> ConditionProgram:
        """The computation of one of the column's conditions."""
        return ConditionProgram(self.network, cut, self.tx, self.frozen_dropout)

    def _groups(self) -> list[list[Cut]]:
        """The cuts that step together: under "vmap", those of one structure."""
        if self.packing == "unroll":
            return [[cut] for cut in self.cuts]
        groups: dict[tuple[tuple[int, ...], ...], list[Cut]] = {}
        for cut in self.cuts:
            groups.setdefault((cut.frozen, cut.from_base), []).append(cut)
        return list(groups.values())

    def _step(
        self,
        group: list[Cut],
        held: list[ConditionState],
        base: Params,
        activations: list[Array],
        labels: Array,
        rngs: Rngs,
    ) -> list[tuple[ConditionState, Array, Array]]:
        """One step of conditions of one structure."""
        program, x = self.condition(group[0]), activations[group[0].trunk_depth]

        def step(state: ConditionState) -> tuple[ConditionState, Array, Array]:
            return program.step(state, base, x, labels, rngs)

        return [step(held[0])] if len(group) == 1 else unstack(jax.vmap(step)(stack(held)))

    def _trunk_activations(
        self, base: Params, x: Array, *, train: bool, rngs: Rngs | None
    ) -> list[Array]:
        """Entry n is the activation after n layers of the base network."""
        activations = [x]
        for n in range(self.trunk_depth):
            last = activations[-1]
            activations.append(self.network.apply(base, last, n, n + 1, train=train, rngs=rngs))
        return activations


def _take(images: DeviceImages, numbers: Array) -> DeviceImages:
    return DeviceImages(images.images[numbers], images.labels[numbers])
