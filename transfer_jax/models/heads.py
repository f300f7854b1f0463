"""The dense layer of a network's logits, and another in its place."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from transfer_jax.models.layered import Layered, Variables
from transfer_jax.models.stack import Stack


def features_of_logits(
    network: Layered, variables: Variables, x: Float[Array, "batch ..."]
) -> Float[Array, "batch feature"] | None:
    """What the logits are a linear map of.

    Args:
      network: the layered network.
      variables: those of its last layer at least.
      x: the activation that enters the last layer.

    Returns:
      What enters the dense layer that the last layer ends in; None where it ends in none.

    Example:
      >>> import flax.linen as nn
      >>> from transfer_jax.models.linen_layers import from_linen
      >>> net = from_linen([("head", nn.Sequential([nn.relu, nn.Dense(2)]))])
      >>> variables = net.init(jax.random.key(0), jnp.ones((1, 2)))
      >>> features_of_logits(net, variables, jnp.array([[-1.0, 1.0]])).tolist()
      [[0.0, 1.0]]
    """
    if not isinstance(network, Stack):
        return None
    try:
        return network.head_input(variables, x)
    except ValueError:
        return None


def head_path(
    network: Layered, variables: Variables, shape: tuple[int, int, int]
) -> tuple[str, ...]:
    """Where the dense layer of the logits lies in the last layer's parameters.

    Args:
      network: the layered network.
      variables: those of all layers, or their shapes.
      shape: (height, width, channels) of what enters the first layer.

    Returns:
      The keys that lead to it.

    Raises:
      ValueError: the last layer does not end in a dense layer.
    """
    if not isinstance(network, Stack):
        raise ValueError("the network does not say where its logits come from")
    images, last = jnp.zeros((1, *shape)), len(network.layer_names) - 1
    entered = jax.eval_shape(lambda own: network.apply(own, images, 0, last)[0], variables)
    return network.head_leaves(variables, entered)


def with_head(
    network: Layered,
    variables: Variables,
    path: tuple[str, ...],
    kernel: Float[Array | np.ndarray, "feature output"],
    bias: Float[Array | np.ndarray, " output"],
) -> Variables:
    """A network whose dense layer of logits is another.

    Args:
      network: the layered network.
      variables: those of all layers.
      path: where the dense layer lies, as `head_path` says.
      kernel: its weights.
      bias: what it adds, where it adds something.

    Returns:
      New variables; they hold the same arrays but for that layer's.

    Example:
      >>> import flax.linen as nn
      >>> from transfer_jax.models.linen_layers import from_linen
      >>> net = from_linen([("head", nn.Dense(2))])
      >>> fresh = net.init(jax.random.key(0), jnp.ones((1, 3)))
      >>> new = with_head(net, fresh, (), jnp.ones((3, 2)), jnp.zeros(2))
      >>> net.apply(new, jnp.ones((1, 3)))[0].tolist()
      [[3.0, 3.0]]
    """
    name = network.layer_names[-1]
    own = variables[name]
    params = _replaced(own["params"], path, {"kernel": kernel, "bias": bias})
    return {**variables, name: {**own, "params": params}}


def without_head(network: Layered, variables: Variables, path: tuple[str, ...]) -> Variables:
    """A network without the dense layer of its logits.

    Args:
      network: the layered network.
      variables: those of all layers.
      path: where the dense layer lies, as `head_path` says.

    Returns:
      New variables; they hold the same arrays but for that layer's.

    Example:
      >>> import flax.linen as nn
      >>> from transfer_jax.models.linen_layers import from_linen
      >>> net = from_linen([("head", nn.Dense(2))])
      >>> without_head(net, net.init(jax.random.key(0), jnp.ones((1, 3))), ())
      {'head': {'params': {}}}
    """
    name = network.layer_names[-1]
    own = variables[name]
    return {**variables, name: {**own, "params": _without(own["params"], path)}}


def _without(tree: Any, path: tuple[str, ...]) -> Any:
    if path:
        key, *rest = path
        return {**tree, key: _without(tree[key], tuple(rest))}
    return {name: leaf for name, leaf in tree.items() if name not in ("kernel", "bias")}


def _replaced(tree: Any, path: tuple[str, ...], leaves: dict[str, Any]) -> Any:
    if path:
        key, *rest = path
        return {**tree, key: _replaced(tree[key], tuple(rest), leaves)}
    return {name: leaves.get(name, leaf) for name, leaf in tree.items()}
