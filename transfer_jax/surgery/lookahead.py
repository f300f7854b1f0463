"""The pair of parameters that `optax.lookahead` takes: each half is a tree of its own."""

from collections.abc import Callable
from typing import Any

import optax
from jaxtyping import PyTree

from transfer_jax.surgery.masks import by_keys
from transfer_jax.surgery.selection import SelectionError


def of_each_half(fun: Callable[..., PyTree], params: PyTree, *rest: PyTree) -> PyTree:
    """Apply a function to both halves of a pair of parameters, or to a tree that is no pair.

    Args:
      fun: a function of trees.
      params: parameters; where they are a pair, so is the result.
      rest: further trees; what is no pair goes to both halves, as the gradients do.

    Returns:
      A pair, or what the function returns.

    Example:
      >>> of_each_half(lambda p, g: p + g, optax.LookaheadParams(fast=1, slow=2), 10)
      LookaheadParams(fast=11, slow=12)
    """
    if not isinstance(params, optax.LookaheadParams):
        return fun(params, *rest)
    halves = (
        fun(half, *(r[i] if isinstance(r, optax.LookaheadParams) else r for r in rest))
        for i, half in enumerate(params)
    )
    return optax.LookaheadParams(*halves)


def fast_half(params: PyTree) -> PyTree:
    """The parameters that gradients and functions are of.

    Args:
      params: parameters, or a pair of them.

    Returns:
      One tree.

    Example:
      >>> fast_half(optax.LookaheadParams(fast=1, slow=2))
      1
    """
    return params.fast if isinstance(params, optax.LookaheadParams) else params


def one_half(mask: PyTree[Any]) -> PyTree[Any]:
    """The mask of either half, of a mask that may be a pair.

    Returns:
      The mask of one tree.

    Raises:
      SelectionError: the masks of the halves differ.

    Example:
      >>> one_half(optax.LookaheadParams(fast={"a": True}, slow={"a": True}))
      {'a': True}
    """
    if not isinstance(mask, optax.LookaheadParams):
        return mask
    fast, slow = by_keys(mask.fast), by_keys(mask.slow)
    if fast.keys() != slow.keys() or any(fast[k] is not slow[k] for k in fast):
        raise SelectionError("the masks of lookahead's fast and slow parameters differ")
    return mask.fast
