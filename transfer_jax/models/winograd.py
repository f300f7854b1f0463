"""3x3 convolution by Winograd's minimal filtering F(4x4, 3x3): a quarter of the multiplications."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

TILE = 4
WINDOW = TILE + 2

# Interpolation at 0, 1, -1, 2, -2 and infinity, in one dimension.
_INPUT = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
          [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]  # fmt: skip
_KERNEL = [[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
           [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]  # fmt: skip
_OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]

# `_windows` takes the pixels of a window in this order: four blocks, each one slice of the image.
_ROWS, _REST = range(TILE), range(TILE, WINDOW)
_ORDER = [
    WINDOW * row + col
    for rows, cols in ((_ROWS, _ROWS), (_REST, _ROWS), (_ROWS, _REST), (_REST, _REST))
    for row in rows
    for col in cols
]
INPUT = np.kron(_INPUT, _INPUT)[:, _ORDER].astype(np.float32)
KERNEL = np.kron(_KERNEL, _KERNEL).astype(np.float32)
OUTPUT = np.kron(_OUTPUT, _OUTPUT).astype(np.float32)

Residuals = tuple[Array, Array, Array]


@jax.custom_vjp
def winograd(
    x: Float[Array, "batch height width in"], kernel: Float[Array, "3 3 in out"]
) -> Float[Array, "batch height width out"]:
    """3x3 convolution, stride 1, "same" padding, in 36 matrix products for each 4x4 tile.

    Args:
      x: float32 images, channels last.

    Returns:
      What a convolution gives, to a few 1e-6 of the largest value.

    Example:
      >>> winograd(jnp.ones((1, 4, 4, 1)), jnp.ones((3, 3, 1, 1)))[0, 1, 1].round(4).tolist()
      [9.0]

    Source: Lavin and Gray (2016), "Fast algorithms for convolutional neural networks".
    """
    return _forward(x, kernel)[0]


def _forward(x: Array, kernel: Array) -> tuple[Array, Residuals]:
    windows = _transform(INPUT, _windows(x))
    filters = _transform(KERNEL, kernel.reshape(9, *kernel.shape[2:]))
    products = jnp.einsum("tnc,tck->tnk", windows, filters)
    out = _from_tiles(_transform(OUTPUT, products), (*x.shape[:3], kernel.shape[-1]))
    return out, (windows, filters, x)


def _backward(residuals: Residuals, gradient: Array) -> tuple[Array, Array]:
    windows, filters, x = residuals
    products = _transform(OUTPUT.T, _to_tiles(gradient))
    filter_gradient = jnp.einsum("tnc,tnk->tck", windows, products)
    window_gradient = jnp.einsum("tnk,tck->tnc", products, filters)
    (image,) = jax.linear_transpose(_windows, x)(_transform(INPUT.T, window_gradient))
    kernel = _transform(KERNEL.T, filter_gradient)
    return image, kernel.reshape(3, 3, *kernel.shape[1:])


winograd.defvjp(_forward, _backward)


def _transform(matrix: np.ndarray, x: Array) -> Array:
    """A linear map of the first axis, as one matrix product over all the others."""
    return jnp.dot(matrix, x.reshape(x.shape[0], -1)).reshape(matrix.shape[0], *x.shape[1:])


def _tiles(size: int) -> int:
    return -(-size // TILE)


def _windows(x: Array) -> Array:
    """The 6x6 windows that lie 4 pixels apart, as [36, batch * tiles, channels]."""
    batch, height, width, channels = x.shape
    rows, cols = _tiles(height), _tiles(width)
    pad = [(1, TILE * (n + 1) - size - 1) for n, size in ((rows, height), (cols, width))]
    padded = jnp.pad(x, ((0, 0), *pad, (0, 0)))
    blocks = padded.reshape(batch, rows + 1, TILE, cols + 1, TILE, channels)
    pixels = blocks.transpose(2, 4, 0, 1, 3, 5)
    rest = WINDOW - TILE
    parts = [
        pixels[:, :, :, :rows, :cols],
        pixels[:rest, :, :, 1:, :cols],
        pixels[:, :rest, :, :rows, 1:],
        pixels[:rest, :rest, :, 1:, 1:],
    ]
    return jnp.concatenate([part.reshape(-1, batch * rows * cols, channels) for part in parts])


def _from_tiles(tiles: Array, shape: tuple[int, ...]) -> Array:
    """Images from [16, batch * tiles, channels]."""
    batch, height, width, channels = shape
    rows, cols = _tiles(height), _tiles(width)
    blocks = tiles.reshape(TILE, TILE, batch, rows, cols, channels).transpose(2, 3, 0, 4, 1, 5)
    return blocks.reshape(batch, TILE * rows, TILE * cols, channels)[:, :height, :width]


def _to_tiles(images: Array) -> Array:
    """[16, batch * tiles, channels] from images; pixels beyond the border are 0."""
    batch, height, width, channels = images.shape
    rows, cols = _tiles(height), _tiles(width)
    pad = ((0, 0), (0, TILE * rows - height), (0, TILE * cols - width), (0, 0))
    blocks = jnp.pad(images, pad).reshape(batch, rows, TILE, cols, TILE, channels)
    return blocks.transpose(2, 4, 0, 1, 3, 5).reshape(TILE * TILE, -1, channels)
