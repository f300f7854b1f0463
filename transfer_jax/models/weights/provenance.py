"""Whose names a file of weights has: they tell who trained it, and what it wants to see so."""

import functools
import os
from pathlib import Path

from transfer_jax.models.layered import Variables
from transfer_jax.models.weights.detection import detect
from transfer_jax.models.weights.nearest_network import zoo_shapes
from transfer_jax.models.weights.packages import in_package
from transfer_jax.models.weights.styles import TIMM, Style
from transfer_jax.models.weights.weight_files import WeightsError, read_arrays


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
    return _origin(path, network, _written(in_package(path)))


def style_of(path: str | os.PathLike[str], network: str, like: Variables) -> Style:
    """Whose names and layouts a file of weights has.

    Args:
      path: the file.
      network: the network that it is of.
      like: that network's variables, or their shapes.

    Returns:
      The style.

    Raises:
      WeightsError: the file cannot be read, or names nothing of the network.
    """
    arrays = read_arrays(path, network)
    known = detect(network, like, {name: array.shape for name, array in arrays.items()})
    if known is None:
        raise WeightsError(f"weights of {network}: {path} holds no name of it")
    return known[0]


@functools.lru_cache(maxsize=16)
def _origin(path: str | os.PathLike[str], network: str, written: int) -> str | None:
    """A file is read again where it was written again."""
    found = {name: array.shape for name, array in read_arrays(path, network).items()}
    known = detect(network, zoo_shapes(network), found)
    return known[0].origin if known and known[0].origin != TIMM.origin else None


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0
