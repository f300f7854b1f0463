"""One training step, and one evaluation step, of all conditions of a column."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from transfer_jax.conditions import Cut
from transfer_jax.data.augment import normalise, random_mirror, random_shift
from transfer_jax.data.pipeline import ColumnInputs, DeviceImages
from transfer_jax.models.layered import Layered, Params, Rngs, suffix
from transfer_jax.randomness import fold_in_name
from transfer_jax.surgery.freeze import freeze
from transfer_jax.surgery.selection import first_layers


class ColumnState(NamedTuple):
    """What a step changes: of each cut, the layers above its frozen ones."""

    params: dict[str, Params]
    opt_state: dict[str, optax.OptState]
    step: Int[Array, ""]


class Metrics(NamedTuple):
    """Loss and accuracy on one batch, in the order of the column's cuts."""

    loss: Float[Array, " cut"]
    accuracy: Float[Array, " cut"]


class TestCounts(NamedTuple):
    """Sums over the test examples seen so far, in the order of the column's cuts."""

    loss: Float[Array, " cut"]
    correct: Int[Array, " cut"]
    examples: Int[Array, ""]
    batch: Int[Array, ""]


@dataclass(frozen=True)
class ColumnProgram:
    """The computation that all columns with the same cuts share.

    Attributes:
      network: the layered network.
      cuts: the cuts of the column, in order.
      tx: the optimizer of one condition.
      mirror: whether training images are mirrored at random.
      shift: largest random shift of training images, in pixels.
    """

    network: Layered
    cuts: Sequence[Cut]
    tx: optax.GradientTransformation
    mirror: bool = False
    shift: int = 0

    @property
    def trunk_layers(self) -> tuple[str, ...]:
        """The layers of the base network that some condition keeps frozen."""
        depth = max((cut.frozen_layers for cut in self.cuts), default=0)
        return self.network.layer_names[:depth]

    def init(self, whole: dict[str, Params]) -> ColumnState:
        """The state before the first step.

        Args:
          whole: cut label to that condition's whole network.

        Returns:
          The state; it holds the layers above each condition's frozen ones only.
        """
        params, opt_state = {}, {}
        for cut in self.cuts:
            net = whole[cut.label]
            params[cut.label] = suffix(net, self.network.layer_names, cut.frozen_layers)
            opt_state[cut.label] = self._optimizer(cut, net).init(net)
        return ColumnState(params, opt_state, jnp.zeros((), jnp.int32))

    def train(
        self, state: ColumnState, trunk: Params, images: DeviceImages, inputs: ColumnInputs
    ) -> tuple[ColumnState, Metrics]:
        """One step of every condition on one batch.

        Args:
          state: the column's state.
          trunk: the base network's layers named by `trunk_layers`.
          images: the dataset.
          inputs: the column's inputs; the batch is the one of `state.step`.

        Returns:
          The next state, and each condition's loss and accuracy before the step.
        """
        batch = jax.lax.dynamic_index_in_dim(inputs.train_batches, state.step, keepdims=False)
        labels = inputs.ranks[images.labels[batch]]
        key = jax.random.fold_in(inputs.key, state.step)
        x = normalise(images.images[batch], inputs.mean, inputs.scale)
        x = random_shift(fold_in_name(key, "shift"), x, self.shift)
        x = random_mirror(fold_in_name(key, "mirror"), x) if self.mirror else x
        rngs = {"dropout": fold_in_name(key, "dropout")}
        activations = self._trunk_activations(trunk, x, train=True, rngs=rngs)
        params, opt_state, losses, accuracies = {}, {}, [], []
        for cut in self.cuts:
            own, start = state.params[cut.label], cut.frozen_layers
            loss_of = self._suffix_loss(activations[start], start, labels, rngs)
            (loss, logits), grads = jax.value_and_grad(loss_of, has_aux=True)(own)
            frozen = {name: trunk[name] for name in self.network.layer_names[:start]}
            params[cut.label], opt_state[cut.label] = self._updated(
                cut, own, frozen, grads, state.opt_state[cut.label]
            )
            losses.append(loss)
            accuracies.append(jnp.mean(logits.argmax(-1) == labels))
        next_state = ColumnState(params, opt_state, state.step + 1)
        return next_state, Metrics(jnp.stack(losses), jnp.stack(accuracies))

    def evaluate(
        self,
        counts: TestCounts,
        params: dict[str, Params],
        trunk: Params,
        images: DeviceImages,
        inputs: ColumnInputs,
    ) -> TestCounts:
        """Add one batch of test examples to the counts of every condition.

        Args:
          counts: the sums so far; the batch is the one of `counts.batch`.
          params: cut label to the layers above that condition's frozen ones.
          trunk: the base network's layers named by `trunk_layers`.
          images: the dataset.
          inputs: the column's inputs.

        Returns:
          The next counts.
        """
        batch = jax.lax.dynamic_index_in_dim(inputs.test_batches, counts.batch, keepdims=False)
        real = batch >= 0
        labels = jnp.where(real, inputs.ranks[images.labels[batch]], 0)
        x = normalise(images.images[batch], inputs.mean, inputs.scale)
        activations = self._trunk_activations(trunk, x, train=False, rngs=None)
        losses, corrects = [], []
        for cut in self.cuts:
            start = cut.frozen_layers
            logits = self.network.apply(params[cut.label], activations[start], start)
            loss = _cross_entropy(logits, labels)
            losses.append(jnp.sum(jnp.where(real, loss, 0.0)))
            corrects.append(jnp.sum((logits.argmax(-1) == labels) & real))
        return TestCounts(
            counts.loss + jnp.stack(losses),
            counts.correct + jnp.stack(corrects),
            counts.examples + jnp.sum(real),
            counts.batch + 1,
        )

    def no_counts(self) -> TestCounts:
        """Counts of no examples."""
        zeros = jnp.zeros(len(self.cuts))
        nothing = jnp.zeros((), jnp.int32)
        return TestCounts(zeros, zeros.astype(jnp.int32), nothing, nothing)

    def _trunk_activations(
        self, trunk: Params, x: Array, *, train: bool, rngs: Rngs | None
    ) -> list[Array]:
        """Entry n is the activation after n layers of the frozen base network."""
        activations = [x]
        for n in range(len(self.trunk_layers)):
            last = activations[-1]
            activations.append(self.network.apply(trunk, last, n, n + 1, train=train, rngs=rngs))
        return activations

    def _suffix_loss(
        self, x: Array, start: int, labels: Array, rngs: Rngs
    ) -> Callable[[Params], tuple[Array, Array]]:
        """Loss and logits as a function of the parameters from layer `start` on."""

        def loss(params: Params) -> tuple[Array, Array]:
            logits = self.network.apply(params, x, start, train=True, rngs=rngs)
            return _cross_entropy(logits, labels).mean(), logits

        return loss

    def _optimizer(self, cut: Cut, whole: Params) -> optax.GradientTransformationExtraArgs:
        names = self.network.layer_names
        return freeze(self.tx, first_layers(whole, cut.frozen_layers, names))

    def _updated(
        self, cut: Cut, own: Params, frozen: Params, grads: Params, opt_state: optax.OptState
    ) -> tuple[Params, optax.OptState]:
        """The optimizer sees the whole network; what it says of frozen layers is zero."""
        whole = {**frozen, **own}
        whole_grads = {**jax.tree.map(jnp.zeros_like, frozen), **grads}
        optimizer = self._optimizer(cut, whole)
        updates, opt_state = optimizer.update(whole_grads, opt_state, whole)
        return optax.apply_updates(own, {name: updates[name] for name in own}), opt_state  # pyright: ignore


def _cross_entropy(logits: Array, labels: Array) -> Array:
    """By a one-hot product: the gradient of a lookup is a scatter, which XLA merges or not
    depending on the number of devices, so that sums would come out in another order."""
    return optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, logits.shape[-1]))  # pyright: ignore
