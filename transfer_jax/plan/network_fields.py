"""The networks that a config can name; a network's fields are the arguments it is made from."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transfer_jax.grid.registry import RegistryError, is_own, made, named
from transfer_jax.models.caffenet import CaffeNet
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.layered import Layered
from transfer_jax.models.own_layers import from_layers, from_made
from transfer_jax.models.weights.provenance import origin_of
from transfer_jax.models.zoo import ZOO
from transfer_jax.models.zoo.origins import DEIT, HUGGING_FACE, TIMM
from transfer_jax.plan.fields import Affects, setting
from transfer_jax.plan.own_fields import fields_of

NETWORKS = {"convnet": ConvNet, "caffenet": CaffeNet, **ZOO}
DEFAULT = "convnet"


@dataclass(frozen=True)
class NetworkFields:
    """What every network has; the fields of each are in a class of its own, made from it."""

    name: str = setting(DEFAULT, "which network")
    num_outputs: int = setting(
        0, "logits; 0: as many as the largest task has classes", low=0, high=100_000
    )
    weights: str = setting(
        "", "file of pretrained weights, or package:NAME, that networks begin as; empty: base "
        "networks are trained",
        affects=Affects.RUNNING,
    )  # fmt: skip


def network_kind(name: str) -> type[NetworkFields]:
    """The fields of a network.

    Args:
      name: one of `NETWORKS`, or `package.module:function`; empty for the default.

    Returns:
      A dataclass: the arguments of what makes the network, with their types, defaults and docs.

    Raises:
      RegistryError: there is no such network, or it does not take what it must.

    Example:
      >>> network_kind("convnet")().widths
      (8, 16, 24, 24)
    """
    return _kind(name or DEFAULT)


@functools.cache
def _kind(name: str) -> type[NetworkFields]:
    make = named("network.name", name, NETWORKS)
    if "weights" in inspect.signature(make).parameters:
        raise RegistryError(
            f"network.name is '{name}', which takes weights; that is the field of a pretrained "
            "network's file: call the argument otherwise"
        )
    given = ("num_outputs", "rngs") if _takes_rngs(make) else ("num_outputs",)
    return fields_of(make, name, NetworkFields, given, "network.name")


def make_network(fields: NetworkFields, num_outputs: int) -> Layered:
    """The network that a config's fields name.

    Args:
      num_outputs: number of logits.

    Returns:
      The network.

    Raises:
      ValueError: it cannot have these fields, or what is made is no network.

    Example:
      >>> len(make_network(network_kind("convnet")(), 10).layer_names)
      6
    """
    arguments = {**vars(fields), "num_outputs": num_outputs}
    name = arguments.pop("name")
    weights = arguments.pop("weights")
    if is_own(name):
        return _own(name, arguments)
    if weights and name in ZOO and (origin := origin_of(weights, name)):
        arguments["origin"] = _agreed(arguments["origin"], origin)
    return made("network.name", name, NETWORKS, arguments)


def _agreed(asked: str, found: str) -> str:
    """Whose weights they are, by the names in their file; whoever says otherwise is told."""
    if (asked, found) == (DEIT, HUGGING_FACE):
        return asked  # Transformers has the same names for whoever trained a ViT.
    if asked not in (TIMM, found):
        raise ValueError(
            f"origin is '{asked}', but the weights have the names of '{found}', which decide what "
            "the network sees; leave network.origin out"
        )
    return found


def _own(name: str, arguments: dict[str, Any]) -> Layered:
    """What a function of one's own makes: a network, or its layers."""

    def make(**further: Any) -> Any:
        return made("network.name", name, NETWORKS, {**arguments, **further})

    try:
        if _takes_rngs(named("network.name", name, NETWORKS)):
            return from_made(lambda rngs: make(rngs=rngs))
        found = make()
        is_network = all(hasattr(found, part) for part in ("layer_names", "init", "apply"))
        return found if is_network else from_layers(found)
    except RegistryError:
        raise
    except ValueError as error:
        raise ValueError(f"name is '{name}': {error}") from None


def _takes_rngs(make: Callable[..., Any]) -> bool:
    return "rngs" in inspect.signature(make).parameters
