"""Sieves: what of a tree an optimizer sees, and how the rest is filled in again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import PyTree

from transfer_jax.surgery.masks import Keys, aligned, by_keys, entries, is_array, is_hole, key_text
from transfer_jax.surgery.selection import SelectionError
from transfer_jax.surgery.still import NO_ZERO


class Sieve(Protocol):
    """What an optimizer sees of a tree."""

    def keep(self, tree: PyTree, what: str) -> PyTree:
        """The tree as the optimizer sees it."""
        ...

    def fill(self, kept: PyTree, whole: PyTree) -> PyTree:
        """A tree that the optimizer has made, with what it does not see from the whole."""
        ...


@dataclass(frozen=True)
class LeafSieve:
    """A sieve that takes leaves out: in their place the tree has holes.

    What is no array (a function, a name) is taken out too: no optimizer can do anything to it.
    There the hole is None, as in gradients that Equinox takes.

    Attributes:
      flags: key tuple to whether the leaf is kept, for all leaves of the whole tree.
    """

    flags: Mapping[Keys, bool]

    def keep(self, tree: PyTree, what: str) -> PyTree:
        """The tree with holes in the place of the other leaves.

        Args:
          tree: a tree of the leaves of `flags`, or with holes already.
          what: what the tree is, for the message.

        Returns:
          A tree of the same containers.

        Raises:
          SelectionError: it has other leaves.
        """
        aligned(self.flags, tree, what)
        keys, leaves, structure = entries(tree)

        def kept(key: Keys, leaf: Any) -> Any:
            if not self.flags.get(key, True):
                return optax.MaskedNode()
            return leaf if is_hole(leaf) or is_array(leaf) else None

        rows = zip(keys, leaves, strict=True)
        return jax.tree.unflatten(structure, [kept(key, leaf) for key, leaf in rows])

    def fill(self, kept: PyTree, whole: PyTree) -> PyTree:
        """The whole tree with the kept leaves put in.

        Args:
          kept: a tree with holes.
          whole: the whole tree.

        Returns:
          A tree of the structure of `whole`.
        """
        own = by_keys(kept)
        keys, leaves, structure = entries(whole)
        filled = [own.get(key, leaf) for key, leaf in zip(keys, leaves, strict=True)]
        return jax.tree.unflatten(structure, filled)


@dataclass(frozen=True)
class TracedSieve:
    """A sieve whose mask is data: zeros in the place of the frozen leaves.

    What is not of floating point is taken out: it has no gradient.

    Attributes:
      frozen: key tuple to a boolean array, for all leaves of the whole tree.
    """

    frozen: Mapping[Keys, Any]

    def keep(self, tree: PyTree, what: str) -> PyTree:
        """The tree with zeros in the place of the frozen leaves.

        Args:
          tree: a tree of the leaves of `frozen`, or with holes already.
          what: what the tree is, for the message.

        Returns:
          A tree of the same containers.

        Raises:
          SelectionError: it has other leaves.
        """
        keys, leaves, structure = entries(tree)
        flags: list[Any] = aligned(self.frozen, tree, what)

        def kept(key: Keys, leaf: Any, frozen: Any) -> Any:
            if not is_trainable(leaf):
                return leaf if is_hole(leaf) else None
            if not _broadcasts(jnp.shape(frozen), jnp.shape(leaf)):
                found, own = jnp.shape(frozen), jnp.shape(leaf)
                raise SelectionError(f"{key_text(key)}: a mask of {found} does not fit {own}")
            # `where`, not a product: 0 * nan is nan.
            return jnp.where(frozen, jnp.zeros_like(leaf), leaf)

        return jax.tree.unflatten(structure, list(map(kept, keys, leaves, flags)))

    def fill(self, kept: PyTree, whole: PyTree) -> PyTree:
        """The kept tree, its frozen leaves from the whole one.

        Args:
          kept: a tree as `keep` makes it.
          whole: the whole tree.

        Returns:
          A tree of the structure of `whole`.
        """
        own = by_keys(kept)
        keys, leaves, structure = entries(whole)
        filled = [
            _either(self.frozen[key], leaf, own[key]) if key in own else leaf
            for key, leaf in zip(keys, leaves, strict=True)
        ]
        return jax.tree.unflatten(structure, filled)


def _either(frozen: Any, leaf: Any, own: Any) -> Any:
    """Where it is frozen the leaf, else its own; in the leaf's dtype if they share none."""
    try:
        jnp.promote_types(jnp.result_type(leaf), jnp.result_type(own))
    except jax.dtypes.TypePromotionError:
        own = own.astype(leaf.dtype)
    return jnp.where(frozen, leaf, own)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def is_trainable(leaf: Any) -> bool:
    """Whether a leaf is of floating point, real or complex, and its dtype has a zero.

    Args:
      leaf: any leaf.

    Returns:
      False for integers, keys, functions and holes.

    Example:
      >>> is_trainable(1.0), is_trainable(1)
      (True, False)
    """
    if not is_array(leaf):
        return False
    dtype = jnp.result_type(leaf)
    return jnp.issubdtype(dtype, jnp.inexact) and dtype.name not in NO_ZERO


def fits(sieve: Sieve, tree: PyTree) -> bool:
    """Whether a tree has the leaves of a sieve.

    Args:
      tree: any tree.

    Returns:
      False where `keep` would refuse.
    """
    try:
        sieve.keep(tree, "tree")
    except SelectionError:
        return False
    return True
