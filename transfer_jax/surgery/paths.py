"""Paths of leaves: `conv3/kernel`, `layers/0/bias`.

A path is a tuple of keys; its text joins them by "/". A key's own "/" and "\\" are written with a
backslash before them, and a key that is empty is written `\\e`, so that no two tuples share a text.
"""

import difflib
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.tree_util import KeyPath
from jaxtyping import PyTree


def leaf_paths(tree: PyTree) -> list[str]:
    """Paths of the leaves of a tree, in tree order.

    Args:
      tree: any pytree.

    Returns:
      One string a leaf, keys joined by "/": `conv3/kernel`, `layers/0/bias`. The `value` that
      the variables of flax.nnx put between their name and their array is left out.

    Raises:
      ValueError: two leaves have one path, as those of keys 1 and "1" have.

    Example:
      >>> leaf_paths({"conv1": {"kernel": 1, "bias": 2}, "net/linear": 3})
      ['conv1/bias', 'conv1/kernel', 'net\\\\/linear']
    """
    return flatten_paths(tree)[0]


def flatten_paths(tree: PyTree) -> tuple[list[str], list[Any], Any]:
    """Paths, leaves and structure of a tree, from one walk.

    Args:
      tree: any pytree.

    Returns:
      (paths, leaves, structure), paths as in `leaf_paths`.

    Raises:
      ValueError: two leaves have one path.

    Example:
      >>> flatten_paths({"a": 1})[:2]
      (['a'], [1])
    """
    paths: list[str] = []
    leaves: list[Any] = []
    _walk(tree, "", paths, leaves)
    if len(set(paths)) < len(paths):
        twice = next(path for path, count in Counter(paths).items() if count > 1)
        raise ValueError(f"two leaves have the path {twice}: their keys differ only in type")
    return paths, leaves, jax.tree.structure(tree)


def path_string(path: KeyPath) -> str:
    """A key path of JAX as text.

    Args:
      path: what JAX gives for a leaf, a tuple of keys.

    Returns:
      The keys joined by "/", as in `leaf_paths`, but with the `value` of flax.nnx: a key path
      alone does not tell whose it is.

    Example:
      >>> path_string((jax.tree_util.DictKey("layers"), jax.tree_util.SequenceKey(0)))
      'layers/0'
    """
    return join_keys(key_name(key) for key in path)


def key_name(key: Any) -> str:
    """The name that a key of a JAX key path has, without brackets, dots or quotes.

    Args:
      key: a dictionary's key, an index or an attribute, as JAX wraps them.

    Returns:
      The name, not escaped.

    Example:
      >>> key_name(jax.tree_util.GetAttrKey("kernel"))
      'kernel'
    """
    return jax.tree_util.keystr((key,), simple=True)


def join_keys(keys: Iterable[str]) -> str:
    """The text of a path.

    Args:
      keys: the names of its keys.

    Returns:
      The names joined by "/", each escaped.

    Example:
      >>> join_keys(["net/~/linear_0", "w"])
      'net\\\\/~\\\\/linear_0/w'
    """
    return "/".join(map(_escaped, keys))


def split_path(path: str) -> tuple[str, ...]:
    """The keys of a path, from its text: the inverse of `join_keys`.

    Args:
      path: the text; "" is the path of a tree that is one leaf.

    Returns:
      The names of the keys.

    Example:
      >>> split_path("net\\\\/~\\\\/linear_0/w")
      ('net/~/linear_0', 'w')
    """
    if "\\" not in path:
        return tuple(path.split("/")) if path else ()
    keys = re.findall(r"((?:[^/\\]|\\.|\\$)*)(?:/|$)", path, re.DOTALL)[:-1]
    return tuple(re.sub(r"\\(.)", _unescaped, key, flags=re.DOTALL) for key in keys)


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


def _walk(node: Any, path: str, paths: list[str], leaves: list[Any]) -> None:
    """Plain dicts and arrays by hand, several times faster than key paths; the rest by JAX."""
    if type(node) is dict:
        below = f"{path}/" if path else ""
        for key in _sorted_keys(node, path):
            name = str(key)
            if not name or "/" in name or "\\" in name:
                name = _escaped(name)
            _walk(node[key], below + name, paths, leaves)
    elif isinstance(node, jax.Array | np.ndarray | float | int):
        paths.append(path)
        leaves.append(node)
    else:
        for keys, leaf in _flatten_with_keys(node):
            paths.append("/".join(filter(None, (path, path_string(keys)))))
            leaves.append(leaf)


def _sorted_keys(node: dict[Any, Any], path: str) -> list[Any]:
    try:
        return sorted(node)
    except TypeError:
        kinds = ", ".join(sorted({type(key).__name__ for key in node}))
        raise ValueError(f"the keys of '{path}' have no order, they are of {kinds}") from None


def _flatten_with_keys(node: Any, inside: Any = None) -> Iterator[tuple[KeyPath, Any]]:
    """Key paths and leaves as JAX has them, without the key that an nnx variable adds."""
    variable = getattr(sys.modules.get("flax.nnx"), "Variable", ())

    def is_variable(child: Any) -> bool:
        return child is not inside and isinstance(child, variable)

    for keys, leaf in jax.tree_util.tree_flatten_with_path(node, is_leaf=is_variable)[0]:
        if is_variable(leaf):
            yield from (
                (keys + below[1:], value) for below, value in _flatten_with_keys(leaf, leaf)
            )
        else:
            yield keys, leaf


def _escaped(key: str) -> str:
    if "/" in key or "\\" in key:
        return key.replace("\\", r"\\").replace("/", r"\/")
    return key or r"\e"


def _unescaped(match: re.Match[str]) -> str:
    return "" if match[0] == r"\e" else match[1]
