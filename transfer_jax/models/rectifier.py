"""ReLU that keeps what it gives, not what it takes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def relu(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The larger of a value and 0; the gradient at 0 is 0.

    The layer above keeps what ReLU gives. So the gradient asks that where it passes, and what ReLU
    takes need not be written by the layer below.

    Args:
      x: activations.

    Returns:
      Activations.

    Example:
      >>> relu(jnp.array([-1.0, 0.0, 2.0])).tolist()
      [0.0, 0.0, 2.0]
    """
    return jnp.maximum(x, 0)


def _forward(x: Array) -> tuple[Array, Array]:
    out = jnp.maximum(x, 0)
    return out, out


def _backward(out: Array, gradient: Array) -> tuple[Array]:
    return (jnp.where(out > 0, gradient, 0),)


relu.defvjp(_forward, _backward)
