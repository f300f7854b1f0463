"""What a config names: built in, or a function of one's own as `package.module:function`."""

import difflib
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

OWN = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*"


class RegistryError(ValueError):
    """A name that stands for nothing."""


def is_own(name: str) -> bool:
    """Whether a name is that of a function of one's own.

    Returns:
      True for `package.module:function`.

    Example:
      >>> is_own("networks.mine:tall"), is_own("convnet")
      (True, False)
    """
    return re.fullmatch(OWN, name, re.ASCII) is not None


def named(field: str, name: str, built_in: Mapping[str, Any]) -> Any:
    """What a field's name stands for.

    A module is looked for where Python looks, and in this folder.

    Args:
      field: the field, as an error tells it: "network.name".
      name: a name that is built in, or `package.module:function`.
      built_in: those that are.

    Returns:
      What is built in under the name, or the function.

    Raises:
      RegistryError: there is none; the nearest name is told.

    Example:
      >>> named("network.name", "math:floor", {})(1.5)
      1
      >>> named("network.name", "convnt", {"convnet": 1, "caffenet": 2})
      Traceback (most recent call last):
      ...
      transfer_jax.grid.registry.RegistryError: network.name is 'convnt'; allowed: convnet, \
caffenet, PACKAGE.MODULE:FUNCTION; nearest: convnet
    """
    if name in built_in:
        return built_in[name]
    lead = f"{field} is '{name}'"
    if not is_own(name):
        allowed = ", ".join([*built_in, "PACKAGE.MODULE:FUNCTION"])
        raise RegistryError(f"{lead}; allowed: {allowed}{nearest(name, built_in)}")
    path, function = name.split(":")
    module = _module(lead, path)
    found = getattr(module, function, None)
    if not callable(found):
        what = f"has no {function}" if found is None else f"has {function}, which is no function"
        own = [key for key, value in vars(module).items() if callable(value)]
        raise RegistryError(f"{lead}, but {path} {what}{nearest(function, own)}")
    return found


def made(field: str, name: str, built_in: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """What a field's name makes.

    Args:
      field: the field, as an error tells it.
      name: a name that is built in, or `package.module:function`.
      built_in: those that are.
      arguments: what it is called with, by name.

    Returns:
      What it returns.

    Raises:
      RegistryError: there is none, or a function of one's own raised an error.
    """
    make = named(field, name, built_in)
    if name in built_in:
        return make(**arguments)
    try:
        return make(**arguments)
    except Exception as error:  # Whatever a function of one's own raises.
        raise RegistryError(f"{field} is '{name}', which raised {_told(error)}") from error


def kind_of(value: object) -> str:
    """What a value is, in an error.

    Example:
      >>> kind_of([1]), kind_of(None)
      ('list', 'nothing')
    """
    return "nothing" if value is None else type(value).__name__


def source_file(name: str) -> Path | None:
    """The file that a function of one's own is in.

    Args:
      name: a name that `named` has found.

    Returns:
      The file of its module; None for what is built in, or has no file.
    """
    module = sys.modules.get(name.split(":")[0]) if is_own(name) else None
    file = getattr(module, "__file__", None)
    return Path(file) if file else None


def _module(lead: str, path: str) -> Any:
    try:
        with _this_folder_last():
            return importlib.import_module(path)
    except ModuleNotFoundError as error:
        missing = error.name or path
        if path == missing or path.startswith(f"{missing}."):
            reason = f"there is no module {missing} in this folder or among what is installed"
        else:
            reason = f"{path} needs {missing}, which is not installed"
        raise RegistryError(f"{lead}, but {reason}") from None
    except Exception as error:  # Whatever a module of one's own raises as it is read.
        raise RegistryError(f"{lead}, but {path} cannot be imported: {_told(error)}") from error


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


@contextmanager
def _this_folder_last() -> Iterator[None]:
    """The command's own folder is that of its environment, where nobody's modules are."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at what may have been meant.

    Args:
      name: what was found.
      known: what is allowed.

    Returns:
      The end of a sentence; empty where nothing is near.

    Example:
      >>> nearest("top", ["top1", "n"]), nearest("xyz", ["n"])
      ('; nearest: top1', '')
    """
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; nearest: {near[0]}" if near else ""
