"""Tensors as PyTorch's pickles describe them: a storage, and where in it the tensor lies."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from transfer_jax.surgery.plain_pickles import Name, PickleError

STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128", "ComplexFloatStorage": "complex64",
    "UntypedStorage": "uint8",
}  # fmt: skip
DTYPES = {
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
    "uint16", "uint32", "uint64", "bool", "complex128", "complex64", "float8_e4m3fn",
    "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
}  # fmt: skip


VIEWS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "conj": np.conjugate,
    "neg": np.negative,
}


class Storage(NamedTuple):
    """Numbers in a row: the name of their record, where they begin in it, how many, and what."""

    key: str
    begin: int
    size: int
    dtype: str


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies in a storage; offset and strides count elements.

    It may be a view: "conj" of the complex conjugates of what lies there, "neg" of the negatives.
    """

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    views: tuple[str, ...] = ()


def storage_of(persistent_id: Any) -> Storage:
    """The storage that a persistent id speaks of.

    Args:
      persistent_id: ("storage", class, key, device, size), and in the older format a sixth:
        None, or (key, begin, size) of a part of the storage.

    Returns:
      The storage.

    Raises:
      PickleError: the id makes no sense.

    Example:
      >>> storage_of(("storage", Name("torch.FloatStorage"), "0", "cpu", 4))
      Storage(key='0', begin=0, size=4, dtype='float32')
    """
    if type(persistent_id) is not tuple or len(persistent_id) not in (5, 6):
        raise PickleError("a storage makes no sense")
    fields: list[Any] = [*persistent_id, None]
    word, kind, key, _, size, part = fields[:6]
    kind = kind.text.rpartition(".")[2] if isinstance(kind, Name) else ""
    _, begin, size = (None, 0, size) if part is None else part
    sound = type(key) is str and type(begin) is type(size) is int and begin >= 0 <= size
    if word != "storage" or kind not in STORAGES or not sound:
        raise PickleError("a storage makes no sense")
    return Storage(key, begin, size, STORAGES[kind])


def array_of(tensor: Tensor, record: np.ndarray, swap: bool) -> np.ndarray:
    """A tensor's array, of its own memory.

    Args:
      record: the bytes of its storage's record.
      swap: whether they are those of a big-endian machine.

    Returns:
      The array.

    Raises:
      PickleError: the tensor reaches beyond its storage.

    Example:
      >>> storage = Storage("0", 0, 4, "uint8")
      >>> array_of(Tensor(storage, "uint8", 0, (2, 2), (1, 2)), np.arange(4, dtype=np.uint8), False)
      array([[0, 2],
             [1, 3]], dtype=uint8)
    """
    storage, dtype = tensor.storage, jnp.dtype(tensor.dtype)
    width = jnp.dtype(storage.dtype).itemsize
    held = record[storage.begin * width : (storage.begin + storage.size) * width]
    steps = ((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides, strict=True))
    last = tensor.offset + sum(steps) if math.prod(tensor.shape) else -1
    if len(held) < storage.size * width or (last + 1) * dtype.itemsize > len(held):
        raise PickleError("a tensor reaches beyond its storage")
    if last < 0:
        return np.zeros(tensor.shape, dtype)
    places = zip(tensor.shape, tensor.strides, strict=True)
    strides = [stride * dtype.itemsize if n > 1 else 0 for n, stride in places]
    view = np.ndarray(tensor.shape, dtype, held, tensor.offset * dtype.itemsize, strides)
    if tensor.dtype == "bool":
        return np.asarray(view.view(np.uint8) != 0)
    array = np.array(view.byteswap() if swap and dtype.itemsize > 1 else view, order="C")
    for name in tensor.views:
        array = VIEWS[name](array)
    return array
