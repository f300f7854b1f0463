"""One condition of a column: what it owns, its loss, its step."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from transfer_jax.grid.conditions import Cut
from transfer_jax.models.layered import Layered, Params, Rngs
from transfer_jax.surgery.freeze import freeze


class ConditionState(NamedTuple):
    """The layers that a condition owns, and its optimizer's state: none of frozen layers."""

    params: Params
    opt_state: optax.OptState


@dataclass(frozen=True)
class ConditionProgram:
    """The computation of one condition, from the activation that leaves the shared trunk.

    Attributes:
      network: the layered network.
      cut: which layers are the base network's, and which are frozen.
      tx: the optimizer.
      frozen_dropout: whether dropout stays on in frozen layers, as in the original.
    """

    network: Layered
    cut: Cut
    tx: optax.GradientTransformation
    frozen_dropout: bool = True

    def init(self, whole: Params) -> ConditionState:
        """The state before the first step.

        Args:
          whole: the condition's whole network.

        Returns:
          The state; layers that are the base network's for good are not in it.
        """
        owned = set(range(len(self.network.layer_names))) - set(self.cut.from_base)
        own = {name: whole[name] for name in self._names(owned)}
        return ConditionState(own, self._optimizer(whole).init(whole))

    def logits(
        self, own: Params, base: Params, x: Array, *, train: bool = False, rngs: Rngs | None = None
    ) -> Float[Array, "batch output"]:
        """The network's output, from the activation that leaves the trunk.

        Args:
          own: the layers that the condition owns.
          base: the base network's layers.
          x: the activation after the first `trunk_depth` layers of the base network.
          train: whether dropout is on.
          rngs: keys by name.

        Returns:
          The logits.
        """
        params = {**base, **own}
        for layer in range(self.cut.trunk_depth, len(self.network.layer_names)):
            on = train and (self.frozen_dropout or layer not in self.cut.frozen)
            x = self.network.apply(params, x, layer, layer + 1, train=on, rngs=rngs)
        return x

    def step(
        self, state: ConditionState, base: Params, x: Array, labels: Array, rngs: Rngs
    ) -> tuple[ConditionState, Float[Array, ""], Float[Array, ""]]:
        """One step: differentiated with respect to the trainable layers only.

        Args:
          state: the condition's state.
          base: the base network's layers.
          x: the activation after the first `trunk_depth` layers of the base network.
          labels: the batch's labels.
          rngs: keys by name.

        Returns:
          (next state, loss, accuracy), the latter two before the step.
        """
        frozen = set(self._names(set(self.cut.frozen)))
        held = {name: layer for name, layer in state.params.items() if name in frozen}

        def loss_of(trained: Params) -> tuple[Array, Array]:
            own = {**held, **trained}
            logits = self.logits(own, base, x, train=True, rngs=rngs)
            return cross_entropy(logits, labels).mean(), logits

        trained = {name: state.params[name] for name in state.params if name not in frozen}
        (loss, logits), grads = jax.value_and_grad(loss_of, has_aux=True)(trained)
        accuracy = jnp.mean(logits.argmax(-1) == labels)
        return self._updated(state, base, grads), loss, accuracy

    def _updated(self, state: ConditionState, base: Params, grads: Params) -> ConditionState:
        """The optimizer sees the whole network; what it says of frozen layers is zero.

        It runs under an outer axis of one: the arrays of a device have that axis, and where it
        goes and comes back XLA copies twice as many arrays before it overwrites them.
        """

        def update(own: Params, opt_state: optax.OptState, grads: Params) -> ConditionState:
            layers = {**base, **own}
            whole = {name: layers[name] for name in self.network.layer_names}
            zeros = {n: jax.tree.map(jnp.zeros_like, p) for n, p in whole.items() if n not in grads}
            whole_grads = {name: {**zeros, **grads}[name] for name in whole}
            updates, opt_state = self._optimizer(whole).update(whole_grads, opt_state, whole)
            own_updates: Params = {name: updates[name] for name in own}  # pyright: ignore
            return ConditionState(optax.apply_updates(own, own_updates), opt_state)  # pyright: ignore

        outer = jax.tree.map(lambda leaf: leaf[None], (*state, grads))
        return jax.tree.map(lambda leaf: leaf[0], jax.vmap(update)(*outer))

    def _optimizer(self, whole: Params) -> optax.GradientTransformationExtraArgs:
        frozen = self._names(set(self.cut.frozen))
        mask = {name: jax.tree.map(lambda _, n=name: n in frozen, whole[name]) for name in whole}
        return freeze(self.tx, mask)

    def _names(self, layers: set[int]) -> tuple[str, ...]:
        return tuple(name for i, name in enumerate(self.network.layer_names) if i in layers)


def cross_entropy(logits: Float[Array, "batch output"], labels: Array) -> Float[Array, " batch"]:
    """Cross-entropy of each example, by a one-hot product.

    The gradient of a lookup is a scatter, which XLA merges or not depending on the number of
    devices, so that sums would come out in another order.

    Args:
      logits: the network's output.
      labels: the true classes.

    Returns:
      The cross-entropy in nats.

    Example:
      >>> round(cross_entropy(jnp.zeros((1, 2)), jnp.zeros(1, jnp.int32)).item(), 3)
      0.693
    """
    return optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, logits.shape[-1]))  # pyright: ignore
