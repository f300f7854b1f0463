"""Arrays on disk, for what memory is too small for: nothing is left of them when a process ends."""

import os
import shutil
import tempfile
from typing import Any

import numpy as np

from transfer_jax.data.order import KeptTrunk

GIB = 2**30
# What others may need of a disk while a run goes on.
LEFT = GIB


def disk_for(most: float, held: int = 0) -> int:
    """Bytes of disk that may be taken.

    Args:
      most: GiB that were allowed.
      held: bytes that are taken now, and are given back before.

    Returns:
      These, or what is free where TMPDIR lies, less a GiB.

    Example:
      >>> disk_for(0.0)
      0
    """
    if not most:
        return 0
    free = shutil.disk_usage(tempfile.gettempdir()).free + held - LEFT
    return max(0, min(int(GIB * most), free))


def on_disk(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array of no values yet, in a file that has no name and goes with its last user.

    Args:
      shape: how many values, axis by axis.
      dtype: of its values.

    Returns:
      The array.

    Raises:
      OSError: the disk has no room for it.

    Example:
      >>> on_disk((2, 3), np.float32).shape
      (2, 3)
    """
    dtype = np.dtype(dtype)
    with tempfile.TemporaryFile() as file:
        size = max(1, dtype.itemsize * int(np.prod(shape)))
        # The room is taken now: a disk that is full later would end the process without a word.
        if hasattr(os, "posix_fallocate"):  # A Mac has it not.
            os.posix_fallocate(file.fileno(), 0, size)
        file.truncate(size)
        return np.memmap(file, dtype, "r+", shape=shape)


def bytes_on_disk(trunk: KeptTrunk | None) -> int:
    """How much of what is kept of a trunk is read from disk.

    Args:
      trunk: what is kept, on the host; None for nothing.

    Returns:
      Bytes.
    """
    held = trunk.activations.values() if trunk else ()
    return sum(own.nbytes for own in held if isinstance(own, np.memmap))
