"""Trained networks on disk, by orbax."""

import errno
import hashlib
import json
import os
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jaxtyping import PyTree

from transfer_jax.folder.places import rooted
from transfer_jax.surgery.paths import leaf_paths


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or holds something else than what is asked for."""


def save(path: epath.PathLike, tree: PyTree) -> None:
    """Write a tree of arrays, all of it or nothing; an earlier one is replaced.

    Args:
      path: the folder to write; of several processes, one alone calls this.
      tree: the arrays, in host memory.

    Raises:
      OSError: it cannot be written.
      PlaceError: the folder is some other address than a bucket's.
    """
    folder = rooted(path)
    with ocp.StandardCheckpointer(multiprocessing_options=alone()) as checkpointer:
        try:
            checkpointer.save(folder, tree, force=True)
            checkpointer.wait_until_finished()
        except Exception as error:
            raise write_error(path, error) from None


def alone() -> ocp.options.MultiprocessingOptions:
    """Orbax's options where each process writes trees of its own, and waits for no other.

    Returns:
      The options of this process.
    """
    me = jax.process_index()
    return ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
    )


def write_error(path: epath.PathLike, error: Exception) -> OSError:
    """What went wrong while orbax wrote, in the words of the system.

    Args:
      path: what was written.
      error: what orbax, or a library below it, raised.

    Returns:
      An error that names the path.
    """
    if isinstance(error, OSError) and error.strerror:
        return OSError(error.errno, error.strerror, str(path))
    said = " ".join(str(error).split())
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EIO)
    code = next((code for code in codes if os.strerror(code) in said), errno.EIO)
    return OSError(code, os.strerror(code) if code != errno.EIO else said[:200], str(path))


def restore(path: epath.PathLike, like: PyTree) -> PyTree:
    """Read a tree of arrays that has exactly the structure asked for.

    Args:
      path: a folder that `save` wrote; one process may call this, or several.
      like: a tree of arrays or `jax.ShapeDtypeStruct` of the same structure.

    Returns:
      The arrays, in host memory.

    Raises:
      CheckpointError: there is no checkpoint, or structure, shapes or dtypes differ.
      PlaceError: the folder is some other address than a bucket's.
    """
    folder = rooted(path)
    abstract = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
    try:
        with ocp.StandardCheckpointer(multiprocessing_options=alone()) as checkpointer:
            held = checkpointer.metadata(folder).item_metadata.tree  # pyright: ignore
            if odd := _differences(like, held):
                raise ValueError("; ".join(odd))
            return checkpointer.restore(folder, abstract)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} holds no network of this shape: {reason}") from error


def read_tree(path: epath.PathLike) -> PyTree:
    """Read a tree of arrays, whatever its structure.

    Args:
      path: a folder that `save` wrote.

    Returns:
      The arrays, in host memory.

    Raises:
      CheckpointError: there is no checkpoint, or it is damaged.
      PlaceError: the folder is some other address than a bucket's.
    """
    folder = rooted(path)
    try:
        with ocp.StandardCheckpointer(multiprocessing_options=alone()) as checkpointer:
            held = checkpointer.metadata(folder).item_metadata.tree  # pyright: ignore
            like = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), held)
            return checkpointer.restore(folder, like)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} holds no networks: {reason}") from error


def _differences(like: PyTree, held: PyTree) -> list[str]:
    """Where a tree is not what is asked for. Orbax would give a float32 leaf as float16."""
    asked, found = (
        {
            path: f"{leaf.dtype}{list(leaf.shape)}"
            for path, leaf in zip(leaf_paths(tree), jax.tree.leaves(tree), strict=True)
        }
        for tree in (like, held)
    )
    return [
        f"{path}: asked for {asked.get(path, 'nothing')}, found {found.get(path, 'nothing')}"
        for path in dict.fromkeys([*asked, *found])
        if asked.get(path) != found.get(path)
    ]


def digest(content: Any) -> str:
    """A fingerprint of what JSON can hold.

    Args:
      content: dicts, lists and scalars.

    Returns:
      SHA-256 in hexadecimal.

    Example:
      >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
      True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
