"""Networks of many layers: random numbers drawn in one go, equal layers traced once."""

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from transfer_jax.models.layered import Variables
from transfer_jax.models.linen_layers import Layer, LayerStack, begun_layer, run_layer

# Leaves that a module fills with the deviation of what is to be drawn.
DRAWN = ("kernel", "cls_token", "pos_embed")
# What transformers start from.
SMALL = 0.02


class ZooStack(LayerStack):
    """A LayerStack whose modules give random leaves their deviation only.

    A compiler takes a second for each shape that numbers are drawn in, and a network has up to
    sixty of them. Traces of layers are kept, since Flax's Python is most of what a trace takes:
    equal layers of equal shapes share one, in all networks and programs, as long as the process
    lives. The programs are as they would be without.
    """

    # Not for modules of one's own: a kept trace would hide what they do beside their sums.
    _begin = staticmethod(jax.jit(begun_layer, static_argnames=("layer", "shape"), inline=True))
    _run = staticmethod(jax.jit(run_layer, static_argnames=("layer", "mode"), inline=True))

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Variables:
        """Fresh variables, quickly.

        Args:
          key: the key of the whole network.
          x: a batch of the shape that the network takes; only its shape matters.

        Returns:
          Layer name to that layer's variables, in depth order.

        Raises:
          ValueError: the images are smaller than the network's stride.
        """
        return self._init(key, x)

    def _begun(
        self, layer: Layer, key: Array, shape: jax.ShapeDtypeStruct
    ) -> tuple[dict[str, Any], jax.ShapeDtypeStruct]:
        # One call gives both; of what leaves the layer only the shape is taken, so that it is in no
        # program.
        own, left = self._begin(layer, key, shape)
        return own, jax.ShapeDtypeStruct(left.shape, left.dtype)

    @cached_property
    def _init(self) -> Any:
        return jax.jit(lambda key, x: _drawn(key, super(ZooStack, self).init(key, x)))


def _drawn(key: Array, variables: Variables) -> Variables:
    leaves, tree = jax.tree_util.tree_flatten_with_path(variables)
    sizes = [leaf.size if path[-1].key in DRAWN else 0 for path, leaf in leaves]
    numbers = jnp.split(jax.random.normal(key, (sum(sizes),)), np.cumsum(sizes)[:-1])
    return jax.tree.unflatten(
        tree,
        [
            leaf * own.reshape(leaf.shape) if own.size else leaf
            for own, (_, leaf) in zip(numbers, leaves, strict=True)
        ],
    )


def he(_: Any, shape: tuple[int, ...], dtype: Any = jnp.float32) -> Array:
    """He's deviation of a kernel, before a ReLU.

    Args:
      shape: rows, columns, channels in, channels out.

    Returns:
      It, everywhere.

    Example:
      >>> he(None, (1, 1, 2, 3))[0, 0, 0].tolist()
      [1.0, 1.0, 1.0]

    Source: He et al. (2015), "Delving deep into rectifiers".
    """
    return jnp.full(shape, np.sqrt(2 / np.prod(shape[:-1])), dtype)
