"""Convolution, lowered in the way that is fastest for its shape on the backend at hand."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from transfer_jax.models.backend import target_backend
from transfer_jax.models.depthwise import shifted
from transfer_jax.models.positions import NO_ZEROS, Zeros, positions
from transfer_jax.models.product import in_one_row
from transfer_jax.models.winograd import TILE, winograd

LOWERINGS = ("xla", "patches", "winograd", "shifted", "space_to_depth")
Padding = int | Literal["same"] | None


def convolve(
    x: Float[Array, "batch height width in"],
    kernel: Float[Array, "rows cols in_of_group out"],
    stride: int = 1,
    *,
    padding: Padding = None,
    groups: int = 1,
    lowering: str | None = None,
) -> Float[Array, "batch out_height out_width out"]:
    """Convolution with zero padding.

    Args:
      x: images, channels last.
      stride: step in both directions.
      padding: zeros on each side; None pads by half the kernel. "same" has as many outputs, and
        where its zeros are odd in number one more of them is below and on the right: TensorFlow's.
      groups: number of groups that the channels are divided into.
      lowering: one of `LOWERINGS`; None takes the one that is fastest here.

    Returns:
      The convolved images; with half the kernel ceil(height / stride) rows.

    Raises:
      ValueError: a lowering is asked for that is for other kernels.

    Example:
      >>> convolve(jnp.ones((1, 4, 4, 1)), jnp.ones((3, 3, 1, 2)), stride=2).shape
      (1, 2, 2, 2)
    """
    if 1 < groups < x.shape[-1]:
        # One after the other: XLA's grouped convolution is slower on CPU.
        one = partial(convolve, stride=stride, padding=padding, lowering=lowering)
        return in_groups(one, x, kernel, groups)
    zeros = _zeros(x, kernel, stride, padding)
    even = zeros[0][0] if len({*zeros[0], *zeros[1]}) == 1 else None
    lowering = lowering or choose_lowering(
        kernel.shape, stride, even, x.dtype.name, groups=groups, side=min(x.shape[1:3])
    )
    if lowering == "winograd":
        if (*kernel.shape[:2], stride, even) != (3, 3, 1, 1):
            raise ValueError("lowering is 'winograd'; allowed: for 3x3, stride 1, padding 1")
        return winograd(x, kernel)
    if lowering == "patches":
        return _by_patches(x, kernel, stride, zeros)
    if lowering == "shifted":
        return shifted(x, kernel, stride, zeros)
    if lowering == "space_to_depth":
        x, kernel = _by_squares(x, kernel, stride, zeros)
        stride, zeros = 1, NO_ZEROS
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        zeros,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def in_groups(
    fn: Callable[[Array, Array], Array],
    x: Float[Array, "batch height width in"],
    kernel: Float[Array, "rows cols in_of_group out"],
    groups: int,
) -> Float[Array, "batch out_height out_width out"]:
    """A function of images and a kernel, computed for each group of channels by itself.

    Args:
      fn: the function; it gives the channels of one group.
      x: images, channels last.
      kernel: that of all groups.
      groups: number of groups that the channels are divided into.

    Returns:
      The channels of all groups, in order.

    Example:
      >>> images, kernel = jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 1, 6))
      >>> in_groups(convolve, images, kernel, 2).shape
      (1, 4, 4, 6)
    """
    parts = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
    return jnp.concatenate([fn(*part) for part in parts], -1)


def choose_lowering(
    kernel_shape: tuple[int, ...],
    stride: int,
    padding: int | None,
    dtype: str,
    backend: str | None = None,
    groups: int = 1,
    side: int = TILE,
) -> str:
    """The lowering that trains fastest, as `experiments/benchmarks/layers.py` measured.

    Args:
      kernel_shape: rows, columns, channels in of a group, channels out.
      stride: step in both directions.
      padding: zeros on each side; None where sides differ.
      dtype: name of the images' dtype.
      backend: name of the backend; None for the one in use.
      groups: number of groups; more than one where each channel is one.
      side: height or width of the images, whichever is less.

    Returns:
      One of `LOWERINGS`.

    Example:
      >>> choose_lowering((3, 3, 64, 64), 1, 1, "float32", "cpu")
      'winograd'
      >>> choose_lowering((11, 11, 3, 96), 4, 0, "bfloat16", "gpu")
      'space_to_depth'
      >>> choose_lowering((3, 3, 64, 64), 1, 1, "float32", "tpu")
      'xla'
    """
    rows, cols, channels, _ = kernel_shape
    backend = backend or target_backend()
    if backend == "gpu" and groups == 1 and channels <= 4 and stride > 1 and rows > 3:
        # cuDNN adds channels of zeros up to eight.
        return "space_to_depth"
    if backend != "cpu" or dtype != "float32":
        return "xla"
    if groups > 1:
        return "shifted"
    side_by_side = padding == 0 and (rows == cols == stride or (rows, cols) == (1, 1))
    if channels <= 4 or side_by_side:
        return "patches"
    if (rows, cols, stride, padding) == (3, 3, 1, 1) and channels >= 32:
        # Less than a tile saves no products, and transformed kernels are four times as large.
        return "winograd" if side >= TILE else "patches"
    return "xla"


def _zeros(x: Array, kernel: Array, stride: int, padding: Padding) -> Zeros:
    """What is added to images on each side."""

    def of(side: int, size: int) -> tuple[int, int]:
        if padding != "same":
            own = size // 2 if padding is None else padding
            return own, own
        missing = max((-(-side // stride) - 1) * stride + size - side, 0)
        return missing // 2, missing - missing // 2

    return of(x.shape[1], kernel.shape[0]), of(x.shape[2], kernel.shape[1])


def _by_patches(x: Array, kernel: Array, stride: int, zeros: Zeros) -> Array:
    """One matrix product with the pixels under each position of the kernel.

    Conditions that see the same images share the patches: XLA computes equal terms once.
    """
    rows, cols, _, features = kernel.shape
    side_by_side = rows == cols == stride and zeros == NO_ZEROS
    patches = _blocks(x, stride) if side_by_side else _patches(x, (rows, cols), stride, zeros)
    return in_one_row(patches, kernel.reshape(-1, features))


def _patches(x: Array, size: tuple[int, int], stride: int, zeros: Zeros) -> Array:
    """Patches that overlap, each its pixels in order."""
    return jnp.concatenate([part for _, _, part in positions(x, size, stride, zeros)], -1)


def _by_squares(x: Array, kernel: Array, stride: int, zeros: Zeros) -> tuple[Array, Array]:
    """The same convolution with a stride of one: what a step passes over is one pixel.

    Its channels are those of all pixels in a square of `stride` (space to depth); the kernel is
    filled with zeros to whole squares.
    """
    rows, cols, channels, features = kernel.shape
    tall, wide = -(-rows // stride), -(-cols // stride)
    edges = [
        (before, stride * ((side + before + after - size) // stride + squares) - side - before, 0)
        for side, (before, after), size, squares in zip(
            x.shape[1:3], zeros, (rows, cols), (tall, wide), strict=True
        )
    ]
    # Where no kernel reaches the last pixels the edge is negative: they are cut off.
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
    fill = ((0, stride * tall - rows), (0, stride * wide - cols), (0, 0), (0, 0))
    squares = jnp.pad(kernel, fill).reshape(tall, stride, wide, stride, channels, features)
    return _blocks(x, stride), squares.transpose(0, 2, 1, 3, 4, 5).reshape(tall, wide, -1, features)


def _blocks(x: Array, size: int) -> Array:
    """Patches side by side, each its pixels in order; what no whole patch covers is dropped."""
    height, width = (side // size for side in x.shape[1:3])
    x = x[:, : height * size, : width * size]
    x = x.reshape(x.shape[0], height, size, width, size, x.shape[-1]).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(*x.shape[:3], -1)
