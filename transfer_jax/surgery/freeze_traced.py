"""A freeze whose mask is data: one compiled program for many conditions."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from transfer_jax.surgery.extra_arguments import sifted
from transfer_jax.surgery.freeze import seen
from transfer_jax.surgery.lookahead import fast_half, of_each_half, one_half
from transfer_jax.surgery.masks import Keys, by_keys, entries, is_array, is_hole, key_text, spread
from transfer_jax.surgery.sieve import TracedSieve, is_trainable
from transfer_jax.surgery.still import updates_given, whole_update


def freeze_traced(
    tx: optax.GradientTransformation, frozen_mask: PyTree
) -> optax.GradientTransformationExtraArgs:
    """`freeze` with a mask that is data: one compiled program serves many masks.

    The step is that of the static form. The price is state and arithmetic for frozen leaves.
    Leaves that are not of floating point stay as they are under any mask, and a hole in the
    gradients counts as a gradient of zero.

    Args:
      tx: an optax transformation whose update of a leaf does not depend on how many other
        leaves there are (added noise does).
      frozen_mask: a tree of boolean arrays, each scalar or broadcastable to its leaf, True at
        frozen leaves; it may be traced, also by `vmap`. As for `freeze` it is about leaves by
        path.

    Returns:
      A transformation of whole parameter trees.

    Raises:
      TypeError: the mask holds something else than booleans.
      SelectionError: at `init` and `update`, if the trees have other leaves than the mask, or one
        that its flags do not broadcast to.

    Example:
      >>> def step(frozen):
      ...     params = {"conv1": jnp.ones(2), "fc2": jnp.ones(2)}
      ...     tx = freeze_traced(optax.sgd(1.0), {"conv1": frozen, "fc2": ~frozen})
      ...     updates, _ = tx.update(params, tx.init(params), params)
      ...     return optax.apply_updates(params, updates)["conv1"][0]
      >>> jax.vmap(step)(jnp.array([True, False])).tolist()
      [1.0, 0.0]
    """
    transform = optax.with_extra_args_support(tx)
    sieve = TracedSieve(_booleans(frozen_mask))

    def init(params: PyTree) -> optax.OptState:
        return transform.init(seen(sieve, params))

    def update(
        updates: PyTree, state: optax.OptState, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.OptState]:
        updates = _of_floats(spread(updates, fast_half(params)), fast_half(params))
        own, state = transform.update(
            sieve.keep(updates, "updates"),
            state,
            None if params is None else seen(sieve, params),
            **sifted(extra, sieve, params),
        )

        def whole(params: PyTree | None, own: PyTree) -> PyTree:
            updates_given(updates, own)  # else it is refused
            return sieve.fill(own, whole_update(params, updates))

        return of_each_half(whole, params, own), state

    return optax.GradientTransformationExtraArgs(init, update)


def _booleans(mask: PyTree) -> dict[Keys, Any]:
    flags = by_keys(one_half(mask))
    for key, flag in flags.items():
        if not is_array(flag) or jnp.result_type(flag) != jnp.bool_:
            found = getattr(flag, "dtype", type(flag).__name__)
            raise TypeError(f"the mask holds {found} at {key_text(key)}; allowed: bool")
    return flags


def _of_floats(updates: PyTree, params: PyTree | None) -> PyTree:
    """A gradient wherever the parameter is of floating point, and nowhere else."""
    known = {} if params is None else by_keys(params)
    keys, leaves, structure = entries(updates)

    def gradient(key: Keys, leaf: Any) -> Any:
        if key not in known:
            return leaf
        if not is_trainable(known[key]):
            return None
        return jnp.zeros_like(known[key]) if is_hole(leaf) else leaf

    return jax.tree.unflatten(structure, list(map(gradient, keys, leaves)))
