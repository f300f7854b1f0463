"""The networks that a config can name; a network's fields are the arguments it is made from."""

import functools
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from typing import Any, get_origin, get_type_hints

from transfer_jax.models.caffenet import CaffeNet
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.layered import Layered
from transfer_jax.plan.fields import setting

NETWORKS = {"convnet": ConvNet, "caffenet": CaffeNet}
# Sizes above these are mistakes.
LARGEST = {int: 100_000, float: 1000.0}


@dataclass(frozen=True)
class NetworkFields:
    """What every network has; the fields of each are in a class of its own, made from it."""

    name: str = setting("convnet", "which network", choices=tuple(NETWORKS))
    num_outputs: int = setting(
        0, "logits; 0: as many as the largest task has classes", low=0, high=100_000
    )


@functools.cache
def network_kinds() -> Mapping[str, type[NetworkFields]]:
    """The fields of each network.

    Returns:
      Name to dataclass: the arguments of the network's constructor with their types, defaults and
      docs.

    Example:
      >>> network_kinds()["convnet"]().widths
      (8, 16, 24, 24)
    """
    return {name: _fields(name, make) for name, make in NETWORKS.items()}


def make_network(fields: NetworkFields, num_outputs: int) -> Layered:
    """The network that a config's fields name.

    Args:
      fields: its fields.
      num_outputs: number of logits.

    Returns:
      The network.

    Raises:
      ValueError: it cannot have these fields.

    Example:
      >>> len(make_network(network_kinds()["convnet"](), 10).layer_names)
      6
    """
    arguments = {**vars(fields), "num_outputs": num_outputs}
    return NETWORKS[arguments.pop("name")](**arguments)


def _fields(name: str, make: type) -> type[NetworkFields]:
    docs, hints = _docs(make), get_type_hints(make.__init__)
    rest = [
        (argument, _plain_type(hints[argument]), _setting(parameter, hints, docs.get(argument, "")))
        for argument, parameter in inspect.signature(make).parameters.items()
        if argument != "num_outputs"
    ]
    own_name = ("name", str, setting(name, "which network", choices=tuple(NETWORKS)))
    return make_dataclass(make.__name__, [own_name, *rest], bases=(NetworkFields,), frozen=True)


def _setting(parameter: inspect.Parameter, hints: Mapping[str, Any], doc: str) -> Any:
    default, hint = parameter.default, hints[parameter.name]
    one = hint.__args__[0] if get_origin(hint) else hint
    bounds = {"low": 0, "high": LARGEST[one]} if one in LARGEST else {}
    return setting(tuple(default) if get_origin(hint) else default, doc, **bounds)


def _plain_type(hint: Any) -> Any:
    return tuple[hint.__args__[0], ...] if get_origin(hint) else hint


def _docs(make: type) -> dict[str, str]:
    """The lines about arguments in a docstring."""
    section = (inspect.getdoc(make) or "").partition("Args:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^  (\w+): (.+(?:\n    .+)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()).rstrip(".") for name, text in found}
