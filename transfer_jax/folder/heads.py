"""Linear heads that were solved, on disk: by their names, weights and biases."""

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


def write_heads(path: epath.Path, heads: Mapping[str, SolvedHead]) -> None:
    """Write some heads, all of them or nothing.

    Args:
      path: the file, `.npz`.
      heads: name to head; that of a probe is the number of layers below it.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "heads.npz"
      >>> write_heads(path, {"3": SolvedHead(np.ones((2, 1)), np.zeros(1), 0.1)})
      >>> read_head(path, "3").kernel.tolist(), read_head(path, "3").bias.tolist()
      ([[1.0], [1.0]], [0.0])
    """
    arrays = {
        f"{field}.{name}": np.asarray(value)
        for name, head in heads.items()
        for field, value in head._asdict().items()
    }
    write_arrays(path, **arrays)


def read_head(path: epath.Path, name: str) -> SolvedHead:
    """One of the heads that were solved.

    Args:
      path: the file; nothing in it is executed.
      name: its name; that of a probe is the number of layers below it.

    Returns:
      The head.

    Raises:
      CheckpointError: the file is missing or damaged, or lacks that head.
    """
    try:
        kernel, bias, strength = read_arrays(path, [f"{f}.{name}" for f in SolvedHead._fields])
    except ValueError as error:
        raise CheckpointError(
            f"{error}; delete it and give the command that began the run: it is solved again"
        ) from None
    return SolvedHead(kernel, bias, float(strength))
