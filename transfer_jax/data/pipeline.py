"""What a column sees: its batches as indices into images that live on the device."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8, UInt32

from transfer_jax.data.sources import ImageSet


class DeviceImages(NamedTuple):
    """A dataset on the device; every column reads from it."""

    images: UInt8[Array, "image height width channels"]
    labels: Int[Array, " image"]


class ColumnInputs(NamedTuple):
    """What one column needs beside the images: batches, labels, normalisation, a key's data."""

    train_batches: Int[Array, "step batch"]
    test_batches: Int[Array, "test_batch example"]
    ranks: Int[Array, " class"]
    mean: Float[Array, "height width channels"]
    scale: Float[Array, ""]
    key: UInt32[Array, "..."]


def on_device(images: ImageSet) -> DeviceImages:
    """A dataset as arrays on the default device.

    Args:
      images: the dataset, in host memory.

    Returns:
      The dataset, on the device.
    """
    return DeviceImages(jnp.asarray(images.images), jnp.asarray(images.labels))


def batch_order(
    key: Key[Array, ""], examples: Int[np.ndarray, " example"], batch_size: int, steps: int
) -> Int[Array, "step batch"]:
    """Batches of examples: one random order after another, cut into batches.

    Args:
      key: the key of the order.
      examples: indices of the task's examples.
      batch_size: examples a batch.
      steps: number of batches.

    Returns:
      Indices; each example stands once in every pass over the data.

    Example:
      >>> order = batch_order(jax.random.key(0), np.arange(4), 2, 4)
      >>> sorted(order[:2].ravel().tolist()), sorted(order[2:].ravel().tolist())
      ([0, 1, 2, 3], [0, 1, 2, 3])
    """
    passes = -(-batch_size * steps // len(examples))
    keys = jax.random.split(key, passes)
    orders = jax.vmap(lambda k: jax.random.permutation(k, jnp.asarray(examples)))(keys)
    return orders.reshape(-1)[: batch_size * steps].reshape(steps, batch_size)


def test_batches(
    examples: Int[np.ndarray, " example"], batch_size: int, count: int
) -> Int[np.ndarray, "test_batch example"]:
    """Batches for evaluation: every example once, then -1 as padding.

    Args:
      examples: indices of the test examples.
      batch_size: examples a batch.
      count: number of examples to pad to, the same for all tasks of a grid.

    Returns:
      Indices, -1 where there is no example.

    Example:
      >>> test_batches(np.arange(3), 2, 3).tolist()
      [[0, 1], [2, -1]]
    """
    padded = np.full(-(-count // batch_size) * batch_size, -1, np.int32)
    padded[: len(examples)] = examples
    return padded.reshape(-1, batch_size)


def normalisation(
    images: UInt8[np.ndarray, "image height width channels"],
) -> tuple[Float[np.ndarray, "height width channels"], Float[np.ndarray, ""]]:
    """The mean image of a task and one scale, which make its pixels of mean 0 and variance 1.

    Args:
      images: the task's training images.

    Returns:
      (mean, scale): the mean of every pixel, and 1 / standard deviation of what is left.

    Example:
      >>> mean, scale = normalisation(np.array([[[[0]]], [[[8]]]], np.uint8))
      >>> mean.item(), scale.item()
      (4.0, 0.25)

    Source: the original subtracts the mean image of the base network's task.
    """
    pixels = images.astype(np.float32)
    mean = pixels.mean(axis=0)
    deviation = float((pixels - mean).std())
    return mean, np.asarray(1.0 / deviation if deviation > 0 else 1.0, np.float32)
