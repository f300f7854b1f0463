"""Optimizers of one network: plain SGD with momentum, Caffe's, and AdamW; rates layer by layer."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

Rate = optax.ScalarOrSchedule
Number = float | Float[Array, ""]
# What has no weight decay beside what has one dimension: biases, and the tokens of a transformer.
NO_DECAY = ("bias", "pos_embed", "cls_token")


def sgd(rate: Rate, momentum: float, weight_decay: Rate) -> optax.GradientTransformation:
    """SGD with momentum; the decay of every parameter is added to its gradient.

    Args:
      rate: learning rate, or a schedule of it.
      momentum: share of the velocity that is kept at each step.
      weight_decay: factor of the parameter that is added to its gradient.

    Returns:
      The optimizer.

    Example:
      >>> tx = sgd(0.1, 0.9, 0.0)
      >>> updates, _ = tx.update({"kernel": 1.0}, tx.init({"kernel": 2.0}), {"kernel": 2.0})
      >>> round(float(updates["kernel"]), 3)
      -0.1
    """
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum=momentum))


def caffe_sgd(
    rate: Rate, momentum: float = 0.9, weight_decay: Rate = 5e-4, bias_rate: float = 2.0
) -> optax.GradientTransformation:
    """Caffe's SGD: the rate is part of the velocity; biases learn faster and do not decay.

    v <- momentum v + rate m (g + decay w), then w <- w - v; m is `bias_rate` for leaves named
    `bias`, which have no decay, and 1 for all others. When the rate falls, the velocity that was
    gathered at the old rate is kept: the way of most libraries scales it down at once.

    Args:
      rate: learning rate, or a schedule of it.
      momentum: share of the velocity that is kept at each step.
      weight_decay: factor of the parameter that is added to its gradient.
      bias_rate: factor of the rate for biases.

    Returns:
      The optimizer.

    Example:
      >>> tx = caffe_sgd(0.1, weight_decay=0.0)
      >>> params = {"kernel": 2.0, "bias": 2.0}
      >>> updates, _ = tx.update({"kernel": 1.0, "bias": 1.0}, tx.init(params), params)
      >>> round(float(updates["kernel"]), 3), round(float(updates["bias"]), 3)
      (-0.1, -0.2)

    Source: the solver and network files of the authors' repository, yosinski/convnet_transfer.
    """

    def weights(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda is_bias: not is_bias, _biases(tree))

    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask=weights),
        optax.masked(optax.scale(bias_rate), _biases),
        optax.scale_by_learning_rate(rate),
        optax.trace(momentum),
    )


def adamw(
    rate: Rate, weight_decay: Number, beta1: Number = 0.9, beta2: Number = 0.999
) -> optax.GradientTransformation:
    """Adam with weight decay apart from the gradient, for all that decay is meant for.

    Leaves of one dimension (biases, scales of norms) and those that `NO_DECAY` names have none.

    Args:
      rate: learning rate, or a schedule of it.
      weight_decay: share of a parameter that is taken off at each step, times the rate.
      beta1: share of the mean gradient that is kept at each step.
      beta2: share of the mean squared gradient that is kept.

    Returns:
      The optimizer.

    Example:
      >>> tx = adamw(0.1, 0.5)
      >>> params = {"kernel": jnp.full((1, 1), 2.0), "bias": jnp.full(1, 2.0)}
      >>> grads = jax.tree.map(jnp.ones_like, params)
      >>> updates, _ = tx.update(grads, tx.init(params), params)
      >>> round(float(updates["kernel"][0, 0]), 3), round(float(updates["bias"][0]), 3)
      (-0.2, -0.1)

    Source: Loshchilov and Hutter (2019), "Decoupled weight decay regularization"; what has no
    decay is as in timm.
    """
    return optax.chain(
        optax.scale_by_adam(beta1, beta2),  # pyright: ignore
        optax.add_decayed_weights(weight_decay, mask=_decays),
        optax.scale_by_learning_rate(rate),
    )


def layer_rates(
    layers: Sequence[str], head_multiple: Number, layer_decay: Number
) -> optax.GradientTransformation:
    """Multiplies updates: the head's by one number, those of layers below it by less and less.

    A layer is `layer_decay` times as fast as the next one above it that has parameters; the head,
    the last that has some, is `head_multiple` times as fast as it would be.

    Args:
      layers: names of the layers, in depth order; another layer of the tree keeps its rate.
      head_multiple: factor of the head's updates.
      layer_decay: factor from a layer to the one below it.

    Returns:
      A transformation that follows an optimizer.

    Example:
      >>> tx = layer_rates(["conv1", "relu", "fc2"], 10.0, 0.5)
      >>> updates = {"conv1": {"kernel": 1.0}, "fc2": {"kernel": 1.0}, "relu": {}}
      >>> tx.update(updates, tx.init(updates))[0]
      {'conv1': {'kernel': 0.5}, 'fc2': {'kernel': 10.0}, 'relu': {}}

    Source: Howard and Ruder (2018), "Universal language model fine-tuning for text
    classification", section 3.2.
    """

    def scaled(updates: dict[str, Any]) -> dict[str, Any]:
        having = [name for name in reversed(layers) if _leaves(updates.get(name))]
        multiples = {name: layer_decay**above for above, name in enumerate(having)}
        multiples |= dict.fromkeys(having[:1], head_multiple)

        def of(name: str) -> Any:
            by, own = multiples.get(name), updates[name]
            return own if by is None else jax.tree.map(lambda leaf: leaf * by, own)

        return {name: of(name) for name in updates}

    return optax.stateless(lambda updates, _: scaled(updates))  # pyright: ignore


def step_schedule(rate: float, every: int, factor: float) -> optax.Schedule:
    """A rate that is multiplied by a factor every so many steps.

    Args:
      rate: the first learning rate.
      every: steps between two changes.
      factor: what the rate is multiplied by.

    Returns:
      The schedule.

    Example:
      >>> [round(float(step_schedule(1.0, 2, 0.1)(step)), 3) for step in range(5)]
      [1.0, 1.0, 0.1, 0.1, 0.01]
    """
    return optax.exponential_decay(rate, every, factor, staircase=True)


def _biases(tree: PyTree) -> PyTree:
    return jax.tree_util.tree_map_with_path(
        lambda path, _: jax.tree_util.keystr(path[-1:], simple=True) == "bias", tree
    )


def _decays(tree: PyTree) -> PyTree:
    def decays(path: tuple[Any, ...], leaf: Any) -> bool:
        return jnp.ndim(leaf) > 1 and jax.tree_util.keystr(path[-1:], simple=True) not in NO_DECAY

    return jax.tree_util.tree_map_with_path(decays, tree)


def _leaves(layer: PyTree) -> list[Any]:
    """A layer's leaves, those that are frozen and not seen included."""
    return jax.tree.leaves(layer, is_leaf=lambda leaf: isinstance(leaf, optax.MaskedNode))
