"""The fields of what a config names: the arguments that it is made from."""

import inspect
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import MISSING, make_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from transfer_jax.grid.registry import RegistryError
from transfer_jax.plan.fields import setting

# Sizes above these are mistakes.
LARGEST = {int: 100_000, float: 1000.0}
PLAIN = (bool, int, float, str)


def fields_of(
    make: Callable[..., Any], name: str, base: type, given: Collection[str], field: str
) -> type:
    """The dataclass of a part of a config, from the arguments of what it names.

    Args:
      make: a class or function; each argument has a type among bool, int, float and str, or is a
        sequence of these, and the docstring may say a line about it under `Args:`.
      name: what the part's `name` is.
      base: what every such part has.
      given: arguments that are no fields: the engine gives them.
      field: the field that names it, as an error tells it: "network.name".

    Returns:
      The dataclass, frozen.

    Raises:
      RegistryError: it does not take what the engine gives, or an argument is of another type.

    Example:
      >>> def tall(num_outputs: int, width: int = 8) -> None:
      ...     '''A network.
      ...
      ...     Args:
      ...       width: channels of each layer.
      ...     '''
      >>> fields_of(tall, "mine:tall", object, ("num_outputs",), "network.name")().width
      8
    """
    parameters = inspect.signature(make).parameters
    for argument in given:
        if argument not in parameters:
            raise RegistryError(f"{field} is '{name}', which takes no {argument}; it must")
    hints = get_type_hints(make.__init__ if isinstance(make, type) else make)
    docs = _docs(make)
    rest = [
        _field(f"{field} is '{name}'", parameter, hints.get(argument), docs.get(argument, ""))
        for argument, parameter in parameters.items()
        if argument not in given
    ]
    own_name = ("name", str, setting(name, f"which {field.partition('.')[0]}"))
    bases = () if base is object else (base,)
    return make_dataclass(make.__name__, [own_name, *rest], bases=bases, frozen=True, kw_only=True)


def _field(lead: str, parameter: inspect.Parameter, hint: Any, doc: str) -> tuple[str, Any, Any]:
    """An argument as a field of a dataclass: its name, type, and what is known of it."""
    if hint is None and type(parameter.default) in PLAIN:
        hint = type(parameter.default)  # A default tells it as well.
    is_tuple = get_origin(hint) in (Sequence, tuple, list)
    one = get_args(hint)[0] if is_tuple and get_args(hint) else hint
    if one not in PLAIN or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        said = "no type" if hint is None else f"the type {getattr(hint, '__name__', hint)}"
        raise RegistryError(
            f"{lead}, whose argument {parameter.name} has {said}; allowed: bool, int, float, str, "
            "or a Sequence of one of these"
        )
    default = MISSING if parameter.default is parameter.empty else parameter.default
    default = tuple(default) if is_tuple and default is not MISSING else default
    bounds = {"low": 0, "high": LARGEST[one]} if one in LARGEST else {}
    return (
        parameter.name,
        tuple[one, ...] if is_tuple else one,
        setting(default, doc or parameter.name.replace("_", " "), **bounds),
    )


def _docs(make: Callable[..., Any]) -> dict[str, str]:
    """The lines about arguments in a docstring."""
    section = (inspect.getdoc(make) or "").partition("Args:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^  (\w+): (.+(?:\n    .+)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()).rstrip(".") for name, text in found}
