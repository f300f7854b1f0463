"""From stored bytes to what the network sees, on the device."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, UInt8


def normalise(
    images: UInt8[Array, "batch height width channels"],
    mean: Float[Array | np.ndarray, "height width channels"],
    scale: Float[Array | np.ndarray, "*channels"],
) -> Float[Array, "batch height width channels"]:
    """Subtract the mean image and scale.

    Args:
      images: grey levels 0 ... 255.
      mean: mean image in grey levels; of more channels than grey images, it makes them coloured.
      scale: factor for what is left, or one for each channel.

    Returns:
      float32 images.

    Example:
      >>> normalise(jnp.full((1, 1, 1, 1), 8, jnp.uint8), jnp.full((1, 1, 1), 4.0), 0.5).item()
      2.0
    """
    return (images.astype(jnp.float32) - mean) * scale


def random_mirror(
    key: Key[Array, ""], images: Float[Array, "batch height width channels"]
) -> Float[Array, "batch height width channels"]:
    """Mirror each image left to right with probability one half.

    Args:
      key: the key of this batch.
      images: the batch.

    Returns:
      The batch, some images mirrored.

    Example:
      >>> random_mirror(jax.random.key(0), jnp.zeros((4, 2, 2, 1))).shape
      (4, 2, 2, 1)

    Source: the original mirrors training images at random.
    """
    return mirror(images, which_mirrored(key, images.shape[0]))


def which_mirrored(key: Key[Array, ""], count: int) -> Bool[Array, " batch"]:
    """Which images of a batch `random_mirror` mirrors.

    Args:
      key: the key of this batch.
      count: its images.

    Returns:
      A truth value an image.

    Example:
      >>> which_mirrored(jax.random.key(0), 4).shape
      (4,)
    """
    return jax.random.bernoulli(key, 0.5, (count, 1, 1, 1)).reshape(count)


def mirror(
    images: Float[Array, "batch height width channels"], mirrored: Bool[Array, " batch"]
) -> Float[Array, "batch height width channels"]:
    """Some images of a batch left to right.

    Args:
      images: the batch.
      mirrored: which of them.

    Returns:
      The batch.

    Example:
      >>> images = jnp.arange(2.0).reshape(1, 1, 2, 1).repeat(2, 0)
      >>> mirror(images, jnp.array([False, True]))[:, 0, :, 0].tolist()
      [[0.0, 1.0], [1.0, 0.0]]
    """
    return jnp.where(mirrored[:, None, None, None], images[:, :, ::-1], images)


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
    if reach == 0:
        return images
    pad = ((0, 0), (reach, reach), (reach, reach), (0, 0))
    padded = jnp.pad(images, pad)
    corners = jax.random.randint(key, (images.shape[0], 2), 0, 2 * reach + 1)
    return _windows(padded, corners, images.shape[1:3])


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
    if size == 0:
        return images
    room = jnp.array([side - size + 1 for side in images.shape[1:3]])
    corners = jax.random.randint(key, (images.shape[0], 2), 0, room)
    return _windows(images, corners, (size, size))


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
    top, left = ((side - size) // 2 for side in images.shape[1:3])
    return images[:, top : top + size, left : left + size]
