"""A freeze whose mask is data: one compiled program for many conditions."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from transfer_jax.surgery.freeze import check_structure


def freeze_traced(
    tx: optax.GradientTransformation, frozen_mask: PyTree
) -> optax.GradientTransformationExtraArgs:
    """`freeze` with a mask that is data: one compiled program serves many masks.

    The step is that of the static form. The price is state and arithmetic for frozen leaves.

    Args:
      tx: an optax transformation whose update of a leaf does not depend on how many other
        leaves there are (added noise does).
      frozen_mask: a tree of boolean arrays, each scalar or broadcastable to its leaf, True at
        frozen leaves; it may be traced, also by `vmap`.

    Returns:
      A transformation of whole parameter trees.

    Raises:
      SelectionError: at `init`, if the parameters have another structure than the mask.

    Example:
      >>> def step(frozen):
      ...     params = {"conv1": jnp.ones(2), "fc2": jnp.ones(2)}
      ...     tx = freeze_traced(optax.sgd(1.0), {"conv1": frozen, "fc2": ~frozen})
      ...     return tx.update(params, tx.init(params), params)[0]["conv1"][0]
      >>> jax.vmap(step)(jnp.array([True, False])).tolist()
      [0.0, -1.0]
    """
    inner = optax.with_extra_args_support(tx)

    def trainable(tree: PyTree) -> PyTree:
        # `where`, not a product: 0 * nan is nan.
        return jax.tree.map(lambda f, x: jnp.where(f, jnp.zeros_like(x), x), frozen_mask, tree)

    def init(params: PyTree) -> optax.OptState:
        check_structure(params, frozen_mask, "parameters")
        return inner.init(trainable(params))

    def update(
        updates: PyTree, state: optax.OptState, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.OptState]:
        own = None if params is None else trainable(params)
        updates, state = inner.update(trainable(updates), state, own, **extra)
        return trainable(updates), state

    return optax.GradientTransformationExtraArgs(init, update)
