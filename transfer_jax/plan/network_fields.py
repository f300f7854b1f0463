"""The networks that a config can name; a network's fields are the arguments it is made from."""

import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from flax import nnx

from transfer_jax.grid.registry import RegistryError, is_own, kind_of, made, named
from transfer_jax.models.caffenet import CaffeNet
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.layered import Layered
from transfer_jax.models.linen_layers import from_linen
from transfer_jax.models.zoo import ZOO
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
        "", "file of pretrained weights, which networks then begin as; empty: base networks are "
        "trained",
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
    return fields_of(make, name, NetworkFields, ("num_outputs",), "network.name")


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
    arguments.pop("weights")
    found = made("network.name", name, NETWORKS, arguments)
    return _layered(found, name) if is_own(name) else found


def _layered(found: Any, name: str) -> Layered:
    """What a function of one's own made: a network with layers, or its layers by name."""
    if all(hasattr(found, part) for part in ("layer_names", "init", "apply")):
        return cast(Layered, found)
    if isinstance(found, Mapping) and found:
        if any(isinstance(layer, nnx.Module) for layer in found.values()):
            raise ValueError(
                f"name is '{name}', which made modules of NNX; hand the functions that make "
                "them to transfer_jax.models.nnx_layers.from_nnx"
            )
        return from_linen(found.items())
    if isinstance(found, Mapping):
        raise ValueError(f"name is '{name}', which made no layer")
    raise ValueError(
        f"name is '{name}', which made {kind_of(found)}; allowed: name of a layer to its "
        "Flax module, in depth order, or what has layer_names, init and apply"
    )
