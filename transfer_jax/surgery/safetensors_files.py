"""Safetensors: a header of JSON that says where each array lies, and the arrays in a row."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from transfer_jax.surgery.file_contents import damaged
from transfer_jax.surgery.stored_leaves import DTYPES, NAMES, from_stored, to_stored
from transfer_jax.surgery.tree_file_error import TreeFileError, brief

# Before a leaf's name in the metadata: what it is, where its dtype does not say so.
WORD = "kind of "


def read_safetensors(path: Path) -> dict[str, Any]:
    """All arrays of a file.

    Args:
      path: the file.

    Returns:
      Name to array.

    Raises:
      TreeFileError: the file is damaged, or holds a kind of number that NumPy has not.

    Example:
      >>> import tempfile
      >>> file = Path(tempfile.mkdtemp()) / "net.safetensors"
      >>> write_safetensors(file, {"a": np.ones(2)}, {})
      >>> read_safetensors(file)["a"].tolist()
      [1.0, 1.0]
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            start = 8 + int.from_bytes(file.read(8), "little")
            if size < 8 or start > size:
                raise ValueError(f"it ends before its header does, at {size} bytes")
            header = json.loads(file.read(start - 8), object_pairs_hook=_distinct)
            metadata = header.pop("__metadata__", {})
            _check_places(header, size - start)
            arrays = {}
            for name, entry in header.items():
                array = _read_array(file, name, entry, start)
                arrays[name] = _restored(name, array, metadata.get(WORD + name))
            return arrays
    except (ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError) as error:
        reason = error if isinstance(error, ValueError | OSError) else "its header lies"
        raise damaged(path, "safetensors file", reason) from None


def write_safetensors(path: Path, leaves: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write leaves, all of them or nothing.

    Args:
      path: the file.
      leaves: name to leaf.
      metadata: words for other readers, such as the format that PyTorch's look for.

    Raises:
      TreeFileError: a leaf cannot be stored, or the file cannot be written.

    Example:
      >>> write_safetensors(Path("net.safetensors"), {"a": "text"}, {})
      Traceback (most recent call last):
      ...
      transfer_jax.surgery.tree_file_error.TreeFileError: net.safetensors cannot hold ... of numbers
    """
    words, stored = dict(metadata), {}
    for name, leaf in leaves.items():
        try:
            stored[name], word = to_stored(leaf)
        except TreeFileError as error:
            raise TreeFileError(f"{path} cannot hold this tree: {name}: {error}") from None
        if word is not None:
            words[WORD + name] = word
    order = sorted(stored, key=lambda name: (-stored[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": words} if words else {}
    end = 0
    for name in order:
        array, begin = stored[name], end
        end += array.nbytes
        places = {"shape": list(array.shape), "data_offsets": [begin, end]}
        header[name] = {"dtype": NAMES[array.dtype.name], **places}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    if not path.parent.is_dir():
        raise TreeFileError(f"{path} cannot be written: the folder {path.parent} does not exist")
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in order:
                file.write(stored[name].reshape(-1).view(np.uint8).data)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TreeFileError(f"{path} cannot be written: {brief(error)}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("its header has a name twice")
    return found


def _check_places(header: Mapping[str, Any], size: int) -> None:
    """Arrays lie in a row, without gaps, and fill the file, so that none is larger than it."""
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        shape, kind = entry["shape"], entry["dtype"]
        if kind not in DTYPES and kind != "F4":
            raise ValueError(f"{name} is of {kind}, which is not read")
        bits = 4 if kind == "F4" else 8 * np.dtype(DTYPES[kind]).itemsize
        whole = all(type(number) is int and number >= 0 for number in (*shape, begin, stop))
        if not whole or begin != end or bits * math.prod(shape) != 8 * (stop - begin):
            raise ValueError(f"{name}: {kind}{shape} does not fit bytes {begin} to {stop}")
        end = stop
    if end != size:
        raise ValueError(f"its header speaks of {end} bytes, it holds {size}")


def _read_array(file: BinaryIO, name: str, entry: Mapping[str, Any], start: int) -> np.ndarray:
    begin, end = entry["data_offsets"]
    file.seek(start + begin)
    data = np.fromfile(file, np.uint8, end - begin)
    if entry["dtype"] == "F4":
        pairs = np.stack([data & 15, data >> 4], axis=-1)
        return pairs.reshape(entry["shape"]).view("float4_e2m1fn")
    if entry["dtype"] == "BOOL":
        data = (data != 0).view(np.uint8)
    dtype = np.dtype(DTYPES[entry["dtype"]]).newbyteorder("<")
    return data.view(dtype).reshape(entry["shape"])


def _restored(name: str, array: np.ndarray, word: str | None) -> Any:
    try:
        return from_stored(array, word)
    except TreeFileError as error:
        raise ValueError(f"{name}: {error}") from None
