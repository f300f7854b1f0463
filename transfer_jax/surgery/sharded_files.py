"""Trees in several files: a folder of shards, and the index that says which array lies where."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transfer_jax.surgery.tree_file_error import TreeFileError, brief

INDEX = ".index.json"
SHARD = re.compile(r"(.*)-(\d+)-of-(\d+)(\.\w+)")
Reader = Callable[[Path], Any]


def read_folder(path: Path, readers: Mapping[str, Reader]) -> Any:
    """The arrays of a folder of files.

    Args:
      path: a folder that holds an index, one file, or all shards of one tree; files of the
        first kind in `readers` that is there are taken, and others left.
      readers: from the end of a file's name to what reads it.

    Returns:
      The one file's tree, or name to array where there are several; None if the folder holds no
      such file.

    Raises:
      TreeFileError: the folder holds several trees, a shard is missing, or a file is damaged.

    Example:
      >>> import tempfile
      >>> read_folder(Path(tempfile.mkdtemp()), {}) is None
      True
    """
    for suffix, reader in readers.items():
        indices = sorted(path.glob(f"*{suffix}{INDEX}"))
        files = sorted(path.glob(f"*{suffix}"))
        if len(indices) == 1:
            return read_index(indices[0], readers)
        if indices or (not _all_there(path, files) and len(files) > 1):
            names = ", ".join(file.name for file in indices or files)
            raise TreeFileError(f"{path} holds several trees; give one of them: {names}")
        if len(files) == 1:
            return reader(files[0])
        if files:
            return _joined(path, {file: reader(file) for file in files})
    return None


def read_index(path: Path, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The arrays that an index names.

    Args:
      path: the index, a file of JSON whose `weight_map` maps an array's name to a file's.
      readers: from the end of a file's name to what reads it.

    Returns:
      Name to array.

    Raises:
      TreeFileError: the index is damaged, a shard is missing, or index and files differ in the
        arrays they name.

    Example:
      >>> read_index(Path("model.safetensors.index.json"), {})
      Traceback (most recent call last):
      ...
      transfer_jax.surgery.tree_file_error.TreeFileError: model.safetensors.index.json ...
    """
    places = _places(path)
    names = sorted(set(places.values()))
    if odd := [n for n in names if n != Path(n).name or Path(n).suffix not in readers]:
        raise TreeFileError(f"{path} names {brief(odd[0])}; allowed: {' '.join(readers)} beside it")
    if lost := [name for name in names if not path.with_name(name).is_file()]:
        raise TreeFileError(
            f"{path} names {len(names)} files, of which {len(lost)} are missing: {brief(lost[0])}"
        )
    files = {
        path.with_name(name): readers[Path(name).suffix](path.with_name(name)) for name in names
    }
    found = _joined(path, files)
    if lost := sorted(set(places) ^ set(found)):
        where = places.get(lost[0], "no file")
        raise TreeFileError(f"{path}: {lost[0]} lies in {where} for the index, not for the files")
    _all_there(path, list(files))
    return found


def _places(path: Path) -> dict[str, str]:
    """Name of an array to that of its file, as an index says."""
    try:
        held = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise TreeFileError(f"{path} is no index of files: {brief(error)}") from None
    places = held.get("weight_map") if isinstance(held, dict) else None
    if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
        raise TreeFileError(
            f"{path} is no index of files; allowed: a weight_map of names of arrays to files"
        )
    return places


def _all_there(path: Path, files: list[Path]) -> bool:
    """Whether names say that these are the shards of one tree; if so, none may be missing."""
    found = [match.groups() for file in files if (match := SHARD.fullmatch(file.name))]
    if len(found) < len(files) or len({(stem, total, end) for stem, _, total, end in found}) != 1:
        return False
    numbers = {int(number) for _, number, _, _ in found}
    total = int(found[0][2])
    if lost := next((n for n in range(1, total + 1) if n not in numbers), None):
        names = ", ".join(file.name for file in files[:4])
        raise TreeFileError(f"{path}: shard {lost} of {total} is missing; there is {names}")
    return len(files) == total


def _joined(path: Path, files: Mapping[Path, Any]) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for file, held in files.items():
        if not isinstance(held, dict):
            raise TreeFileError(f"{file} holds no names of arrays")
        if twice := sorted(map(str, set(held) & set(arrays))):
            raise TreeFileError(
                f"{path}: {twice[0]} is there twice, the second time in {file.name}"
            )
        arrays.update(held)
    return arrays
