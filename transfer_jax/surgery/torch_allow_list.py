"""What a pickle of PyTorch may ask for, and what is done then: tensors and plain containers."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from transfer_jax.surgery.plain_pickles import Name, PickleError, Rules, dict_of
from transfer_jax.surgery.torch_tensors import DTYPES, STORAGES, VIEWS, Storage, Tensor, storage_of


def checkpoint_rules() -> Rules:
    """What a pickle of PyTorch may ask for: tensors, parameters, sizes and plain containers.

    Returns:
      The rules.

    Example:
      >>> checkpoint_rules().names("os.system")
      False
    """
    return Rules(_is_known, FUNCTIONS, storage_of, (dict, Tensor))


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


def _tensor_v2(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any = None, _hooks: Any = None,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    return _viewed(_tensor(storage, offset, shape, strides), metadata)


def _tensor_v3(
    storage: Any, offset: Any, shape: Any, strides: Any, _grad: Any, _hooks: Any, dtype: Name,
    metadata: Any = None,
) -> Tensor:  # fmt: skip
    name = dtype.text.removeprefix("torch.")
    if name not in DTYPES:
        raise PickleError(f"a tensor is of {name:.80}")
    return _viewed(_tensor(storage, offset, shape, strides, name), metadata)


def _viewed(tensor: Tensor, metadata: Any) -> Tensor:
    """The tensor as the view that its metadata says it is."""
    if type(metadata) not in (dict, type(None)) or not set(metadata or {}) <= set(VIEWS):
        raise PickleError("a tensor has metadata that is not known")
    return replace(tensor, views=tuple(name for name, said in (metadata or {}).items() if said))


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


def _counter(counts: Any = None) -> dict[Any, Any]:
    if type(counts) not in (dict, type(None)):
        raise PickleError("a counter makes no sense")
    return dict(counts or {})


def _complex(real: Any, imag: Any) -> complex:
    if not type(real) is type(imag) is float:
        raise PickleError("a complex number makes no sense")
    return complex(real, imag)


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
    "collections.Counter": _counter,
    "builtins.complex": _complex,
    "__builtin__.complex": _complex,
    "_codecs.encode": _encoded,
}
