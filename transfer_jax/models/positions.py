"""The pixels of images under each position of a convolution's kernel."""

from collections.abc import Iterator

import jax.numpy as jnp
from jaxtyping import Array, Float

# Zeros before and after, of rows and of columns.
Zeros = tuple[tuple[int, int], tuple[int, int]]
NO_ZEROS: Zeros = ((0, 0), (0, 0))


def positions(
    x: Float[Array, "batch height width channels"],
    size: tuple[int, ...],
    stride: int = 1,
    zeros: Zeros = NO_ZEROS,
) -> Iterator[tuple[int, int, Float[Array, "batch out_height out_width channels"]]]:
    """What each pixel of a kernel is multiplied with.

    Args:
      x: images, channels last.
      size: rows and columns of the kernel.
      stride: step in both directions.
      zeros: how many are added before and after, of rows and of columns.

    Yields:
      A row and a column of the kernel, and the pixels under it.

    Example:
      >>> [(row, col, part.shape) for row, col, part in positions(jnp.ones((1, 4, 4, 3)), (1, 2))]
      [(0, 0, (1, 4, 3, 3)), (0, 1, (1, 4, 3, 3))]
    """
    padded = jnp.pad(x, ((0, 0), *zeros, (0, 0)))
    rows, cols = size
    bottom, right = (
        (side - own) // stride * stride + 1
        for side, own in zip(padded.shape[1:3], size, strict=True)
    )
    for row in range(rows):
        for col in range(cols):
            yield row, col, padded[:, row : row + bottom : stride, col : col + right : stride]
