"""Batch statistics of frozen layers, put back after a step."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from transfer_jax.surgery.masks import aligned, by_keys, entries, is_hole
from transfer_jax.surgery.selection import is_flag


def freeze_stats(before: PyTree, after: PyTree, frozen_mask: PyTree) -> PyTree:
    """Batch statistics after a step, those of frozen layers put back.

    A frozen batch normalisation still moves its running statistics when it is run in training
    mode. Call this where they should stay put; leave it out where they should move.

    Args:
      before: the statistics before the step.
      after: the statistics after the step.
      frozen_mask: a tree of booleans of the same leaves, True where they stay put; it may be
        traced.

    Returns:
      A tree of the structure of `after`. Its leaves are those of `before` and `after` themselves,
      not copies.

    Raises:
      SelectionError: the trees differ in leaves.

    Example:
      >>> frozen = {"bn1": True, "bn2": False}
      >>> freeze_stats({"bn1": 0.0, "bn2": 0.0}, {"bn1": 1.0, "bn2": 1.0}, frozen)
      {'bn1': 0.0, 'bn2': 1.0}
    """
    flags = by_keys(frozen_mask)
    aligned(flags, before, "statistics before")
    frozen = aligned(flags, after, "statistics after")
    old = by_keys(before)

    def chosen(flag: Any, old: Any, new: Any) -> Any:
        if is_hole(new) or is_hole(old):
            return new
        return (old if flag else new) if is_flag(flag) else jnp.where(flag, old, new)

    keys, leaves, structure = entries(after)
    rows = zip(keys, leaves, frozen, strict=True)
    return jax.tree.unflatten(structure, [chosen(flag, old.get(k), new) for k, new, flag in rows])
