"""What a column sees: the order of its examples, and what it needs beside the images."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, UInt8, UInt32

# Number of layers to the activations after them: of every view of every image.
Activations = dict[int, Float[Array, "view image ..."]]


class KeptTrunk(NamedTuple):
    """What frozen first layers make of images, computed once; and where each image's is."""

    rows: Int[Array, " image"]
    activations: Activations


class Batch(NamedTuple):
    """The images of one step, and their classes; class -1 is padding.

    `kept` holds what frozen layers make of them, where that was computed before.
    """

    images: UInt8[Array, "example height width channels"]
    labels: Int[Array, " example"]
    kept: Activations | None = None

    def take(self, batches: Int[Array, "number example"], number: Int[Array, ""]) -> "Batch":
        """Itself: it was read for this step."""
        return self


class DeviceImages(NamedTuple):
    """A dataset on the device, from which every column takes its batches by number."""

    images: UInt8[Array, "image height width channels"]
    labels: Int[Array, " image"]
    trunk: KeptTrunk | None = None

    def take(self, batches: Int[Array, "number example"], number: Int[Array, ""]) -> Batch:
        """One of a column's batches, gathered on the device.

        Args:
          batches: indices of images; -1 is padding.
          number: which of the batches.

        Returns:
          The batch.
        """
        examples = jax.lax.dynamic_index_in_dim(batches, number, keepdims=False)
        labels = jnp.where(examples >= 0, self.labels[examples], -1)
        return Batch(self.images[examples], labels, self._kept(examples))

    def _kept(self, examples: Int[Array, " example"]) -> Activations | None:
        if self.trunk is None:
            return None
        rows = self.trunk.rows[examples]
        return {depth: own[:, rows] for depth, own in self.trunk.activations.items()}


Images = DeviceImages | Batch


class ColumnInputs(NamedTuple):
    """What one column needs beside the images: batches, labels, normalisation, a key's data.

    Batches are indices into images that live on the device; of streamed images there are none to
    train on. `class_sizes` counts the validation images, and the test images, of each class.
    """

    train_batches: Int[Array | np.ndarray, "step batch"]
    validation_batches: Int[Array | np.ndarray, "validation_batch example"]
    test_batches: Int[Array | np.ndarray, "test_batch example"]
    ranks: Int[Array | np.ndarray, " class"]
    class_sizes: Int[Array | np.ndarray, "subset class"]
    mean: Float[Array | np.ndarray, "height width channels"]
    scale: Float[Array | np.ndarray, "*channels"]
    key: UInt32[Array, "..."]


@dataclass(frozen=True, eq=False)
class BatchOrder:
    """The order in which training sees a task's examples: one random order after another.

    It is a function of the step alone, so that training can begin at any step.

    Attributes:
      words: numbers that no other order has: its key's data.
      examples: indices of the task's examples.
      batch_size: examples a batch.
      reshuffle: whether each pass has an order of its own; the original shuffled once.
    """

    words: tuple[int, ...]
    examples: Int[np.ndarray, " example"]
    batch_size: int
    reshuffle: bool = True

    def at(self, positions: Int[np.ndarray, " position"]) -> Int[np.ndarray, " position"]:
        """The examples at places of the endless order; batch s is from s * batch_size on.

        Args:
          positions: ascending places, counted from 0.

        Returns:
          Their indices.
        """
        passes, places = np.divmod(positions, len(self.examples))
        found = np.empty(len(positions), np.int32)
        for number in np.unique(passes):
            words = (*self.words, int(number) if self.reshuffle else 0)
            here = passes == number
            found[here] = self.examples[_permutation(words, len(self.examples))[places[here]]]
        return found

    def batches(self, steps: int) -> Int[np.ndarray, "step batch"]:
        """The first batches.

        Args:
          steps: number of batches.

        Returns:
          Indices; each example stands once in every pass over the data.
        """
        return self.at(np.arange(steps * self.batch_size)).reshape(steps, self.batch_size)


@lru_cache(maxsize=16)
def _permutation(words: tuple[int, ...], count: int) -> Int[np.ndarray, " position"]:
    # NumPy keeps what this generator draws the same in all its versions.
    return np.random.RandomState(list(words)).permutation(count)


def batch_order(
    key: Key[Array, ""],
    examples: Int[np.ndarray, " example"],
    batch_size: int,
    *,
    reshuffle: bool = True,
) -> BatchOrder:
    """The order of a task's examples.

    Args:
      key: the key of the order.
      examples: indices of the task's examples.
      batch_size: examples a batch.
      reshuffle: whether each pass over the data has an order of its own.

    Returns:
      The order.

    Example:
      >>> order = batch_order(jax.random.key(0), np.arange(4), 2).batches(4)
      >>> sorted(order[:2].ravel().tolist()), sorted(order[2:].ravel().tolist())
      ([0, 1, 2, 3], [0, 1, 2, 3])
    """
    words = np.asarray(jax.random.key_data(key)).tolist()
    return BatchOrder(tuple(words), examples, batch_size, reshuffle)


def padded_batches(
    examples: Int[np.ndarray, " example"], batch_size: int, count: int
) -> Int[np.ndarray, "batch example"]:
    """Batches for evaluation: every example once, then -1 as padding.

    Args:
      examples: indices of the examples.
      batch_size: examples a batch.
      count: number of examples to pad to, the same for all tasks of a grid.

    Returns:
      Indices, -1 where there is no example.

    Example:
      >>> padded_batches(np.arange(3), 2, 3).tolist()
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
    return mean, inverse(float((pixels - mean).std()))


def inverse(deviation: float) -> Float[np.ndarray, ""]:
    """The scale that makes pixels of this deviation have deviation 1.

    Args:
      deviation: standard deviation in grey levels.

    Returns:
      Its inverse; 1 where all pixels are the same.

    Example:
      >>> inverse(4.0).item(), inverse(0.0).item()
      (0.25, 1.0)
    """
    return np.asarray(1.0 / deviation if deviation > 0 else 1.0, np.float32)
