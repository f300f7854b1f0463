"""Folders that orbax wrote, on whatever devices: a tree, or what a CheckpointManager keeps."""

from pathlib import Path
from typing import Any

import numpy as np

from transfer_jax.surgery.tree_file_error import TreeFileError, brief, few

# One of these lies in every folder that holds a tree.
MARKS = ("_METADATA", "manifest.ocdbt", "checkpoint")
UNFINISHED = ".orbax-checkpoint-tmp"
# So many names tell what a folder is that is something else.
SHOWN = 4


def read_orbax(path: Path) -> Any:
    """The tree of a folder.

    Args:
      path: the folder of a tree; or one above it, such as a step of a CheckpointManager, if it
        leads to one tree only.

    Returns:
      The tree as it was saved, with arrays of NumPy.

    Raises:
      TreeFileError: there is no tree, or there are several; they are named.

    Example:
      >>> import tempfile
      >>> read_orbax(Path(tempfile.mkdtemp()))
      Traceback (most recent call last):
      ...
      transfer_jax.surgery.tree_file_error.TreeFileError: ... holds nothing: no tree \
that orbax wrote; or give a file
    """
    try:
        found = trees_below(path, depth=2)
    except OSError as error:
        raise TreeFileError(f"{path} cannot be read: {brief(error)}") from None
    if not found:
        names = sorted(child.name for child in path.iterdir())
        held = few(names, SHOWN) or "nothing"
        raise TreeFileError(f"{path} holds {held}: no tree that orbax wrote; or give a file")
    if len(found) > 1:
        names = ", ".join(map(str, found[-8:]))
        raise TreeFileError(f"{path} holds {len(found)} trees; give one of them: {names}")
    try:
        return _restore(found[0])
    except Exception as error:  # orbax raises errors of many libraries
        raise TreeFileError(f"{path} holds no tree that orbax wrote: {brief(error)}") from None


def trees_below(path: Path, depth: int) -> list[Path]:
    """Folders of trees: this one, or else those below it.

    Args:
      path: a folder.
      depth: how far down to look.

    Returns:
      The folders, in the order of their names; numbers in the order of their size.

    Example:
      >>> import tempfile
      >>> trees_below(Path(tempfile.mkdtemp()), depth=2)
      []
    """
    if any((path / mark).is_file() for mark in MARKS):
        return [path]
    if depth == 0:
        return []
    folders = [child for child in path.iterdir() if child.is_dir() and UNFINISHED not in child.name]
    folders.sort(key=lambda child: (len(child.name), child.name))
    return [tree for child in folders for tree in trees_below(child, depth - 1)]


def _restore(path: Path) -> Any:
    import jax
    import orbax.checkpoint as ocp

    def as_numpy(held: Any) -> ocp.RestoreArgs:
        text = type(held).__name__ == "StringMetadata"
        return ocp.RestoreArgs(restore_type=str if text else np.ndarray)

    # Of several processes one may read alone; orbax would wait for the others.
    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
    )
    handler = ocp.PyTreeCheckpointHandler(multiprocessing_options=alone)
    with ocp.Checkpointer(handler, multiprocessing_options=alone) as checkpointer:
        metadata: Any = checkpointer.metadata(path.absolute())
        metadata = getattr(metadata, "item_metadata", metadata)
        arguments = jax.tree.map(as_numpy, getattr(metadata, "tree", metadata))
        return checkpointer.restore(
            path.absolute(), args=ocp.args.PyTreeRestore(restore_args=arguments)
        )
