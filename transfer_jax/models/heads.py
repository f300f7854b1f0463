"""The dense layer that a network's last layer ends in: what enters it, and where it lies."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from transfer_jax.models.layered import Layered, Variables


class Head(NamedTuple):
    """The dense layer of some logits.

    Attributes:
      path: the keys that lead to its kernel and bias in the last layer's parameters.
      features: what enters it.
    """

    path: tuple[str, ...]
    features: Float[Array, "batch features"]


def head_of(network: Layered, variables: Variables, x: Float[Array, "batch ..."]) -> Head:
    """The dense layer that the logits leave.

    Args:
      network: the layered network.
      variables: those of its last layer at least.
      x: the activation that enters the last layer.

    Returns:
      The head.

    Raises:
      ValueError: the last layer does not end in a dense layer of Flax Linen.

    Example:
      >>> from transfer_jax.models.linen_layers import from_linen
      >>> net = from_linen([("stem", nn.Dense(3)), ("head", nn.Sequential([nn.relu, nn.Dense(2)]))])
      >>> variables = net.init(jax.random.key(0), jnp.ones((1, 4)))
      >>> head_of(net, variables, -jnp.ones((1, 3)))
      Head(path=('layers_1',), features=Array([[0., 0., 0.]], dtype=float32))
    """
    calls: list[tuple[tuple[str, ...], Any, Any]] = []

    def note(run: Any, args: Any, kwargs: Any, context: Any) -> Any:
        left = run(*args, **kwargs)
        if isinstance(context.module, nn.Dense) and context.method_name == "__call__":
            calls.append((context.module.path, args[0], left))
        return left

    last = len(network.layer_names) - 1
    with nn.intercept_methods(note):
        logits, _ = network.apply(variables, x, last)
    found = [Head(path, entered) for path, entered, left in calls if left is logits]
    if not found or found[-1].features.ndim != 2:
        raise ValueError(
            f"the last layer, {network.layer_names[-1]}, does not end in flax.linen.Dense: no "
            "linear head can be put there"
        )
    return found[-1]


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
      ValueError: the last layer does not end in a dense layer of Flax Linen.
    """
    found: list[tuple[str, ...]] = []

    def look(variables: Variables) -> Array:
        x, _ = network.apply(variables, jnp.zeros((1, *shape)), 0, len(network.layer_names) - 1)
        head = head_of(network, variables, x)
        found.append(head.path)
        return head.features

    jax.eval_shape(look, variables)
    return found[0]


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


def _replaced(tree: Any, path: tuple[str, ...], leaves: dict[str, Any]) -> Any:
    if path:
        key, *rest = path
        return {**tree, key: _replaced(tree[key], tuple(rest), leaves)}
    return {name: leaves.get(name, leaf) for name, leaf in tree.items()}
