"""Take a tree apart by a mask and put it together again."""

from collections.abc import Sequence
from typing import Any

import jax
from jaxtyping import PyTree

from transfer_jax.surgery.masks import aligned, by_keys, entries, is_hole
from transfer_jax.surgery.paths import path_string
from transfer_jax.surgery.selection import Where, is_flag, mask_of


def partition(tree: PyTree, mask: Where) -> tuple[PyTree, PyTree]:
    """Split a tree into the selected leaves and the rest.

    Args:
      tree: any pytree.
      mask: a tree of booleans for the same leaves by path, or what `select` takes.

    Returns:
      (selected, rest): two trees of the same keys, with None where the other one has the leaf.
      They hold the tree's own leaves, not copies: a step that donates a part deletes the tree's.

    Raises:
      SelectionError: the mask does not fit the tree, or a pattern selects nothing.

    Example:
      >>> partition({"a": 1, "b": 2}, {"a": True, "b": False})
      ({'a': 1, 'b': None}, {'a': None, 'b': 2})
    """
    return split(tree, flags_of_tree(tree, mask))


def combine(selected: PyTree, rest: PyTree) -> PyTree:
    """Put the two parts of `partition` together again.

    Args:
      selected: a tree with None where `rest` has a leaf.
      rest: a tree with None where `selected` has a leaf.

    Returns:
      The whole tree, of the parts' own leaves.

    Raises:
      ValueError: both parts hold the same leaf, or their structures differ.

    Example:
      >>> combine({"a": 1, "b": None}, {"a": None, "b": 2})
      {'a': 1, 'b': 2}
    """

    def one_of(path: tuple[Any, ...], left: Any, right: Any) -> Any:
        if left is not None and right is not None:
            raise ValueError(f"both parts hold the leaf {path_string(path)}")
        return right if left is None else left

    return jax.tree_util.tree_map_with_path(
        one_of, selected, rest, is_leaf=lambda leaf: leaf is None
    )


def split(tree: PyTree, flags: Sequence[bool | None]) -> tuple[PyTree, PyTree]:
    """Split a tree by a flag for each of its entries.

    Args:
      tree: any pytree.
      flags: in the order of `masks.entries`; those of holes say nothing.

    Returns:
      As `partition`.
    """
    _, leaves, structure = entries(tree)
    rows = list(zip(leaves, flags, strict=True))
    selected = [leaf if flag or is_hole(leaf) else None for leaf, flag in rows]
    rest = [None if flag and not is_hole(leaf) else leaf for leaf, flag in rows]
    return jax.tree.unflatten(structure, selected), jax.tree.unflatten(structure, rest)


def flags_of_tree(tree: PyTree, where: Where) -> list[bool | None]:
    """For each entry of a tree whether it is selected.

    Args:
      tree: any pytree.
      where: a tree of booleans for the same leaves by path, or what `select` takes.

    Returns:
      In the order of `masks.entries`; None at holes.

    Raises:
      SelectionError: the mask does not fit the tree, or a pattern selects nothing.

    Example:
      >>> flags_of_tree({"a": 1, "b": None}, "a")
      [True, None]
    """
    flags = by_keys(where)
    if not (flags and all(map(is_flag, flags.values()))):
        flags = by_keys(mask_of(tree, where))
    return aligned(flags, tree, "tree")
