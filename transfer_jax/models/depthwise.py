"""Depthwise convolution as shifted multiply-adds, which XLA's CPU backend computes quickly."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from transfer_jax.models.positions import Zeros, positions

# So many numbers in a row are summed quickly.
ROW = 64


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def shifted(
    x: Float[Array, "batch height width channels"],
    kernel: Float[Array, "rows cols 1 channels"],
    stride: int,
    zeros: Zeros,
) -> Float[Array, "batch out_height out_width channels"]:
    """Each channel convolved with a kernel of its own: one multiply-add a pixel of the kernel.

    Args:
      x: images, channels last.
      stride: step in both directions.
      zeros: how many are added before and after, of rows and of columns.

    Returns:
      The convolved images.

    Example:
      >>> images, kernel = jnp.ones((1, 3, 3, 2)), jnp.ones((3, 3, 1, 2))
      >>> shifted(images, kernel, 1, ((1, 1), (1, 1)))[0, 0, 0].tolist()
      [4.0, 4.0]
    """
    return _forward(x, kernel, stride, zeros)[0]


def _forward(
    x: Array, kernel: Array, stride: int, zeros: Zeros
) -> tuple[Array, tuple[Array, Array]]:
    under = positions(x, kernel.shape[:2], stride, zeros)
    terms = (part * kernel[row, col, 0] for row, col, part in under)
    return sum(terms, start=jnp.zeros((), x.dtype)), (x, kernel)


def _backward(
    stride: int, zeros: Zeros, residuals: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    """Image by image, so that what each pixel of the kernel reads again stays in the cache.

    This was 3 to 12 times as fast as XLA's own sums over the whole batch.
    """
    x, kernel = residuals
    one = jax.vmap(partial(_backward_of_one, kernel=kernel, stride=stride, zeros=zeros))
    shares = _shares(len(x))
    own = [batch.reshape(shares, -1, *batch.shape[1:]) for batch in (x, gradient)]

    def of_images(number: Array) -> tuple[Array, Array]:
        """One of each share. Were that axis the first, XLA would copy the batch to swap axes."""
        at = partial(jax.lax.dynamic_index_in_dim, index=number, axis=1, keepdims=False)
        return one(*map(at, own))

    images, kernels = jax.lax.map(of_images, jnp.arange(len(x) // shares))
    # A product, since a sum over the first axis is slow; then over what devices have each.
    ones = jnp.ones(len(kernels), x.dtype)
    of_shares = (ones @ kernels.reshape(len(kernels), -1)).reshape(shares, *kernel.shape)
    return images.swapaxes(0, 1).reshape(x.shape), jnp.sum(of_shares, 0)


def _shares(images: int) -> int:
    """In how many parts devices may have divided a batch: each then takes an image of its own.

    A loop over all images would be run on every device, for all of them.
    """
    mesh = jax.sharding.get_abstract_mesh()
    divided = [mesh.shape[name] for name in mesh.axis_names if name not in mesh.manual_axes]
    shares = math.prod(divided)
    return shares if images % shares == 0 else 1


def _backward_of_one(
    x: Array, gradient: Array, kernel: Array, stride: int, zeros: Zeros
) -> tuple[Array, Array]:
    size, sides = kernel.shape[:2], gradient.shape[:2]
    under = positions(x[None], size, stride, zeros)
    sums = [over_pixels(part[0] * gradient) for _, _, part in under]
    # The image's gradient is a convolution with the kernel turned round, of the gradient with
    # stride - 1 zeros between its pixels.
    spread = [
        (own - 1 - before, side + before - 1 - (out - 1) * stride, stride - 1)
        for own, side, (before, _), out in zip(size, x.shape[:2], zeros, sides, strict=True)
    ]
    spaced = jax.lax.pad(gradient, np.zeros((), x.dtype), [*spread, (0, 0, 0)])[None]
    turned = kernel[::-1, ::-1, 0]
    terms = (part[0] * turned[row, col] for row, col, part in positions(spaced, size))
    image = sum(terms, start=jnp.zeros((), x.dtype))
    return image, jnp.stack(sums).reshape(kernel.shape)


def over_pixels(x: Float[Array, "height width channels"]) -> Float[Array, " channels"]:
    """Sums of all pixels, as a product with ones, which is faster than a sum on a CPU.

    Args:
      x: an image; where it has few channels, several pixels are side by side in a row.

    Returns:
      The sum of each channel.

    Example:
      >>> over_pixels(jnp.arange(8.0).reshape(2, 2, 2)).tolist()
      [12.0, 16.0]
    """
    pixels, channels = x.shape[0] * x.shape[1], x.shape[2]
    side = 1
    while side * channels < ROW and pixels % (2 * side) == 0:
        side *= 2
    rows = x.reshape(-1, side * channels)
    return jnp.sum((jnp.ones(len(rows), x.dtype) @ rows).reshape(side, channels), 0)


shifted.defvjp(_forward, _backward)
