"""Convolution and pooling."""

import jax
from jaxtyping import Array, Float


def convolve(
    x: Float[Array, "batch height width in"],
    kernel: Float[Array, "rows cols in out"],
    stride: int = 1,
) -> Float[Array, "batch out_height out_width out"]:
    """Convolution with "same" padding.

    Args:
      x: images, channels last.
      kernel: odd numbers of rows and columns.
      stride: step in both directions.

    Returns:
      Images of ceil(height / stride) rows and ceil(width / stride) columns.

    Example:
      >>> convolve(jax.numpy.ones((1, 4, 4, 1)), jax.numpy.ones((3, 3, 1, 2)), stride=2).shape
      (1, 2, 2, 2)
    """
    rows, cols = kernel.shape[:2]
    padding = ((rows // 2, rows // 2), (cols // 2, cols // 2))
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def max_pool(
    x: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch pooled_height pooled_width channels"]:
    """Maximum over windows that do not overlap; rows and columns left over are dropped.

    Written as a reshape and a maximum, whose gradient costs less than that of a sliding
    window. A tie's gradient is shared equally among the tied values.

    Args:
      x: images, channels last.
      size: side of the window; 1 returns the images as they are.

    Returns:
      Images of height // size rows and width // size columns.

    Example:
      >>> max_pool(jax.numpy.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0].tolist()
      [[5.0, 7.0], [13.0, 15.0]]
    """
    if size == 1:
        return x
    batch, height, width, channels = x.shape
    rows, cols = height // size, width // size
    windows = x[:, : rows * size, : cols * size]
    return windows.reshape(batch, rows, size, cols, size, channels).max(axis=(2, 4))
