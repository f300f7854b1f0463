"""Selections: which leaves of a tree, named by path or by depth."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from transfer_jax.surgery.globs import PatternError, any_of
from transfer_jax.surgery.paths import (
    flatten_paths,
    key_name,
    leaf_paths,
    natural_order,
    span,
    unknown_layer,
)

Pattern = str | Sequence[str] | Callable[[str, Any], bool]
Where = Pattern | PyTree


class SelectionError(ValueError):
    """A selection that matches nothing, or not the number of leaves expected."""


def select(tree: PyTree, where: Pattern, *, expect: int | None = None) -> PyTree[bool]:
    """Mask of the leaves that a pattern, a list of patterns or a predicate names.

    In a pattern `*` stands for any run of characters within one key, `**` for any number of
    keys, `?` and `[1-3]` for one character, and a backslash before a character for itself. A
    leaf's own path selects it, whatever characters it holds. In a list, a leaf is selected if
    one of the patterns matches it and none of those that start with "!" does; where all of them
    do, they leave the rest of the tree. An empty list selects nothing.

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
    if not isinstance(params, Mapping):
        raise TypeError(f"params is {type(params).__name__}; allowed: layer name to parameters")
    names = (
        sorted(map(str, params), key=natural_order)
        if layer_names is None
        else list(map(str, layer_names))
    )
    if not 0 <= n <= len(names):
        raise SelectionError(f"n = {n} layers of a network of {len(names)}: {span(names)}")
    present = list(map(str, params))
    if len(set(present)) < len(present):
        raise SelectionError(f"layers of one name: {span(sorted(present, key=natural_order))}")
    for name in names:
        if name not in present:
            raise SelectionError(unknown_layer(name, present))
    first = set(names[:n])
    inside = {name: name in first for name in present}
    leaves, structure = jax.tree_util.tree_flatten_with_path(params)
    flags = [inside[key_name(path[0])] for path, _ in leaves]
    return jax.tree.unflatten(structure, flags)


def mask_of(tree: PyTree, where: Where) -> PyTree[bool]:
    """The mask that `where` stands for: a ready mask as it is, anything else selected.

    Args:
      tree: any pytree.
      where: what `select` takes, or a tree of booleans for the same leaves by path.

    Returns:
      A tree of booleans.

    Raises:
      SelectionError: a ready mask has other leaves than the tree.

    Example:
      >>> mask_of({"a": 1, "b": 2}, {"a": True, "b": False})
      {'a': True, 'b': False}
    """
    paths, leaves, structure = flatten_paths(tree)
    return jax.tree.unflatten(structure, flags_of(where, paths, leaves, structure))


def flags_of(
    where: Where, paths: Sequence[str], leaves: Sequence[Any], structure: Any
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
      SelectionError: a ready mask has other leaves than the tree.

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
    names = leaf_paths(where)
    by_path = dict(zip(names, flags, strict=True))
    if all(map(is_flag, flags)) and by_path.keys() == set(paths):  # in other containers
        return [by_path[path] for path in paths]
    raise SelectionError(
        f"mask and tree differ: the mask's leaves are {span(names)}, "
        f"the tree's {span(paths)}; a mask's leaves are True or False"
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


def _selected(
    paths: Sequence[str], leaves: Sequence[Any], where: Pattern, expect: int | None
) -> list[bool]:
    if callable(where):
        flags = [bool(where(path, leaf)) for path, leaf in zip(paths, leaves, strict=True)]
    else:
        patterns = _patterns(where)
        try:
            excluded = any_of([p[1:] for p in patterns if p.startswith("!")]).fullmatch
            included = any_of(_included(patterns)).fullmatch
        except PatternError as error:
            raise SelectionError(str(error)) from None
        flags = [included(path) is not None and excluded(path) is None for path in paths]
    _check_count(paths, flags, where, expect)
    return flags


def _included(patterns: Sequence[str]) -> list[str]:
    """The patterns that do not exclude; where all do, the rest is everything."""
    included = [pattern for pattern in patterns if not pattern.startswith("!")]
    return included or (["**"] if patterns else [])


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
        shown = ", ".join(map(repr, patterns)) or "an empty list"
    raise SelectionError(
        f"{shown} selects {found} leaves, expected {wanted}; "
        f"nearest paths: {span(near or list(paths))}; the tree has {len(paths)} leaves"
    )


def _patterns(where: Any) -> list[str]:
    patterns = [where] if isinstance(where, str) else where
    if isinstance(patterns, Sequence) and all(isinstance(pattern, str) for pattern in patterns):
        return list(patterns)
    raise TypeError(
        f"where is {type(where).__name__}; allowed: a pattern, a list of patterns, a function"
    )
