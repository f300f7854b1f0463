"""Which leaf a mask speaks of: by path, whatever holds or wraps the leaves."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import jax
import optax
from jax.core import Tracer
from jax.tree_util import default_registry
from jaxtyping import PyTree

from transfer_jax.surgery.paths import join_keys, span
from transfer_jax.surgery.selection import SelectionError, is_flag

Keys = tuple[Any, ...]
T = TypeVar("T")


def is_hole(node: Any) -> bool:
    """Whether a node stands where another tree has leaves: None, or what optax masks with.

    Args:
      node: any node of a tree.

    Returns:
      True for None and `optax.MaskedNode`.

    Example:
      >>> is_hole(None), is_hole(optax.MaskedNode()), is_hole(0.0)
      (True, True, False)
    """
    return node is None or isinstance(node, optax.MaskedNode)


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an array or a number; a function, a name or the like is not.

    Args:
      leaf: any leaf.

    Returns:
      True for arrays of any dtype, keys of randomness included, and for numbers.

    Example:
      >>> is_array(1.0), is_array(jax.nn.relu)
      (True, False)
    """
    return hasattr(leaf, "dtype") or isinstance(leaf, bool | int | float | complex)


def entries(tree: PyTree) -> tuple[list[Keys], list[Any], Any]:
    """Key tuples, leaves and structure of a tree, holes included as leaves.

    Args:
      tree: any pytree.

    Returns:
      (key tuples, leaves, structure). The keys are plain: those of a dict, an attribute and a
      list compare by what they are. A variable of flax.nnx adds none.

    Example:
      >>> entries({"a": [1, None]})[:2]
      ([('a', 0), ('a', 1)], [1, None])
    """
    leaves, structure = jax.tree.flatten(tree, is_leaf=is_hole)
    bare = jax.tree.map(_unwrapped, tree, is_leaf=lambda x: is_hole(x) or _is_variable(x))
    keyed, _ = jax.tree_util.tree_flatten_with_path(bare, is_leaf=is_hole)
    return [tuple(map(_plain, keys)) for keys, _ in keyed], leaves, structure


def spread(tree: PyTree, like: PyTree | None) -> PyTree:
    """A tree whose holes in the place of whole subtrees are holes at each of their leaves.

    Args:
      tree: any tree.
      like: a tree with these subtrees; None leaves the tree as it is.

    Returns:
      The tree itself where there is no such hole, or it has other leaves; else one of the
      containers of `like`.

    Example:
      >>> spread({"a": None, "b": 1}, {"a": {"x": 2}, "b": 3})
      {'a': {'x': None}, 'b': 1}
    """
    keys, leaves, _ = entries(tree)
    other_keys, _, structure = entries(like)
    held = dict(zip(keys, leaves, strict=True))
    wide = {key for key, leaf in held.items() if is_hole(leaf)} - set(other_keys)
    sources = [key if key in held else _the_hole(key, wide) for key in other_keys]
    if like is None or not wide or set(sources) != set(held):
        return tree
    return jax.tree.unflatten(structure, [held[key] for key in sources if key is not None])


def by_keys(mask: PyTree) -> dict[Keys, Any]:
    """The leaves of a mask by key tuple.

    Args:
      mask: any tree; its holes are left out.

    Returns:
      Key tuple to leaf.

    Example:
      >>> by_keys({"a": True, "b": None})
      {('a',): True}
    """
    keys, leaves, _ = entries(mask)
    return {key: leaf for key, leaf in zip(keys, leaves, strict=True) if not is_hole(leaf)}


def aligned(values: Mapping[Keys, T], tree: PyTree, what: str) -> list[T | None]:
    """The value of each entry of a tree, from values by key tuple.

    Args:
      values: a value for each leaf of the whole tree.
      tree: a tree of these leaves; in their place it may have holes.
      what: what the tree is, for the message.

    Returns:
      In the order of `entries`; None at holes.

    Raises:
      SelectionError: a leaf has no value, or a value neither leaf nor hole; both are named.

    Example:
      >>> aligned({("a",): 1, ("b", "c"): 2}, {"a": 0.0, "b": None}, "parameters")
      [1, None]
    """
    keys, leaves, _ = entries(tree)
    holes = {key for key, leaf in zip(keys, leaves, strict=True) if is_hole(leaf)}
    own = dict.fromkeys(key for key in keys if key not in holes)
    missing = [k for k in values if k not in own and _the_hole(k, holes) is None]
    if missing or any(key not in values for key in own):
        odd = sorted({*map(key_text, missing), *(key_text(k) for k in own if k not in values)})
        raise SelectionError(
            f"mask and {what} differ; not in both: {odd or 'the containers'}; "
            f"the mask has {_listed(values)}, the {what} {_listed(own)}"
        )
    return [None if key in holes else values[key] for key in keys]


def flags_by_keys(mask: PyTree[bool], what: str = "the mask") -> dict[Keys, bool]:
    """The flags of a fixed mask by key tuple.

    Args:
      mask: a tree of booleans.
      what: what the mask is, for the message.

    Returns:
      Key tuple to flag.

    Raises:
      TypeError: the mask is traced, or holds something else than booleans.

    Example:
      >>> flags_by_keys({"a": True})
      {('a',): True}
    """
    flags = by_keys(mask)
    for key, leaf in flags.items():
        if isinstance(leaf, Tracer):
            raise TypeError(
                f"{what} is traced at {key_text(key)}: use freeze_traced, or a fixed mask"
            )
        if not is_flag(leaf):
            found = type(leaf).__name__
            raise TypeError(f"{what} holds {found} at {key_text(key)}; allowed: bool")
    return {key: bool(flag) for key, flag in flags.items()}


def key_text(keys: Keys) -> str:
    """A key tuple as one line.

    Args:
      keys: plain keys.

    Returns:
      The path, as `leaf_paths` writes it; words for that of a bare leaf, which has no keys.

    Example:
      >>> key_text(("layers", 0)), key_text(())
      ('layers/0', 'a bare leaf')
    """
    return join_keys(map(str, keys)) or "a bare leaf"


def _listed(keys: Sequence[Keys] | Mapping[Keys, Any]) -> str:
    return span([key_text(key) for key in keys]) or "no leaf"


def _the_hole(keys: Keys, holes: set[Keys]) -> Keys | None:
    """The hole that a leaf would lie in."""
    prefixes = (keys[:length] for length in range(len(keys) + 1)) if holes else ()
    return next((prefix for prefix in prefixes if prefix in holes), None)


def _plain(key: Any) -> Any:
    for name in ("key", "name", "idx"):
        if hasattr(key, name):
            return getattr(key, name)
    return key


def _is_variable(node: Any) -> bool:
    """Whether a node is a variable of flax.nnx, which is not imported for the question."""
    nnx = sys.modules.get("flax.nnx")
    return nnx is not None and isinstance(node, nnx.Variable)


def _unwrapped(node: Any) -> Any:
    if not _is_variable(node):
        return node
    children, _ = default_registry.flatten_one_level(node)
    return next(iter(children), None)
