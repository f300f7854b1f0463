"""Conditions in turn: a TPU trains each in the memory of the one before."""

from functools import reduce
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from transfer_jax.models.backend import target_backend

Held = TypeVar("Held")
# Larger leaves would be written once more.
SMALL = 2**20


def one_after_another(before: PyTree, held: Held, step: Int[Array, ""]) -> Held:
    """What conditions hold, once what those before them hold has been updated.

    XLA orders what does not depend on each other as it likes, and likes to begin with all of it:
    then the activations of all conditions lie in memory at once. Barriers do not keep it from that;
    numbers do. So the bits of small leaves are changed where no bit of `before` is: by nothing.

    Others are told nothing. A CPU needs several conditions, to keep its cores busy; a GPU, which
    has the room, would move a sixth more bytes.

    Args:
      before: the results of the conditions before; none for the first ones.
      held: what the next ones hold.
      step: the steps done, which XLA does not know to be no less than 0.

    Returns:
      The same values, to the bit.

    Example:
      >>> old, new = {"kernel": jnp.ones(2)}, {"kernel": jnp.full(2, -0.0)}
      >>> one_after_another(old, new, jnp.zeros((), jnp.int32))["kernel"].tolist()
      [-0.0, -0.0]
    """
    floats = [leaf for leaf in jax.tree.leaves(before) if leaf.dtype == jnp.float32 and leaf.size]
    if target_backend() != "tpu" or not floats:
        return held
    none = reduce(jnp.bitwise_or, [_bits(leaf.reshape(-1)[0]) for leaf in floats])
    none &= jnp.minimum(step, 0)

    def later(leaf: Array) -> Array:
        if leaf.dtype != jnp.float32 or leaf.size > SMALL:
            return leaf
        return jax.lax.bitcast_convert_type(_bits(leaf) ^ none, jnp.float32)

    return jax.tree.map(later, held)


def _bits(x: Array) -> Array:
    return jax.lax.bitcast_convert_type(x, jnp.int32)
