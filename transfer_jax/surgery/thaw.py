"""Thawing: the state of a frozen optimizer after some leaves have been set free."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import PyTree

from transfer_jax.surgery.freeze import FROZEN
from transfer_jax.surgery.masks import by_keys, entries, key_text
from transfer_jax.surgery.paths import span
from transfer_jax.surgery.placement import copied


def thaw(
    opt_state: optax.OptState,
    tx: optax.GradientTransformation,
    params: PyTree,
    *,
    copy: bool = True,
) -> optax.OptState:
    """The optimizer state after some frozen leaves have been set free.

    What was training keeps its state. Thawed leaves start with a fresh one and a step count
    of their own: with the count of the others, Adam's bias correction would be spent and the
    first step about three times the learning rate.

    Args:
      opt_state: the state of a frozen optimizer, before the thaw or restored from a file; its
        leaves may be wrapped otherwise than the parameters, as those of `nnx.Optimizer` are.
      tx: the optimizer after the thaw: `freeze` with fewer frozen leaves, and those set free
        in one more mask of `thawed`.
      params: the parameters.
      copy: False leaves the old state's arrays in the new one. That saves the memory of a
        second state, and a step that donates the new one deletes the old.

    Returns:
      A state for `tx`, of the structure that `tx.init(params)` has.

    Raises:
      ValueError: the state is not that of a frozen optimizer, or of another one; or a leaf that
        was training has moved to another group, or has another shape.

    Example:
      >>> from transfer_jax.surgery.freeze import freeze
      >>> params = {"conv1": jax.numpy.ones(2), "fc2": jax.numpy.ones(2)}
      >>> conv1 = {"conv1": True, "fc2": False}
      >>> state = freeze(optax.adam(0.1), conv1).init(params)
      >>> nothing = {"conv1": False, "fc2": False}
      >>> tx = freeze(optax.adam(0.1), nothing, thawed=[conv1])
      >>> sorted(thaw(state, tx, params).inner_states)
      ['frozen', 'thaw 1', 'trainable']

    Source: gradual unfreezing, Howard and Ruder (2018), section 3.3.
    """
    fresh: Any = tx.init(params)
    old = getattr(opt_state, "inner_states", None)
    if old is None or not hasattr(fresh, "inner_states"):
        raise ValueError("thaw takes the state and the optimizer that `freeze` makes")
    if lost := [name for name in old if name not in fresh.inner_states]:
        raise ValueError(f"the optimizer has no group '{lost[0]}': pass every earlier mask again")
    states = dict(fresh.inner_states)
    for name in (name for name in old if name != FROZEN):
        states[name] = _carried_over(name, old[name], states[name], copy)
    return fresh._replace(inner_states=states)


def _carried_over(name: str, old: PyTree, fresh: PyTree, copy: bool) -> PyTree:
    """The old leaves in the structure of the fresh state."""
    keys, leaves, structure = entries(fresh)
    own, new = by_keys(old), by_keys(fresh)
    if odd := sorted(key_text(key) for key in new.keys() ^ own.keys()):
        raise ValueError(
            f"the leaves of group '{name}' are not those it had: list what is set free in "
            f"one more mask of `thawed`, and keep the optimizer; not in both: {span(odd)}"
        )
    for key, leaf in new.items():
        if jnp.shape(leaf) != (had := jnp.shape(own[key])):
            raise ValueError(
                f"{key_text(key)} of group '{name}' has the shape {jnp.shape(leaf)}, had {had}"
            )
    kept = [own.get(key, leaf) for key, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, [copied(leaf) if copy else leaf for leaf in kept])
