"""Who trained the weights of a file, by their names: that decides what a network wants to see."""

import functools
import os
from pathlib import Path

from transfer_jax.models.weights.detection import detect
from transfer_jax.models.weights.nearest_network import zoo_shapes
from transfer_jax.models.weights.styles import TIMM
from transfer_jax.models.weights.weight_files import read_arrays


def origin_of(path: str | os.PathLike[str], network: str) -> str | None:
    """Who trained the weights of a file.

    Args:
      path: a file of weights.
      network: a network of the zoo.

    Returns:
      The origin, as networks of the zoo take it; None where names do not tell it: timm's are also
      given to the weights of others.

    Raises:
      WeightsError: the file cannot be read.
    """
    return _origin(path, network, _written(Path(path)))


@functools.lru_cache(maxsize=16)
def _origin(path: str | os.PathLike[str], network: str, written: int) -> str | None:
    """A file is read again where it was written again."""
    found = {name: array.shape for name, array in read_arrays(path, network).items()}
    known = detect(network, zoo_shapes(network), found)
    return known[0].origin if known and known[0].origin != TIMM.origin else None


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
