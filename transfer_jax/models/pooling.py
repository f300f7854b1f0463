"""Maximum over windows, and normalisation across channels."""

from functools import partial, reduce

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8


def max_pool(
    x: Float[Array, "batch height width channels"], size: int, stride: int | None = None
) -> Float[Array, "batch pooled_height pooled_width channels"]:
    """Maximum over windows; rows and columns that no whole window covers are dropped.

    Of tied values the first takes the whole gradient, row by row: as `flax.linen.max_pool`
    and PyTorch do.

    Args:
      x: images, channels last.
      size: side of the window; 1 returns the images as they are.
      stride: distance between windows; None sets them side by side.

    Returns:
      The pooled images.

    Example:
      >>> max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0].tolist()
      [[5.0, 7.0], [13.0, 15.0]]
    """
    stride = stride or size
    if size == 1 and stride == 1:
        return x
    if size != stride:
        return nn.max_pool(x, (size, size), (stride, stride))
    height, width = (side // size * size for side in x.shape[1:3])
    return _max_of_blocks(x[:, :height, :width], size)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_of_blocks(x: Array, size: int) -> Array:
    """XLA's gradient of a sliding maximum searches each window again; this one keeps the index."""
    return _forward(x, size)[0]


def _forward(x: Array, size: int) -> tuple[Array, UInt8[Array, "..."]]:
    batch, height, width, channels = x.shape
    blocks = x.reshape(batch, height // size, size, width // size, size, channels)
    values = [blocks[:, :, row, :, col] for row in range(size) for col in range(size)]
    largest = reduce(jnp.maximum, values)
    index = jnp.full(largest.shape, len(values) - 1, jnp.uint8)
    for position in range(len(values) - 2, -1, -1):
        index = jnp.where(values[position] == largest, jnp.uint8(position), index)
    return largest, index


def _backward(size: int, index: Array, gradient: Array) -> tuple[Array]:
    batch, height, width, channels = gradient.shape
    positions = np.arange(size * size, dtype=np.uint8).reshape(1, 1, size, 1, size, 1)
    chosen = index[:, :, None, :, None, :] == positions
    blocks = jnp.where(chosen, gradient[:, :, None, :, None, :], 0)
    return (blocks.reshape(batch, height * size, width * size, channels),)


_max_of_blocks.defvjp(_forward, _backward)


def local_response_norm(
    x: Float[Array, "batch height width channels"],
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
) -> Float[Array, "batch height width channels"]:
    """Divide each value by a power of the mean square of its neighbours across channels.

    Args:
      x: images, channels last.
      size: number of neighbouring channels, odd; beyond the first and last they count as 0.
      alpha: weight of the mean square; the sum is divided by `size`, as in Caffe and PyTorch.
      beta: the power.

    Returns:
      x / (1 + alpha / size * sum of squares) ** beta.

    Example:
      >>> local_response_norm(jnp.ones((1, 1, 1, 1)), 1, 1.0, 1.0).item()
      0.5

    Source: Yosinski et al. (2014) train Caffe's reference network, which normalises like this.
    """
    # On CPU a sliding sum is 1.1 to 2 times as fast as a product with a band matrix, and several
    # times as fast as a sum of shifted copies.
    squares = jax.lax.reduce_window(
        jnp.square(x), np.zeros((), x.dtype), jax.lax.add, (1, 1, 1, size), (1,) * 4, "SAME"
    )
    return x * (1 + alpha / size * squares) ** -beta
