"""Weights that their names alone decide, so that other libraries can be asked about the same."""

import math
import zlib
from collections.abc import Mapping

import numpy as np

Shape = tuple[int, ...]


def drawn(shapes: Mapping[str, Shape]) -> dict[str, np.ndarray]:
    """Name to weights: variances are positive, scales are near one, activations keep their size."""
    return {name: _drawn(name, tuple(shape)) for name, shape in shapes.items()}


def _drawn(name: str, shape: Shape) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.standard_normal(shape)
    if name.endswith("running_var"):
        values = 0.5 + np.abs(values)
    elif len(shape) == 1:
        values = 0.1 * values + name.endswith("weight")
    else:
        values = values / math.sqrt(math.prod(shape[1:]))
    return values.astype(np.float32)


def images(size: int) -> np.ndarray:
    """Two images, normalised."""
    return np.random.default_rng(0).standard_normal((2, size, size, 3)).astype(np.float32)
