"""What is subtracted from pixels, and what they are multiplied by then."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from transfer_jax.models.preprocessing import Preprocessing

WHITE = 255


class Normalisation(NamedTuple):
    """What is subtracted from pixels, and what they are multiplied by then.

    A mean of more channels than grey images have makes them coloured; a scale may be one for all
    channels, or one each.
    """

    mean: Float[np.ndarray, "height width channels"]
    scale: Float[np.ndarray, "*channels"]


def wanted_normalisation(
    preprocessing: Preprocessing, shape: tuple[int, int, int]
) -> Normalisation:
    """What a pretrained network wants, in grey levels.

    Args:
      preprocessing: its mean and deviation of each channel, as shares of white.
      shape: (height, width, channels) of images less their mean.

    Returns:
      A mean image and a scale of each channel.

    Example:
      >>> mean, scale = wanted_normalisation(Preprocessing((0.5,) * 3, (0.5,) * 3), (1, 1, 3))
      >>> ((np.full((1, 1, 1), 255) - mean) * scale).round(6).tolist()
      [[[1.0, 1.0, 1.0]]]
    """
    mean = np.broadcast_to(np.array(preprocessing.mean) * WHITE, shape).astype(np.float32)
    return Normalisation(mean, (1 / (WHITE * np.array(preprocessing.deviation))).astype(np.float32))
