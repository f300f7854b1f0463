"""Numbers that XLA computes apart from what is done with them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def apart(x: Float[Array, "..."], step: Int[Array, ""]) -> Float[Array, "..."]:
    """The same numbers, to the bit, whose computation cannot be joined with what follows.

    XLA joins operations into one kernel, and then may round a product and a sum once instead of
    twice, or sum in another order. What is computed now and what was kept from before would differ
    by that in what follows. Its barriers are gone when it joins; a change of bits by a number that
    it does not know is not. The number is 0.

    Args:
      x: any floats.
      step: the steps done, which XLA does not know to be no less than 0.

    Returns:
      The same.

    Example:
      >>> apart(jnp.array([-0.0, 1.5]), jnp.zeros((), jnp.int32)).tolist()
      [-0.0, 1.5]
    """
    bits = jnp.dtype(f"int{8 * x.dtype.itemsize}")
    none = jnp.minimum(step, 0).astype(bits)
    return jax.lax.bitcast_convert_type(jax.lax.bitcast_convert_type(x, bits) ^ none, x.dtype)
