"""What leaves the layers of a network that is not trained: the features of linear heads."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from transfer_jax.data.order import ColumnInputs, Images
from transfer_jax.engine.view import View
from transfer_jax.models.heads import features_of_logits
from transfer_jax.models.layered import Layered, Variables

# Number of layers to what leaves them, an example a row.
Features = dict[int, Float[np.ndarray, "example feature"]]


@dataclass(frozen=True)
class FeatureProgram:
    """The features of a batch after some numbers of layers, in one forward pass, in inference.

    Below the last layer they are what enters its dense layer, where it ends in one; else means
    over all axes between the first and the last.

    Attributes:
      network: the layered network.
      depths: after how many layers.
      view: how images are seen.
    """

    network: Layered
    depths: tuple[int, ...]
    view: View

    def of(
        self,
        network: Variables,
        images: Images,
        batches: Int[Array, "batch example"],
        number: Int[Array, ""],
        inputs: ColumnInputs,
    ) -> dict[int, Float[Array, "example feature"]]:
        """The features of one batch.

        Args:
          network: all variables.
          images: as a feed gives them.
          batches: numbers of images; -1 is padding.
          number: which of the batches.
          inputs: those of a column, whose mean and scale are used.

        Returns:
          Number of layers to features.
        """
        x = self.view.evaluation(images.take(batches, number), inputs)
        found = {}
        for n in range(1, max(self.depths) + 1):
            x, _ = self.network.apply(network, x, n - 1, n)
            if n in self.depths:
                found[n] = self._pooled(network, x, n)
        return found

    def _pooled(self, network: Variables, x: Array, n: int) -> Array:
        if n == len(self.network.layer_names) - 1:
            features = features_of_logits(self.network, network, x)
            if features is not None:
                return features
        return jnp.mean(x, tuple(range(1, x.ndim - 1))) if x.ndim > 2 else x

    def all(
        self,
        network: Variables,
        fed: Iterable[Images],
        batches: Int[np.ndarray, "batch example"],
        inputs: ColumnInputs,
        on_batch: Callable[[], None],
    ) -> Features:
        """The features of all images of some batches.

        Args:
          network: all variables.
          fed: what a feed gives for each of the batches.
          batches: numbers of images; -1 is padding.
          inputs: those of a column.
          on_batch: called after each batch.

        Returns:
          Number of layers to features, in the order of the images; of padding there are none.
        """
        of, numbers = jax.jit(self.of), jnp.asarray(batches)
        parts: dict[int, list[np.ndarray]] = {n: [] for n in self.depths}
        for number, images in enumerate(fed):
            found = of(network, images, numbers, np.int32(number), inputs)
            for n, features in jax.device_get(found).items():
                parts[n].append(features[batches[number] >= 0])
            on_batch()
        return {n: np.concatenate(own) for n, own in parts.items()}


def widened(features: Sequence[np.ndarray], width: int) -> list[Float[np.ndarray, "e f"]]:
    """Features with zeros beside them, so that one program solves for all numbers of features.

    Args:
      features: arrays of one width.
      width: the width of all.

    Returns:
      Wider arrays.

    Example:
      >>> widened([np.ones((1, 2))], 3)
      [array([[1., 1., 0.]], dtype=float32)]
    """
    return [
        np.pad(np.asarray(own, np.float32), ((0, 0), (0, width - own.shape[1]))) for own in features
    ]
