"""Trained networks on disk, by orbax."""

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jaxtyping import PyTree

from transfer_jax.surgery.paths import leaf_paths


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or holds something else than what is asked for."""


def save(path: epath.PathLike, tree: PyTree) -> None:
    """Write a tree of arrays, all of it or nothing; an earlier one is replaced.

    Args:
      path: the folder to write.
      tree: the arrays.
    """
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(epath.Path(path).absolute(), tree, force=True)


def restore(path: epath.PathLike, like: PyTree) -> PyTree:
    """Read a tree of arrays that has exactly the structure asked for.

    Args:
      path: a folder that `save` wrote.
      like: a tree of arrays or `jax.ShapeDtypeStruct` of the same structure.

    Returns:
      The arrays, in host memory.

    Raises:
      CheckpointError: there is no checkpoint, or structure, shapes or dtypes differ.
    """
    abstract = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            tree = checkpointer.restore(epath.Path(path).absolute(), abstract)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} holds no network of this shape: {reason}") from error
    leaves = zip(leaf_paths(like), jax.tree.leaves(like), jax.tree.leaves(tree), strict=True)
    odd = [
        f"{leaf}: asked for {a.dtype}{list(a.shape)}, found {b.dtype}{list(b.shape)}"
        for leaf, a, b in leaves
        if (a.shape, a.dtype) != (b.shape, b.dtype)
    ]
    if odd:
        raise CheckpointError(f"{path} holds no network of this shape: {'; '.join(odd)}")
    return tree
