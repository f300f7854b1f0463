"""Trees in files. Strangers' files run no code."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import PyTree

from transfer_jax.surgery.file_contents import kind_of, seems
from transfer_jax.surgery.npz_files import read_npz
from transfer_jax.surgery.orbax_folders import read_orbax
from transfer_jax.surgery.paths import flatten_paths, split_path
from transfer_jax.surgery.safetensors_files import read_safetensors, write_safetensors
from transfer_jax.surgery.sharded_files import INDEX, read_folder, read_index
from transfer_jax.surgery.torch_checkpoints import read_torch
from transfer_jax.surgery.torch_layouts import Layouts, from_torch, to_torch
from transfer_jax.surgery.torch_rules import LAYOUTS
from transfer_jax.surgery.tree_file_error import TreeFileError

# Those whose arrays have names of whole paths, and PyTorch's, which hold trees.
FLAT = {".safetensors": read_safetensors, ".npz": read_npz}
READERS = {**FLAT, **dict.fromkeys((".pth", ".pt", ".bin", ".ckpt"), read_torch)}
NO_LAYOUTS: Layouts = {}


def load_tree(
    path: str | os.PathLike[str], *, torch: bool = False, layouts: Layouts = NO_LAYOUTS
) -> Any:
    """Read a tree of arrays from a file or folder.

    Nothing in the file is executed: there is no unpickling, and sizes are checked before
    anything is allocated.

    Args:
      path: a `.safetensors` or `.npz` file; a checkpoint of PyTorch, `.pth`, `.pt`, `.bin` or
        `.ckpt`; one of these under another name; a folder of shards or its `.index.json`; a
        folder that orbax wrote, or one of a CheckpointManager that leads to one tree.
      torch: whether names and layouts are PyTorch's: names are split at dots, and leaves are
        renamed and transposed to Flax's, as `save_tree` undoes with `torch=True`. A `weight`
        whose layout is not certain is left as it is, and a warning says so.
      layouts: for such weights, with `torch=True`: from names of PyTorch's layers, or patterns
        over them, to "linear", "in_out" (a linear layer kept as Flax keeps it), "embedding",
        "norm", "conv", "conv_transpose" or "as_is"; or, for a linear layer that reads a
        flattened feature map, to that map's (channels, rows, columns).

    Returns:
      Nested dicts of NumPy arrays (keys of `jax.random` where such were saved); a checkpoint
      of PyTorch or orbax keeps its lists, numbers and text.

    Warns:
      UserWarning: weights were left as they are.

    Raises:
      TreeFileError: there is no such file, it is damaged, of another kind, or holds several
        trees; or `layouts` does not fit.

    Example:
      >>> import tempfile, numpy as np
      >>> file = Path(tempfile.mkdtemp()) / "net.safetensors"
      >>> save_tree(file, {"conv1": {"kernel": np.ones(2, np.float32)}})
      >>> load_tree(file)["conv1"]["kernel"].tolist()
      [1.0, 1.0]
    """
    path = Path(path)
    tree, flat = _read(path)
    if not torch:
        if layouts:
            raise TreeFileError("layouts are PyTorch's: they go with torch=True")
        return _nested(path, tree) if flat else tree
    try:
        tree, doubts = from_torch(tree, layouts)
    except TreeFileError as error:
        raise TreeFileError(f"{path}: {error}") from None
    if doubts:
        warnings.warn(_doubts(path, doubts), UserWarning, stacklevel=2)
    return tree


def save_tree(
    path: str | os.PathLike[str],
    tree: PyTree,
    *,
    torch: bool = False,
    layouts: Layouts = NO_LAYOUTS,
) -> None:
    """Write a tree of arrays as safetensors, all of it or nothing.

    Args:
      path: the file; its name ends in `.safetensors`.
      tree: any pytree of arrays and random keys; a leaf's name is its path.
      torch: whether to write PyTorch's names and layouts: the inverse of `load_tree` with
        `torch=True`.
      layouts: what `load_tree` was given.

    Raises:
      TreeFileError: the name ends in something else, two leaves have one name, a leaf cannot
        be stored, or the file cannot be written.

    Example:
      >>> save_tree("net.npz", {})
      Traceback (most recent call last):
      ...
      transfer_jax.surgery.tree_file_error.TreeFileError: net.npz: the name must end in .safetensors
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise TreeFileError(f"{path}: the name must end in .safetensors")
    if layouts and not torch:
        raise TreeFileError("layouts are PyTorch's: they go with torch=True")
    try:
        leaves = to_torch(tree, layouts) if torch else _named_leaves(tree)
    except ValueError as error:
        raise TreeFileError(f"{path} cannot hold this tree: {error}") from None
    write_safetensors(path, leaves, {"format": "pt"} if torch else {})


def _named_leaves(tree: PyTree) -> dict[str, Any]:
    paths, leaves, _ = flatten_paths(tree)
    return dict(zip(paths, leaves, strict=True))


def _read(path: Path) -> tuple[Any, bool]:
    """What lies there, and whether its names are whole paths."""
    kinds: set[str] = set()

    def read(file: Path) -> Any:
        kind = _kind(file)
        kinds.add(kind)
        return READERS[kind](file)

    if path.is_dir():
        tree = read_folder(path, dict.fromkeys(READERS, read))
        return (read_orbax(path), False) if tree is None else (tree, kinds <= set(FLAT))
    if not path.exists():
        raise TreeFileError(f"{path} does not exist")
    is_index = path.name.endswith(INDEX)
    tree = read_index(path, dict.fromkeys(READERS, read)) if is_index else read(path)
    return tree, kinds <= set(FLAT)


def _kind(path: Path) -> str:
    """What a file is decides; where that is not clear, what it is called."""
    kind = kind_of(path) or path.suffix
    if kind not in READERS:
        allowed = ", ".join(READERS)
        raise TreeFileError(
            f"{path} is no file of arrays; allowed: {allowed}, an index of shards, or a folder of "
            f"either or of orbax{seems(path)}"
        )
    return kind


def _doubts(path: Path, doubts: Mapping[str, str]) -> str:
    shown = ", ".join(f"{name} ({reason})" for name, reason in list(doubts.items())[:8])
    more = f" and {len(doubts) - 8} more" if len(doubts) > 8 else ""
    first = next(iter(doubts)).removesuffix(".weight")
    return (
        f"{path}: left in PyTorch's layout, because name and shape leave it open: {shown}{more}; "
        f"say what it is, as in layouts={{'{first}': {LAYOUTS[0]!r}}}; allowed: "
        f"{', '.join(LAYOUTS)}, or the (channels, rows, columns) of a flattened map"
    )


def _nested(path: Path, arrays: Mapping[str, Any]) -> Any:
    if set(arrays) == {""}:
        return arrays[""]  # a tree that is one leaf
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *keys, last = split_path(name) or ("",)
        node = tree
        for key in keys:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise TreeFileError(f"{path}: {name} lies below a leaf")
        if last in node:
            raise TreeFileError(f"{path}: {name} is there twice")
        node[last] = array
    return tree
