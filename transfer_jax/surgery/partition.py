"""Take a tree apart by a mask and put it together again."""

from typing import Any

import jax
from jaxtyping import PyTree

from transfer_jax.surgery.paths import path_string
from transfer_jax.surgery.selection import Where, mask_of


def partition(tree: PyTree, mask: Where) -> tuple[PyTree, PyTree]:
    """Split a tree into the selected leaves and the rest.

    Args:
      tree: any pytree.
      mask: a tree of booleans of the same structure, or what `select` takes.

    Returns:
      (selected, rest): two trees of the same keys, with None where the other one has the leaf.

    Raises:
      SelectionError: the mask does not fit the tree, or a pattern selects nothing.

    Example:
      >>> partition({"a": 1, "b": 2}, {"a": True, "b": False})
      ({'a': 1, 'b': None}, {'a': None, 'b': 2})
    """
    mask = mask_of(tree, mask)
    selected = jax.tree.map(lambda leaf, keep: leaf if keep else None, tree, mask)
    rest = jax.tree.map(lambda leaf, keep: None if keep else leaf, tree, mask)
    return selected, rest


def combine(selected: PyTree, rest: PyTree) -> PyTree:
    """Put the two parts of `partition` together again.

    Args:
      selected: a tree with None where `rest` has a leaf.
      rest: a tree with None where `selected` has a leaf.

    Returns:
      The whole tree.

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
