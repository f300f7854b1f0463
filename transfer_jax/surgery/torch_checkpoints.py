"""Checkpoints of PyTorch: a zip of a pickle and records, or pickles and raw records in a row."""

import io
import math
import mmap
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from transfer_jax.surgery.file_contents import damaged
from transfer_jax.surgery.plain_pickles import Name, PickleError, read_pickle
from transfer_jax.surgery.torch_allow_list import FUNCTIONS, checkpoint_rules
from transfer_jax.surgery.torch_tensors import STORAGES, Storage, Tensor, array_of
from transfer_jax.surgery.tree_file_error import TreeFileError, brief

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
# How many bytes the arrays may have together for each byte of the file: storages may be shared
# by several tensors, and one number may be spread over many.
SPREADING = 8
ALWAYS = 1 << 24
# How deep a tree may be, and how much larger than its pickle: branches that are shared are
# written once and unfold to many.
DEPTH = 64
UNFOLDING = 16
# Attributes of every module, as a pickle names them.
MODULE = tuple(b"X" + struct.pack("<I", len(n)) + n for n in (b"_parameters", b"_modules"))
KNOWN = range(2, 6)


def read_torch(path: Path) -> Any:
    """The tree of a checkpoint.

    No code of the file is run, whatever it asks for: only tensors and plain containers are
    known, as with PyTorch's own `weights_only=True`. PyTorch is not needed.

    Args:
      path: the file.

    Returns:
      Dicts, lists, numbers and text as they were saved, with arrays in place of tensors.

    Raises:
      TreeFileError: the file is damaged, or holds or asks for something else.

    Example:
      >>> read_torch(Path("no_such_file.pth"))
      Traceback (most recent call last):
      ...
      transfer_jax.surgery.tree_file_error.TreeFileError: no_such_file.pth is damaged or no \
checkpoint of PyTorch: [Errno 2] No such file or directory: 'no_such_file.pth'
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
            if held[257:262] == b"ustar":
                raise PickleError("it is a tar file of PyTorch before 0.2; save it again")
            return _read_zip(path) if held[:4] == b"PK\3\4" else _read_row(held)
    except Exception as error:  # damage is told by zipfile and NumPy in many ways
        if _is_whole_model(path):
            raise TreeFileError(
                f"{path} holds a whole model, whose code would have to be run; save "
                f"model.state_dict() instead: {brief(error)}"
            ) from None
        raise damaged(path, "checkpoint of PyTorch", error) from None


def _is_whole_model(path: Path) -> bool:
    """Whether attributes that every module has are spoken of, as `torch.save(model)` writes them.

    They stand before the arrays, or in a part of a zip that is not compressed.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
            return all(held.find(name) >= 0 for name in MODULE)
    except (OSError, ValueError):  # an empty file cannot be mapped
        return False


def _read_zip(path: Path) -> Any:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        pickles = [name for name in members if name.endswith("/data.pkl")]
        if len(pickles) != 1 or len(members) < len(archive.infolist()):
            raise PickleError(f"it holds {len(pickles)} pickles, one is needed")
        root = pickles[0].removesuffix("data.pkl")
        if root + "constants.pkl" in members:
            raise PickleError("it is a program of TorchScript; save its state_dict instead")
        left = size

        def read(name: str) -> bytes:
            nonlocal left
            if root + name not in members:
                raise PickleError(f"{name:.80} is missing")
            member = members[root + name]
            left -= member.file_size
            if member.compress_type != zipfile.ZIP_STORED or left < 0:
                raise PickleError(f"{name:.80} promises more than the file holds")
            return archive.read(member)

        order = read("byteorder") if root + "byteorder" in members else b"little"
        tree, operations = read_pickle(io.BytesIO(read("data.pkl")), checkpoint_rules())

        def record(key: str) -> np.ndarray:
            return np.frombuffer(read(f"data/{key}"), np.uint8)

        return _with_arrays(tree, operations, record, order.strip() == b"big", size)


def _read_row(file: mmap.mmap) -> Any:
    """The format before PyTorch 1.6: five pickles, then a count and the bytes of each storage."""
    if file[:1] != b"\x80":
        raise PickleError("it begins like neither a zip file nor a pickle")
    if file[1] not in KNOWN:
        raise PickleError(f"its pickle has protocol {file[1]}; allowed: {KNOWN[0]} to {KNOWN[-1]}")
    rules = checkpoint_rules()
    if read_pickle(file)[0] != MAGIC or read_pickle(file)[0] != PROTOCOL:
        raise PickleError("it begins like no checkpoint that is known")
    read_pickle(file)  # sizes of C types on the machine that wrote it
    sizes: dict[str, int] = {}

    def persistent(identity: Any) -> Any:
        storage = rules.persistent(identity)
        kind = identity[1].text.rpartition(".")[2]
        sizes[storage.key] = jnp.dtype(STORAGES[kind]).itemsize
        return storage

    tree, operations = read_pickle(file, rules._replace(persistent=persistent))
    keys, _ = read_pickle(file)
    places: dict[str, tuple[int, int]] = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        begin, nbytes = file.tell(), count * sizes[key]
        if begin + nbytes > len(file) or key in places:
            raise PickleError("a storage promises more than the file holds")
        places[key] = begin, nbytes
        file.seek(begin + nbytes)

    def record(key: str) -> np.ndarray:
        begin, nbytes = places[key]
        return np.frombuffer(file[begin : begin + nbytes], np.uint8)

    return _with_arrays(tree, operations, record, False, len(file))


def _with_arrays(
    tree: Any, operations: int, record: Callable[[str], np.ndarray], swap: bool, size: int
) -> Any:
    left = SPREADING * size + ALWAYS
    records: dict[str, np.ndarray] = {}

    def array(tensor: Tensor) -> np.ndarray:
        nonlocal left
        left -= math.prod(tensor.shape) * jnp.dtype(tensor.dtype).itemsize
        if left < 0:
            raise PickleError("its tensors are much larger than the file")
        key = tensor.storage.key
        if key not in records:
            records[key] = record(key)
        return array_of(tensor, records[key], swap)

    return unfold(tree, operations, array)


def unfold(tree: Any, operations: int, array_of: Callable[[Tensor], Any]) -> Any:
    """A tree with arrays in place of its tensors.

    Args:
      tree: what a pickle holds.
      operations: how many opcodes it was made by.
      array_of: from a tensor to its array.

    Returns:
      A tree of new containers; kinds of numbers are given by their names.

    Raises:
      PickleError: the tree holds itself, or unfolds to much more than was written.

    Example:
      >>> unfold({"a": (1, [Name("torch.float32")])}, 9, array_of=None)
      {'a': (1, ['torch.float32'])}
    """
    left = UNFOLDING * operations

    def walk(node: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > DEPTH or left < 0:
            raise PickleError("it is nested too deeply, or unfolds without end")
        if isinstance(node, Tensor):
            return array_of(node)
        if isinstance(node, dict):
            return {key: walk(value, depth + 1) for key, value in node.items()}
        if isinstance(node, list):
            return [walk(child, depth + 1) for child in node]
        if type(node) is tuple:
            return tuple(walk(child, depth + 1) for child in node)
        if (isinstance(node, Name) and node.text in FUNCTIONS) or isinstance(node, Storage):
            what = node.text if isinstance(node, Name) else "a storage"
            raise PickleError(f"it holds {what:.80} bare, which is no data")
        return node.text if isinstance(node, Name) else node

    return walk(tree, 0)
