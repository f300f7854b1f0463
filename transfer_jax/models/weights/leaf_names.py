"""Where a leaf stands here, and what it is called and how it lies in PyTorch's files.

Modules carry the dotted names of timm, so a leaf's name there follows from where it stands.
"""

from typing import Any, NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Shaped

from transfer_jax.models.layered import Variables

# Layer, collection, module by module, leaf.
Keys = tuple[str, ...]
Shape = tuple[int, ...]

LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
# Of a batch normalisation in PyTorch; nothing here reads it.
COUNTER = "num_batches_tracked"


class Foreign(NamedTuple):
    """A leaf as it lies in a file.

    Attributes:
      names: its name; several, where one leaf here is theirs in a row.
      ones: axes of length 1 that follow there.
      turned: whether kernels lie as PyTorch has them.
    """

    names: tuple[str, ...]
    ones: int = 0
    turned: bool = True


def leaves_of(variables: Variables) -> dict[Keys, Any]:
    """The leaves of a network by where they stand.

    Args:
      variables: a network's, or some of its layers'.

    Returns:
      Keys to leaf, in the order of the layers.

    Example:
      >>> leaves_of({"stem": {"params": {"conv1": {"kernel": 1}}}})
      {('stem', 'params', 'conv1', 'kernel'): 1}
    """
    return flatten_dict(variables)


def variables_of(leaves: dict[Keys, Any]) -> Variables:
    """The inverse of `leaves_of`.

    Args:
      leaves: keys to leaf.

    Returns:
      The variables; each layer has parameters, if only none.
    """
    found: Variables = unflatten_dict(leaves)
    return found


def timm_name(keys: Keys) -> str:
    """What timm calls a leaf.

    Args:
      keys: where it stands here.

    Returns:
      The name; a layer's own is a part of it where that has a dot.

    Example:
      >>> timm_name(("stem", "params", "conv1", "kernel"))
      'conv1.weight'
      >>> timm_name(("layer1.0", "batch_stats", "bn1", "mean"))
      'layer1.0.bn1.running_mean'
    """
    layer, _, *modules, leaf = keys
    return ".".join([*[layer] * ("." in layer), *modules, LEAVES.get(leaf, leaf)])


def foreign_shapes(keys: Keys, shape: Shape, foreign: Foreign) -> dict[str, Shape]:
    """The shapes that a leaf has in a file.

    Args:
      keys: where it stands here.
      shape: the one it has here.
      foreign: how it lies there.

    Returns:
      Name to shape.

    Example:
      >>> keys = ("blocks.0", "params", "attn.qkv", "kernel")
      >>> foreign_shapes(keys, (8, 24), Foreign(("q", "k", "v")))
      {'q': (8, 8), 'k': (8, 8), 'v': (8, 8)}
    """
    turned = tuple(shape[axis] for axis in _order(keys, len(shape), foreign))
    turned += (1,) * foreign.ones
    if len(foreign.names) == 1:
        return {foreign.names[0]: turned}
    part = (turned[0] // len(foreign.names), *turned[1:])
    return dict.fromkeys(foreign.names, part)


def to_foreign(
    keys: Keys, leaf: Shaped[np.ndarray, "..."], foreign: Foreign
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """A leaf as it lies in a file.

    Args:
      keys: where it stands here.
      leaf: its numbers.
      foreign: how it lies there.

    Returns:
      Name to array.

    Example:
      >>> keys = ("head", "params", "fc", "kernel")
      >>> to_foreign(keys, np.ones((512, 10)), Foreign(("fc.weight",)))["fc.weight"].shape
      (10, 512)
    """
    turned = np.asarray(leaf).transpose(_order(keys, np.ndim(leaf), foreign))
    turned = turned.reshape(turned.shape + (1,) * foreign.ones)
    parts = np.split(turned, len(foreign.names)) if len(foreign.names) > 1 else [turned]
    return {n: np.array(part, order="C") for n, part in zip(foreign.names, parts, strict=True)}


def from_foreign(
    keys: Keys, arrays: list[Shaped[np.ndarray, "..."]], foreign: Foreign
) -> Shaped[np.ndarray, "..."]:
    """The inverse of `to_foreign`.

    Args:
      keys: where the leaf stands here.
      arrays: what its names stand for there, in their order.
      foreign: how it lies there.

    Returns:
      The leaf.
    """
    joined = np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
    shape = joined.shape[: joined.ndim - foreign.ones]
    turned = joined.reshape(shape).transpose(np.argsort(_order(keys, len(shape), foreign)))
    return np.array(turned, order="C")


def _order(keys: Keys, axes: int, foreign: Foreign) -> Shape:
    """Kernels lie outputs last here, and outputs, inputs, window there."""
    if foreign.turned and keys[-1] == "kernel" and axes > 1:
        return (axes - 1, axes - 2, *range(axes - 2))
    return tuple(range(axes))
