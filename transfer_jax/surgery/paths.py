"""Selections: which leaves of a tree, named by path or by depth."""

import difflib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax.tree_util import GetAttrKey, KeyPath, PyTreeDef
from jaxtyping import PyTree

Pattern = str | Sequence[str] | Callable[[str, Any], bool]
Where = Pattern | PyTree


class SelectionError(ValueError):
    """A selection that matches nothing, or not the number of leaves expected."""


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


def flatten_paths(tree: PyTree) -> tuple[list[str], list[Any], PyTreeDef]:
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


def select(tree: PyTree, where: Pattern, *, expect: int | None = None) -> PyTree[bool]:
    """Mask of the leaves that a pattern, a list of patterns or a predicate names.

    In a pattern `*` stands for any run of characters within one key, `**` for any number of
    keys, `?` and `[1-3]` for one character. In a list, a leaf is selected if one of the
    patterns matches it and none of those that start with "!" does.

    Args:
      tree: any pytree.
      where: a glob over leaf paths, a list of globs, or a function of (path, leaf).
      expect: the number of leaves that must be selected; None allows any number but 0.

    Returns:
      A tree of the same structure with True at the selected leaves.

    Raises:
      SelectionError: nothing is selected, or not `expect` leaves.

    Example:
      >>> select({"conv1": {"kernel": 1.0, "bias": 0.0}, "fc2": {"kernel": 2.0}}, "*/kernel")
      {'conv1': {'bias': False, 'kernel': True}, 'fc2': {'kernel': True}}
    """
    paths, leaves, structure = flatten_paths(tree)
    return jax.tree.unflatten(structure, _selected(paths, leaves, where, expect))


def first_layers(params: PyTree, n: int, layer_names: Sequence[str] | None = None) -> PyTree[bool]:
    """Mask of the leaves in the first n layers.

    Args:
      params: a mapping from layer name to that layer's parameters.
      n: number of layers counted from the input, 0 to the number of layers.
      layer_names: the layers in depth order; None orders the names naturally
        (`conv2` before `conv10`), which suits numbered names.

    Returns:
      A tree of the same structure with True in the first n layers.

    Raises:
      SelectionError: n is out of range or a layer is missing.

    Example:
      >>> first_layers({"conv1": {"kernel": 1.0}, "fc2": {"kernel": 2.0}}, 1, ["conv1", "fc2"])
      {'conv1': {'kernel': True}, 'fc2': {'kernel': False}}

    Source: Yosinski et al. (2014), section 2: the first n layers are copied.
    """
    names = sorted(params, key=natural_order) if layer_names is None else list(layer_names)
    if not 0 <= n <= len(names):
        raise SelectionError(f"n = {n} layers of a network of {len(names)}: {_span(names)}")
    for name in names:
        if name not in params:
            raise SelectionError(unknown_layer(name, list(params)))
    first = set(names[:n])
    inside = {name: name in first for name in params}
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    flags = [inside[_top_key(path)] for path, _ in leaves]
    return jax.tree.unflatten(structure, flags)


def mask_of(tree: PyTree, where: Where) -> PyTree[bool]:
    """The mask that `where` stands for: a ready mask as it is, anything else selected.

    Args:
      tree: any pytree.
      where: what `select` takes, or a tree of booleans of the structure of `tree`.

    Returns:
      A tree of booleans.

    Raises:
      SelectionError: a ready mask has another structure than the tree.

    Example:
      >>> mask_of({"a": 1, "b": 2}, {"a": True, "b": False})
      {'a': True, 'b': False}
    """
    paths, leaves, structure = flatten_paths(tree)
    return jax.tree.unflatten(structure, flags_of(where, paths, leaves, structure))


def flags_of(
    where: Where, paths: Sequence[str], leaves: Sequence[Any], structure: PyTreeDef
) -> list[bool]:
    """The leaves of the mask that `where` stands for, for a tree that is flat already.

    Args:
      where: as for `mask_of`.
      paths: the tree's paths.
      leaves: the tree's leaves.
      structure: the tree's structure.

    Returns:
      One flag a leaf.

    Raises:
      SelectionError: a ready mask has another structure than the tree.

    Example:
      >>> flags_of("a", *flatten_paths({"a": 1, "b": 2}))
      [True, False]
    """
    flags, mask_structure = jax.tree.flatten(where)
    if mask_structure == structure and all(map(is_flag, flags)):
        return flags
    patterns: Any = where
    if callable(where) or (flags and all(isinstance(flag, str) for flag in flags)):
        return _selected(paths, leaves, patterns, None)
    raise SelectionError(
        f"mask and tree differ: the mask's leaves are {_span(leaf_paths(where))}, "
        f"the tree's {_span(paths)}; a mask's leaves are True or False"
    )


def is_flag(leaf: Any) -> bool:
    """Whether a leaf is a plain True or False, as a mask's leaves are.

    Args:
      leaf: any leaf.

    Returns:
      False for anything else, arrays included.

    Example:
      >>> is_flag(True), is_flag(1)
      (True, False)
    """
    return isinstance(leaf, bool | np.bool_)


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
    return f"no layer '{name}' in this network; layers: {_span(names)}{hint}"


def _check_count(
    paths: Sequence[str], flags: Sequence[bool], where: Pattern, expect: int | None
) -> None:
    found = sum(flags)
    if found == expect or (expect is None and found > 0):
        return
    wanted = "at least one leaf" if expect is None else f"{expect} leaves"
    if callable(where):
        near, shown = list(paths), getattr(where, "__name__", repr(where))
    else:
        patterns = _patterns(where)
        near = [p for g in patterns for p in difflib.get_close_matches(g, paths, cutoff=0.3)]
        shown = ", ".join(map(repr, patterns))
    raise SelectionError(
        f"{shown} selects {found} leaves, expected {wanted}; "
        f"nearest paths: {_span(near or list(paths))}; the tree has {len(paths)} leaves"
    )


def _selected(
    paths: Sequence[str], leaves: Sequence[Any], where: Pattern, expect: int | None
) -> list[bool]:
    if callable(where):
        flags = [bool(where(path, leaf)) for path, leaf in zip(paths, leaves, strict=True)]
    else:
        patterns = _patterns(where)
        excluded = _any_of([p[1:] for p in patterns if p.startswith("!")]).fullmatch
        included = _any_of([p for p in patterns if not p.startswith("!")] or ["**"]).fullmatch
        flags = [included(path) is not None and excluded(path) is None for path in paths]
    _check_count(paths, flags, where, expect)
    return flags


def _patterns(where: Any) -> list[str]:
    patterns = [where] if isinstance(where, str) else where
    if isinstance(patterns, Sequence) and all(isinstance(pattern, str) for pattern in patterns):
        return list(patterns)
    raise TypeError(
        f"where is {type(where).__name__}; allowed: a pattern, a list of patterns, a function"
    )


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """One regular expression for several globs; for none, one that matches nothing."""
    return re.compile("|".join(f"(?:{_glob(pattern)})" for pattern in patterns) or r"(?!)")


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> str:
    tokens = re.split(r"(/?\*\*/?|\*|\?|\[[^\]]+\])", pattern)
    expression = "".join(map(_regex_of_token, tokens))
    try:
        re.compile(expression)
    except re.error as error:
        raise SelectionError(f"'{pattern}' is not a pattern: {error}") from None
    return expression


def _regex_of_token(token: str) -> str:
    match token:
        case "**":
            return ".*"
        case "**/":
            return "(?:.*/)?"
        case "/**":
            return "(?:/.*)?"
        case "/**/":
            return "/(?:.*/)?"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
    if token.startswith("[") and token.endswith("]") and len(token) > 2:
        inside = token[1:-1].replace("\\", "\\\\")
        return f"[{'^' + inside[1:] if inside.startswith('!') else inside}]"
    return re.escape(token)


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


def _top_key(path: KeyPath) -> str:
    return path_string(path[:1])


def _span(names: Sequence[str]) -> str:
    """The names in few words: all of up to four, else the first and the last."""
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} ... {names[-1]}"
