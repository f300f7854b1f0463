"""Depthwise convolution as shifted multiply-adds, which XLA's CPU backend computes quickly."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def shifted(
    x: Float[Array, "batch height width channels"],
    kernel: Float[Array, "rows cols 1 channels"],
    stride: int,
    padding: int,
) -> Float[Array, "batch out_height out_width channels"]:
    """Each channel convolved with a kernel of its own: one multiply-add a pixel of the kernel.

    Args:
      x: images, channels last.
      stride: step in both directions.
      padding: zeros on each side.

    Returns:
      The convolved images.

    Example:
      >>> shifted(jnp.ones((1, 3, 3, 2)), jnp.ones((3, 3, 1, 2)), 1, 1)[0, 1, 1].tolist()
      [9.0, 9.0]
    """
    return _forward(x, kernel, stride, padding)[0]


def _forward(
    x: Array, kernel: Array, stride: int, padding: int
) -> tuple[Array, tuple[Array, Array]]:
    size = kernel.shape[0]
    padded = _pad(x, padding)
    sides = tuple((side - size) // stride + 1 for side in padded.shape[1:3])
    terms = (part * kernel[row, col, 0] for row, col, part in _parts(padded, size, stride, sides))
    return sum(terms, start=jnp.zeros((), x.dtype)), (x, kernel)


def _backward(
    stride: int, padding: int, residuals: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    """Image by image, so that what each pixel of the kernel reads again stays in the cache.

    This is 3 to 12 times as fast as sums over the whole batch.
    """
    x, kernel = residuals
    images, kernels = jax.lax.map(
        lambda own: _backward_of_one(own[0], own[1], kernel, stride, padding), (x, gradient)
    )
    # A sum over the first axis is slow by itself.
    ones = jnp.ones(len(kernels), kernels.dtype)
    return images, (ones @ kernels.reshape(len(kernels), -1)).reshape(kernel.shape)


def _backward_of_one(
    x: Array, gradient: Array, kernel: Array, stride: int, padding: int
) -> tuple[Array, Array]:
    size, sides = kernel.shape[0], gradient.shape[:2]
    parts = _parts(_pad(x[None], padding), size, stride, sides)
    sums = [jnp.sum(part[0] * gradient, (0, 1)) for _, _, part in parts]
    # The image's gradient is a convolution with the kernel turned round, of the gradient with
    # stride - 1 zeros between its pixels.
    first = size - 1 - padding
    spread = [
        (first, side + padding - 1 - (out - 1) * stride, stride - 1)
        for side, out in zip(x.shape[:2], sides, strict=True)
    ]
    spaced = jax.lax.pad(gradient, np.zeros((), x.dtype), [*spread, (0, 0, 0)])[None]
    turned = kernel[::-1, ::-1, 0]
    terms = (part[0] * turned[row, col] for row, col, part in _parts(spaced, size, 1, x.shape[:2]))
    image = sum(terms, start=jnp.zeros((), x.dtype))
    return image, jnp.stack(sums).reshape(kernel.shape)


shifted.defvjp(_forward, _backward)


def _pad(x: Array, padding: int) -> Array:
    return jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))


def _parts(
    padded: Array, size: int, stride: int, sides: tuple[int, ...]
) -> Iterator[tuple[int, int, Array]]:
    """The pixels under each position of the kernel."""
    bottom, right = (stride * (side - 1) + 1 for side in sides)
    for row in range(size):
        for col in range(size):
            yield row, col, padded[:, row : row + bottom : stride, col : col + right : stride]
