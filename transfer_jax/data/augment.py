"""From stored bytes to what the network sees, on the device: normalised, and mirrored."""

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
