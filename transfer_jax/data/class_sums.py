"""Sums over the images of each class, from which any task's mean image follows."""

import hashlib
import io
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from jaxtyping import UInt8, UInt32

from transfer_jax.data.manifest import RecordsError
from transfer_jax.folder.whole_file import write_whole


class ClassSum(NamedTuple):
    """Images of one class: the sum of them, that of their squares, and their number."""

    pixels: UInt32[np.ndarray, "height width channels"]
    squares: int
    number: int


class ClassSums:
    """Sums that grow image by image."""

    def __init__(self) -> None:
        self.pixels: dict[str, Any] = defaultdict(lambda: np.uint32(0))
        self.squares: dict[str, int] = defaultdict(int)
        self.counts: dict[str, int] = defaultdict(int)

    def add(self, name: str, pixels: UInt8[np.ndarray, "height width channels"]) -> None:
        """Count one image of a class in."""
        self.pixels[name] = self.pixels[name] + pixels.astype(np.uint32)
        self.squares[name] += squares_of(pixels)
        self.counts[name] += 1

    def write(self, path: Path) -> str:
        """Write them to a file, and tell its SHA-256."""
        names, buffer = list(self.counts), io.BytesIO()
        np.savez(
            buffer,
            allow_pickle=False,
            classes=np.array(names, np.str_),
            pixels=np.array([self.pixels[name] for name in names], np.uint32),
            squares=np.array([self.squares[name] for name in names], np.int64),
            counts=np.array([self.counts[name] for name in names], np.int64),
        )
        write_whole(epath.Path(path), buffer.getvalue())
        return hashlib.sha256(buffer.getvalue()).hexdigest()


def read_sums(path: Path, sha256: str) -> dict[str, ClassSum]:
    """The sums in a file.

    Args:
      path: the file.
      sha256: its checksum when it was written.

    Returns:
      Class to sums.

    Raises:
      RecordsError: it is missing or has changed.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecordsError(f"{path} cannot be read: {error.strerror}; prepare again") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RecordsError(f"{path} changed since it was written; delete it and prepare again")
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        rows = zip(
            found["pixels"], found["squares"].tolist(), found["counts"].tolist(), strict=True
        )
        names = found["classes"].tolist()
        return dict(zip(names, (ClassSum(*row) for row in rows), strict=True))


def squares_of(pixels: UInt8[np.ndarray, "height width channels"]) -> int:
    """The sum of an image's squared grey levels.

    Args:
      pixels: the image.

    Returns:
      The sum.

    Example:
      >>> squares_of(np.full((1, 1, 3), 200, np.uint8))
      120000
    """
    return int(np.square(pixels.astype(np.int64)).sum())


def statistics_file(shard: str) -> str:
    """The file of a shard's sums.

    Args:
      shard: the shard's file.

    Returns:
      The name of the file beside it.

    Example:
      >>> statistics_file("train-0123456789abcdef.array_record")
      'train-0123456789abcdef.sums.npz'
    """
    return f"{Path(shard).stem}.sums.npz"
