"""Paths of leaves: `conv3/kernel`, `layers/0/bias`."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.tree_util import GetAttrKey, KeyPath
from jaxtyping import PyTree


def leaf_paths(tree: PyTree) -> list[str]:
    """Paths of the leaves of a tree, in tree order.

    Args:
      tree: any pytree.

    Returns:
      One string a leaf, keys joined by "/": `conv3/kernel`, `layers/0/bias`. A last attribute
      `value`, as the variables of flax.nnx have, is left out.

    Example:
      >>> leaf_paths({"conv1": {"kernel": 1, "bias": 2}})
      ['conv1/bias', 'conv1/kernel']
    """
    return flatten_paths(tree)[0]


def flatten_paths(tree: PyTree) -> tuple[list[str], list[Any], Any]:
    """Paths, leaves and structure of a tree, from one walk.

    Args:
      tree: any pytree.

    Returns:
      (paths, leaves, structure), paths as in `leaf_paths`.

    Example:
      >>> flatten_paths({"a": 1})[:2]
      (['a'], [1])
    """
    paths: list[str] = []
    leaves: list[Any] = []
    _walk(tree, "", paths, leaves)
    return paths, leaves, jax.tree.structure(tree)


def path_string(path: KeyPath) -> str:
    """A key path of JAX as one string.

    Args:
      path: what JAX gives for a leaf, a tuple of keys.

    Returns:
      The keys joined by "/"; see `leaf_paths`.

    Example:
      >>> path_string((jax.tree_util.DictKey("layers"), jax.tree_util.SequenceKey(0)))
      'layers/0'
    """
    if path and isinstance(path[-1], GetAttrKey) and path[-1].name == "value":
        path = path[:-1]
    return jax.tree_util.keystr(path, simple=True, separator="/")


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts `conv2` before `conv10`.

    Args:
      name: any name.

    Returns:
      A key for `sorted`.

    Example:
      >>> sorted(["conv10", "conv2"], key=natural_order)
      ['conv2', 'conv10']
    """
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def unknown_layer(name: str, names: Sequence[str]) -> str:
    """The message for a layer that is not there, with the nearest name.

    Args:
      name: the name asked for.
      names: the names there are.

    Returns:
      One line.

    Example:
      >>> unknown_layer("conv9", ["conv1", "conv2", "fc3"])
      "no layer 'conv9' in this network; layers: conv1, conv2, fc3; nearest: conv2"
    """
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    hint = f"; nearest: {near[0]}" if near else ""
    return f"no layer '{name}' in this network; layers: {span(names)}{hint}"


def _walk(node: Any, path: str, paths: list[str], leaves: list[Any]) -> None:
    """Plain dicts and arrays by hand, several times faster than key paths; the rest by JAX."""
    if type(node) is dict:
        below = f"{path}/" if path else ""
        for key in sorted(node):
            _walk(node[key], f"{below}{key}", paths, leaves)
    elif isinstance(node, jax.Array | np.ndarray | float):
        paths.append(path)
        leaves.append(node)
    else:
        for keys, leaf in jax.tree_util.tree_flatten_with_path(node)[0]:
            paths.append("/".join(filter(None, (path, path_string(keys)))))
            leaves.append(leaf)


def span(names: Sequence[str]) -> str:
    """The names in few words: all of up to four, else the first and the last.

    Args:
      names: any names.

    Returns:
      One line.

    Example:
      >>> span(["conv1", "conv2", "conv3", "fc4", "fc5"])
      'conv1 ... fc5'
    """
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} ... {names[-1]}"
