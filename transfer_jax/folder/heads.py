"""Linear heads that were solved, on disk: after how many layers, weights and biases."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float

from transfer_jax.folder.checkpoints import CheckpointError
from transfer_jax.folder.whole_file import read_arrays, write_arrays


class SolvedHead(NamedTuple):
    """A linear map from features, as they leave the layers, to logits of a task's classes."""

    kernel: Float[np.ndarray, "feature output"]
    bias: Float[np.ndarray, " output"]
    strength: float


def write_heads(path: epath.Path, heads: Mapping[int, SolvedHead]) -> None:
    """Write some heads, all of them or nothing.

    Args:
      path: the file, `.npz`.
      heads: number of layers below to head.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "heads.npz"
      >>> write_heads(path, {3: SolvedHead(np.ones((2, 1)), np.zeros(1), 0.1)})
      >>> read_head(path, 3).kernel.tolist(), read_head(path, 3).bias.tolist()
      ([[1.0], [1.0]], [0.0])
    """
    arrays = {
        f"{name}.{n}": np.asarray(value)
        for n, head in heads.items()
        for name, value in head._asdict().items()
    }
    write_arrays(path, **arrays)


def read_head(path: epath.Path, n: int) -> SolvedHead:
    """The head that was solved on what leaves the first n layers.

    Args:
      path: the file; nothing in it is executed.
      n: number of layers.

    Returns:
      The head.

    Raises:
      CheckpointError: the file is missing or damaged, or lacks that head.
    """
    try:
        kernel, bias, strength = read_arrays(path, [f"{f}.{n}" for f in SolvedHead._fields])
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    return SolvedHead(kernel, bias, float(strength))
