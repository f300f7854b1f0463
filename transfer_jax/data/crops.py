"""Images shifted, and squares cut out of them: at random, in the middle, or where it is said."""

import math
import zlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key


def random_shift(
    key: Key[Array, ""], images: Float[Array, "batch height width channels"], reach: int
) -> Float[Array, "batch height width channels"]:
    """Shift each image by up to `reach` pixels in both directions; the border is filled with 0.

    Args:
      key: the key of this batch.
      images: the batch.
      reach: largest shift in pixels; 0 returns the batch as it is.

    Returns:
      The batch, shifted: a random crop of the padded images.

    Example:
      >>> random_shift(jax.random.key(0), jnp.zeros((4, 2, 2, 1)), 1).shape
      (4, 2, 2, 1)

    Source: the original trains on random crops.
    """
    corners = jax.random.randint(key, (images.shape[0], 2), 0, 2 * reach + 1)
    return shifted(images, corners, reach)


def shifted(
    images: Float[Array, "batch height width channels"], corners: Int[Array, "batch 2"], reach: int
) -> Float[Array, "batch height width channels"]:
    """Each image shifted; the border is filled with 0.

    Args:
      images: the batch.
      corners: where it begins in the padded image: `reach` is the middle.
      reach: largest shift in pixels; 0 returns the batch as it is.

    Returns:
      The batch.

    Example:
      >>> images = jnp.arange(2.0).reshape(1, 1, 2, 1)
      >>> shifted(images, jnp.array([[1, 2]]), 1)[0, 0, :, 0].tolist()
      [1.0, 0.0]
    """
    if reach == 0:
        return images
    pad = ((0, 0), (reach, reach), (reach, reach), (0, 0))
    return _windows(jnp.pad(images, pad), corners, images.shape[1:3])


def random_crop(
    key: Key[Array, ""], images: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch size size channels"]:
    """A square cut out of each image, anywhere.

    Args:
      key: the key of this batch.
      images: the batch.
      size: side of the square in pixels; 0 returns the batch as it is.

    Returns:
      The batch, cropped.

    Example:
      >>> random_crop(jax.random.key(0), jnp.zeros((4, 8, 8, 1)), 5).shape
      (4, 5, 5, 1)

    Source: the original trains on random crops of 227 from images of 256.
    """
    room = jnp.array([side - size + 1 for side in images.shape[1:3]])
    return cropped(images, jax.random.randint(key, (images.shape[0], 2), 0, room), size)


def few_places(
    count: int, shift: int, crop: int, sides: Sequence[int]
) -> tuple[Int[np.ndarray, "count 2"], Int[np.ndarray, "count 2"]]:
    """A few places to look at in all images: the middle, and others at random, none of them twice.

    Args:
      count: how many.
      shift: largest shift in pixels.
      crop: side of the square that is cut out in pixels; 0 for none.
      sides: height and width of the images in pixels.

    Returns:
      Corners for `shifted` and for `cropped`.

    Raises:
      ValueError: there are not so many.

    Example:
      >>> shifts, crops = few_places(2, 0, 3, (3, 4))
      >>> shifts.tolist(), crops.tolist()
      ([[0, 0], [0, 0]], [[0, 0], [0, 1]])
    """
    room = [2 * shift + 1] * 2 + [side - (crop or side) + 1 for side in sides]
    if count > math.prod(room):
        raise ValueError(f"there are {math.prod(room)} places in an image, not {count}")
    middle = (shift, shift, *centre_corner(sides, crop)) if crop else (shift, shift, 0, 0)
    # NumPy keeps what this generator draws the same in all its versions.
    random, found = np.random.RandomState(zlib.crc32(b"views")), {middle: None}
    while len(found) < count:
        found[tuple(random.randint(0, room).tolist())] = None
    corners = np.array(list(found)[:count], np.int32)
    return corners[:, :2], corners[:, 2:]


def cropped(
    images: Float[Array, "batch height width channels"], corners: Int[Array, "batch 2"], size: int
) -> Float[Array, "batch size size channels"]:
    """A square cut out of each image.

    Args:
      images: the batch.
      corners: where it begins in each.
      size: side of the square in pixels; 0 returns the batch as it is.

    Returns:
      The batch.

    Example:
      >>> images = jnp.arange(4.0).reshape(1, 2, 2, 1)
      >>> cropped(images, jnp.array([[1, 0]]), 1).item()
      2.0
    """
    return _windows(images, corners, (size, size)) if size else images


def _windows(images: Array, corners: Array, sides: tuple[int, ...]) -> Array:
    """From each image, the pixels right and below of its corner."""

    def cut(image: Array, corner: Array) -> Array:
        start = (corner[0], corner[1], 0)
        return jax.lax.dynamic_slice(image, start, (*sides, image.shape[-1]))

    return jax.vmap(cut)(images, corners)


def centre_crop(
    images: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch size size channels"]:
    """The middle of each image.

    Args:
      images: the batch.
      size: side of the square in pixels; 0 returns the batch as it is.

    Returns:
      The batch, cropped.

    Example:
      >>> centre_crop(jnp.arange(5.0).reshape(1, 1, 5, 1).repeat(5, 1), 3)[0, 0, :, 0].tolist()
      [1.0, 2.0, 3.0]

    Source: the original tests on the middle of each image.
    """
    if size == 0:
        return images
    top, left = centre_corner(images.shape[1:3], size)
    return images[:, top : top + size, left : left + size]


def centre_corner(sides: Sequence[int], size: int) -> tuple[int, ...]:
    """Where a square in the middle begins.

    Args:
      sides: height and width of an image in pixels.
      size: side of the square in pixels.

    Returns:
      Row and column.

    Example:
      >>> centre_corner((5, 8), 3)
      (1, 2)
    """
    return tuple((side - size) // 2 for side in sides)
