"""Maximum over windows, and normalisation across channels."""

from collections.abc import Callable
from functools import partial, reduce
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from transfer_jax.models.backend import target_backend

# No window of fewer than 16 pixels a side has a pixel of this number.
NOWHERE = 255


def max_pool(
    x: Float[Array, "batch height width channels"],
    size: int,
    stride: int | None = None,
    *,
    ceil: bool = False,
) -> Float[Array, "batch pooled_height pooled_width channels"]:
    """Maximum over windows; rows and columns that no whole window covers are dropped.

    Of tied values the first takes the whole gradient, row by row: as `flax.linen.max_pool`
    and PyTorch do.

    Args:
      x: images, channels last.
      size: side of the window; 1 returns the images as they are.
      stride: distance between windows; None sets them side by side.
      ceil: keep windows that reach beyond the last row or column, as Caffe does.

    Returns:
      The pooled images.

    Example:
      >>> max_pool(jnp.arange(16.0).reshape(1, 4, 4, 1), 2)[0, :, :, 0].tolist()
      [[5.0, 7.0], [13.0, 15.0]]
    """
    stride = stride or size
    if ceil:
        over = [(size - side) % stride for side in x.shape[1:3]]
        x = jnp.pad(x, ((0, 0), (0, over[0]), (0, over[1]), (0, 0)), constant_values=-np.inf)
    if size == stride:
        height, width = (side // size * size for side in x.shape[1:3])
        return x if size == 1 else _max_of_blocks(x[:, :height, :width], size)
    return _max_of_windows(x, size, stride)


def _largest(values: list[Array]) -> tuple[Array, Array]:
    """The largest of several values, and which one it is: the first of those that tie.

    XLA's gradient of a sliding maximum searches each window again; those below need no search.
    """
    largest = reduce(jnp.maximum, values)
    index = jnp.full(largest.shape, len(values) - 1, jnp.uint8)
    for position in range(len(values) - 2, -1, -1):
        index = jnp.where(values[position] == largest, jnp.uint8(position), index)
    return largest, index


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_of_blocks(x: Array, size: int) -> Array:
    """Windows side by side, which fill the images: each pixel is in one."""
    return _blocks_forward(x, size)[0]


def _blocks_forward(x: Array, size: int) -> tuple[Array, Array]:
    batch, height, width, channels = x.shape
    blocks = x.reshape(batch, height // size, size, width // size, size, channels)
    return _largest([blocks[:, :, row, :, col] for row in range(size) for col in range(size)])


def _blocks_backward(size: int, index: Array, gradient: Array) -> tuple[Array]:
    batch, height, width, channels = gradient.shape
    positions = np.arange(size * size, dtype=np.uint8).reshape(1, 1, size, 1, size, 1)
    chosen = index[:, :, None, :, None, :] == positions
    blocks = jnp.where(chosen, gradient[:, :, None, :, None, :], 0)
    return (blocks.reshape(batch, height * size, width * size, channels),)


_max_of_blocks.defvjp(_blocks_forward, _blocks_backward)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _max_of_windows(x: Array, size: int, stride: int) -> Array:
    """Windows that overlap, or leave pixels out."""
    return _windows_forward(x, size, stride)[0]


def _windows_forward(x: Array, size: int, stride: int) -> tuple[Array, tuple[Array, Array]]:
    rows, cols = ((side - size) // stride * stride + 1 for side in x.shape[1:3])
    values = [
        x[:, row : row + rows : stride, col : col + cols : stride]
        for row in range(size)
        for col in range(size)
    ]
    largest, index = _largest(values)
    return largest, (index, jnp.zeros((0, *x.shape[1:3])))


def _windows_backward(
    size: int, stride: int, residuals: tuple[Array, Array], gradient: Array
) -> tuple[Array]:
    """Images are blocks of `stride` pixels; each block is in windows that begin in it, or before.

    One sum over these windows writes the image once: what is not its largest value gets nothing.
    """
    index, (height, width) = residuals[0], residuals[1].shape[1:]
    batch, rows, cols, channels = gradient.shape
    reach = (size - 1) // stride
    blocks = jnp.zeros((), gradient.dtype)
    for down, right in product(range(reach + 1), repeat=2):
        pads = ((0, 0), (down, reach - down), (right, reach - right), (0, 0))
        own_index, own = (jnp.pad(x, pads)[:, :, None, :, None, :] for x in (index, gradient))
        chosen = own_index == _positions(size, stride, down, right)
        blocks += jnp.where(chosen, own, 0)
    # Lest XLA split the images that are put together, and write each part before it is chosen.
    blocks = jax.lax.optimization_barrier(blocks)
    image = blocks.reshape(batch, (rows + reach) * stride, (cols + reach) * stride, channels)
    spare = ((0, 0), (0, max(0, height - image.shape[1])), (0, max(0, width - image.shape[2])))
    return (jnp.pad(image, (*spare, (0, 0)))[:, :height, :width],)


def _positions(size: int, stride: int, down: int, right: int) -> np.ndarray:
    """Where the pixels of a block lie in the window that begins so many blocks before it."""
    row, col = (np.arange(stride) + stride * blocks for blocks in (down, right))
    row, col = row[:, None, None], col[:, None]
    at = np.where((row < size) & (col < size), row * size + col, NOWHERE)
    return at.astype(np.uint8)[:, None]


_max_of_windows.defvjp(_windows_forward, _windows_backward)


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
    return _normalised(x, size, alpha, beta)


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _normalised(x: Array, size: int, alpha: float, beta: float) -> Array:
    return (x * _base(x, size, alpha) ** -beta).astype(x.dtype)


def _norm_forward(x: Array, size: int, alpha: float, beta: float) -> tuple[Array, Array]:
    return _normalised(x, size, alpha, beta), x


def _norm_backward(size: int, alpha: float, beta: float, x: Array, gradient: Array) -> tuple[Array]:
    """The sums are computed again: to write and read them takes longer."""
    base = _base(x, size, alpha)
    own = gradient * base**-beta
    others = _sum_of_neighbours((own * x / base).astype(x.dtype), size, _same)
    return ((own - 2 * alpha * beta / size * x * others).astype(x.dtype),)


_normalised.defvjp(_norm_forward, _norm_backward)


def _base(x: Array, size: int, alpha: float) -> Array:
    return 1 + alpha / size * _sum_of_neighbours(x, size, jnp.square)


def _same(x: Array) -> Array:
    return x


def _sum_of_neighbours(
    x: Array, size: int, of: Callable[[Array], Array]
) -> Float[Array, "batch height width channels"]:
    """The float32 sum of a function of neighbouring channels.

    On a CPU a sliding sum is 1.1 to 2 times as fast as a product with a band matrix, and several
    times as fast as a sum of shifted copies. Elsewhere these are one pass with all around it, if
    what is shifted lies in memory already: so they are shifted first, and the function comes after.
    """
    if target_backend() == "cpu":
        return jax.lax.reduce_window(
            of(x.astype(jnp.float32)), 0.0, jax.lax.add, (1, 1, 1, size), (1,) * 4, "SAME"
        )
    channels, reach = x.shape[-1], size // 2
    padded = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (reach, reach)))
    shifted = (padded[..., i : i + channels] for i in range(size))
    return reduce(jnp.add, [of(own.astype(jnp.float32)) for own in shifted])
