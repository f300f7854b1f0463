"""Tensors as PyTorch's pickles describe them: a storage, and where in it the tensor lies."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from transfer_jax.surgery.plain_pickles import Name, PickleError, Rules, dict_of

# How deep a tree may be, and how much larger than its pickle: branches that are shared are
# written once and unfold to many.
DEPTH = 64
UNFOLDING = 16

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


class Storage(NamedTuple):
    """Numbers in a row: the name of their record, where they begin in it, how many, and what."""

    key: str
    begin: int
    size: int
    dtype: str


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies in a storage; offset and strides count elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def checkpoint_rules() -> Rules:
    """What a pickle of PyTorch may ask for: tensors, parameters, sizes and plain containers.

    Returns:
      The rules.

    Example:
      >>> checkpoint_rules().names("os.system")
      False
    """
    return Rules(_is_known, FUNCTIONS, storage_of, (dict, Tensor))


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
      tensor: the tensor.
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
    return np.array(view.byteswap() if swap and dtype.itemsize > 1 else view, order="C")


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
            raise PickleError(f"it holds {node[0]:.80} bare, which is no data")
        return node.text if isinstance(node, Name) else node

    return walk(tree, 0)


def _is_known(text: str) -> bool:
    module, _, last = text.rpartition(".")
    storage = module in ("torch", "torch.storage", "torch.cuda") and last in STORAGES
    return storage or (module == "torch" and last in DTYPES) or text in (*FUNCTIONS, *CLASSES)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, dtype: str = "") -> Tensor:
    sound = type(shape) in (tuple, list) and type(strides) in (tuple, list)
    if not sound or len(shape) != len(strides) or len(shape) > 32:
        raise PickleError("a tensor's shape and strides make no sense")
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or not all(type(n) is int and n >= 0 for n in numbers):
        raise PickleError("a tensor's storage, shape or strides make no sense")
    return Tensor(storage, dtype or storage.dtype, offset, tuple(shape), tuple(strides))


def _tensor_v2(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    return _tensor(storage, offset, shape, strides)


def _tensor_v3(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, dtype: Name,
    *_: Any,
) -> Tensor:  # fmt: skip
    name = dtype.text.removeprefix("torch.")
    if name not in DTYPES:
        raise PickleError(f"a tensor is of {name:.80}")
    return _tensor(storage, offset, shape, strides, name)


def _parameter(tensor: Any, *_: Any) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise PickleError("a parameter holds no tensor")
    return tensor


def _tensor_with_attributes(function: Name, _class: Any, arguments: Any, *_: Any) -> Tensor:
    return _parameter(FUNCTIONS[function.text](*arguments))


def _device(*parts: Any) -> str:
    if not all(type(part) in (str, int) for part in parts):
        raise PickleError("a device makes no sense")
    return ":".join(map(str, parts))


def _encoded(text: str = "", encoding: str = "latin1") -> bytes:
    if type(text) is not str or encoding != "latin1":
        raise PickleError("it holds bytes in an encoding that is not allowed")
    return text.encode("latin1")


CLASSES = {"torch.Tensor", "torch.nn.parameter.Parameter"}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor_v2,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _tensor_with_attributes,
    "torch.Size": tuple,
    "torch.device": _device,
    "collections.OrderedDict": dict_of,
    "_codecs.encode": _encoded,
}
