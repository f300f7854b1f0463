"""Trees of one structure as one tree with a leading axis, and back."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from transfer_jax.surgery.masks import is_array
from transfer_jax.surgery.matching import alike, describe
from transfer_jax.surgery.paths import leaf_paths
from transfer_jax.surgery.placement import row, stacked


def stack(trees: Sequence[PyTree]) -> PyTree:
    """Stack trees along a new leading axis.

    Args:
      trees: at least one tree; all of one structure, with leaves of equal shape and dtype.

    Returns:
      One tree; a leaf of shape `s` becomes one of shape `(len(trees), *s)`. It is a copy, and
      lies where the first tree's leaf lies; the new axis is not divided between devices.

    Raises:
      ValueError: there is no tree, a leaf is no array, or structures, shapes or dtypes differ;
        the paths are named.

    Example:
      >>> stack([{"a": jnp.zeros(3)}, {"a": jnp.ones(3)}])["a"].shape
      (2, 3)
    """
    if not trees:
        raise ValueError("stack needs at least one tree, found none")
    for path, leaf in zip(leaf_paths(trees[0]), jax.tree.leaves(trees[0]), strict=True):
        if not is_array(leaf):
            raise ValueError(f"{path} is {describe(leaf)}; allowed: arrays and numbers")
    for index, tree in enumerate(trees[1:], start=1):
        _check_alike(trees[0], tree, index)
    return jax.tree.map(lambda *leaves: stacked(leaves), *trees)


def unstack(tree: PyTree) -> list[PyTree]:
    """The trees along the leading axis of a stacked tree.

    Args:
      tree: a tree whose leaves share the size of their first axis.

    Returns:
      One tree for each index of that axis; the leaves are copies, and lie where the stacked
      leaf lies.

    Raises:
      ValueError: there is no leaf, or the leaves differ in the size of their first axis.

    Example:
      >>> [t["a"].item() for t in unstack({"a": jnp.arange(2)})]
      [0, 1]
    """
    leaves, structure = jax.tree.flatten(tree)
    sizes = {leaf.shape[0] if jnp.ndim(leaf) else None for leaf in leaves}
    if len(sizes) != 1 or None in sizes:
        found = ", ".join(
            f"{path} {jnp.shape(leaf)}" for path, leaf in zip(leaf_paths(tree), leaves, strict=True)
        )
        raise ValueError(f"unstack needs leaves with one common leading size; found: {found}")
    size = leaves[0].shape[0]
    return [jax.tree.unflatten(structure, [row(leaf, i) for leaf in leaves]) for i in range(size)]


def _check_alike(first: PyTree, other: PyTree, index: int) -> None:
    if jax.tree.structure(first) != jax.tree.structure(other):
        odd = sorted(set(leaf_paths(first)) ^ set(leaf_paths(other)))
        raise ValueError(f"tree {index} has another structure than tree 0; not in both: {odd}")
    pairs = zip(leaf_paths(first), jax.tree.leaves(first), jax.tree.leaves(other), strict=True)
    for path, left, right in pairs:
        if not alike(left, right):
            of = describe if jnp.shape(left) == jnp.shape(right) else jnp.shape
            raise ValueError(f"{path}: tree {index} has {of(right)}, tree 0 has {of(left)}")
