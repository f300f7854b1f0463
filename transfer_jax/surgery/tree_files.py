"""Trees in files: safetensors, npz without pickle, orbax folders. Strangers' files run no code."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import PyTree

from transfer_jax.surgery.paths import leaf_paths


class TreeFileError(ValueError):
    """A file that holds no tree, or is damaged."""


# PyTorch's last name and number of dimensions to Flax's last name and order of axes.
TORCH_LAYOUT: Mapping[tuple[str, int], tuple[str, tuple[int, ...]]] = {
    ("weight", 4): ("kernel", (2, 3, 1, 0)),  # convolution: OIHW to HWIO
    ("weight", 3): ("kernel", (2, 1, 0)),  # convolution in one dimension: OIW to WIO
    ("weight", 2): ("kernel", (1, 0)),  # linear: (out, in) to (in, out)
    ("weight", 1): ("scale", (0,)),  # normalisation
    ("running_mean", 1): ("mean", (0,)),
    ("running_var", 1): ("var", (0,)),
}


def load_tree(path: str | os.PathLike[str], *, torch: bool = False) -> dict[str, Any]:
    """Read a tree of arrays from a file or folder.

    Nothing in the file is executed: there is no pickle, and sizes are checked before anything
    is allocated.

    Args:
      path: a `.safetensors` or `.npz` file, or a folder that orbax wrote.
      torch: whether names and layouts are PyTorch's: keys are split at dots, and leaves are
        renamed and transposed by `TORCH_LAYOUT`.

    Returns:
      Nested dicts of NumPy arrays.

    Raises:
      TreeFileError: there is no such file, it is damaged, or of another kind.

    Example:
      >>> import tempfile
      >>> file = Path(tempfile.mkdtemp()) / "net.safetensors"
      >>> save_tree(file, {"conv1": {"kernel": np.ones(2, np.float32)}})
      >>> load_tree(file)["conv1"]["kernel"].tolist()
      [1.0, 1.0]
    """
    path = Path(path)
    if path.is_dir():
        return _load_orbax(path)
    readers = {".safetensors": _read_safetensors, ".npz": _read_npz}
    if path.suffix not in readers:
        raise TreeFileError(f"{path} is no tree; allowed: .safetensors, .npz, an orbax folder")
    if not path.is_file():
        raise TreeFileError(f"{path} does not exist")
    return _nested(path, readers[path.suffix](path), "." if torch else "/", torch)


def save_tree(path: str | os.PathLike[str], tree: PyTree) -> None:
    """Write a tree of arrays as safetensors, all of it or nothing.

    Args:
      path: the file; its name ends in `.safetensors`.
      tree: any pytree of arrays; a leaf's name is its path, keys joined by "/".

    Raises:
      TreeFileError: the name ends in something else, or a leaf cannot be stored.

    Example:
      >>> save_tree("net.npz", {})
      Traceback (most recent call last):
      ...
      transfer_jax.surgery.tree_files.TreeFileError: net.npz: the name must end in .safetensors
    """
    import jax
    import safetensors
    import safetensors.numpy

    path = Path(path)
    if path.suffix != ".safetensors":
        raise TreeFileError(f"{path}: the name must end in .safetensors")
    names, leaves = leaf_paths(tree), jax.device_get(jax.tree.leaves(tree))
    arrays = {n: np.asarray(a, order="C") for n, a in zip(names, leaves, strict=True)}
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(safetensors.numpy.save(arrays))
    except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise TreeFileError(f"{path} cannot hold this tree: {error}") from None
    partial.replace(path)


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    import safetensors
    import safetensors.numpy

    try:
        return safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, KeyError, ValueError, OSError, OverflowError) as error:
        raise TreeFileError(f"{path} is damaged or no safetensors file: {error}") from None


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                _check_member(path, archive, member)
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except TreeFileError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError, RuntimeError,
            NotImplementedError) as error:  # fmt: skip
        raise TreeFileError(f"{path} is damaged or no npz file: {error}") from None


def _check_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Compare the array that a header promises with the bytes that are there."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise TreeFileError(f"{path}: {member.filename} has format {version}")
        shape, _, dtype = read(file)
        held = member.file_size - file.tell()
    if dtype.hasobject:
        raise TreeFileError(f"{path}: {member.filename} holds pickled objects, which are not read")
    promised = int(np.prod(shape, dtype=object)) * dtype.itemsize
    # Deflate packs at most 1032 to 1, so a larger claim is a lie.
    if promised != held or member.file_size > 1100 * (member.compress_size + 64):
        raise TreeFileError(f"{path}: {member.filename} promises {promised} bytes and holds {held}")


def _load_orbax(path: Path) -> dict[str, Any]:
    import orbax.checkpoint as ocp

    try:
        with ocp.StandardCheckpointer() as checkpointer:
            return checkpointer.restore(path.absolute())
    except Exception as error:  # orbax raises errors of many libraries
        reason = " ".join(str(error).split())[:200]
        raise TreeFileError(f"{path} holds no tree that orbax wrote: {reason}") from None


def _nested(
    path: Path, arrays: Mapping[str, np.ndarray], separator: str, torch: bool
) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, array in arrays.items():
        *keys, last = name.split(separator)
        if torch:
            last, axes = TORCH_LAYOUT.get((last, array.ndim), (last, tuple(range(array.ndim))))
            array = np.asarray(array.transpose(axes), order="C")
        node = tree
        for key in keys:
            node = node.setdefault(key, {})
            if not isinstance(node, dict):
                raise TreeFileError(f"{path}: {name} lies below a leaf")
        if last in node:
            raise TreeFileError(f"{path}: {name} is there twice")
        node[last] = array
    return tree
