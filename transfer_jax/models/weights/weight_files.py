"""Arrays by name, out of whatever file people keep weights in."""

import os
from typing import Any

import numpy as np
from jaxtyping import Shaped

from transfer_jax.models.weights.leaf_names import COUNTER
from transfer_jax.models.weights.packages import in_package
from transfer_jax.surgery.paths import flatten_paths
from transfer_jax.surgery.tree_file_error import brief
from transfer_jax.surgery.tree_files import load_tree

# What trainers call the network in a checkpoint that holds more.
AVERAGED = ("state_dict_ema", "model_ema", "ema_state_dict", "model_ema_state_dict", "ema")
NETWORKS = ("state_dict", "model_state_dict", "model", "net", *AVERAGED)


class WeightsError(ValueError):
    """A file of weights that cannot be read, or is not of the network that it is read for."""


def read_arrays(path: str | os.PathLike[str], network: str) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The arrays of a file of weights.

    Args:
      path: whatever `transfer_jax.load_tree` reads; nothing in it is executed.
      network: the name of the network that they are for, as an error tells it.

    Returns:
      Name to array; a batch normalisation's count of batches is left out.

    Raises:
      WeightsError: there is no such file, it is damaged or hostile, or holds no arrays by name, or
        those of several networks.

    Example:
      >>> read_arrays("no_such.pth", "resnet18")
      Traceback (most recent call last):
      ...
      transfer_jax.models.weights.weight_files.WeightsError: weights of resnet18: no_such.pth does \
not exist
    """
    try:
        tree = _network_in(load_tree(in_package(path)), path)
        paths, leaves, _ = flatten_paths(tree)
    except (ValueError, OSError, RecursionError) as error:
        raise WeightsError(f"weights of {network}: {' '.join(str(error).split())}") from None
    found = {name: leaf for name, leaf in zip(paths, leaves, strict=True) if _is_array(leaf)}
    if not found:
        held = ", ".join(brief(key)[:40] for key in list(tree)[:4]) or "nothing"
        raise WeightsError(f"weights of {network}: {path} holds no arrays by name, but {held}")
    return {name: leaf for name, leaf in found.items() if name.split(".")[-1] != COUNTER}


def _network_in(tree: Any, path: str | os.PathLike[str]) -> dict[str, Any]:
    """The part of a checkpoint that is a network."""
    if not isinstance(tree, dict):
        raise ValueError(f"{path} holds no arrays by name, but {type(tree).__name__}")
    held = [key for key in NETWORKS if isinstance(tree.get(key), dict)]
    if not held:
        return tree
    # Whatever a trainer calls a moving average, or its best network so far.
    own = _names(tree[held[0]])
    alike = [k for k, other in tree.items() if k not in held and own and _names(other) == own]
    if len(held) + len(alike) > 1:
        raise ValueError(
            f"{path} holds several networks: {', '.join(map(brief, [*held, *alike]))}; save the "
            "one that is meant alone"
        )
    return _network_in(tree[held[0]], path)


def _names(tree: Any) -> set[str]:
    """What arrays are called, but for what a wrapper of modules puts before it."""
    found: set[str] = set()
    for key, own in tree.items() if isinstance(tree, dict) else ():
        if _is_array(own):
            found.add(str(key).removeprefix("module."))
        else:
            found |= {f"{key}.{name}".removeprefix("module.") for name in _names(own)}
    return found


def _is_array(leaf: object) -> bool:
    return isinstance(leaf, np.ndarray)
