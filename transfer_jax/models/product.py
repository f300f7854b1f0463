"""A matrix product whose gradient XLA's CPU backend computes without turning anything round."""

from typing import Any

import jax
from jaxtyping import Array, Float


def in_one_row(
    x: Float[Array, "... in"], kernel: Float[Array, "in out"], **options: Any
) -> Float[Array, "... out"]:
    """The product with all vectors in one row, however many axes they are on.

    For more axes than one XLA's CPU backend turns the gradients of all vectors round before it
    computes the kernel's, which takes longer than the product.

    Args:
      x: vectors.
      **options: of `jax.lax.dot_general`.

    Returns:
      The vectors that leave it, on the same axes.

    Example:
      >>> in_one_row(jax.numpy.ones((2, 3, 4)), jax.numpy.ones((4, 5))).shape
      (2, 3, 5)
    """
    rows, last_by_first = x.reshape(-1, x.shape[-1]), (((1,), (0,)), ((), ()))
    flat = jax.lax.dot_general(rows, kernel, last_by_first, **options)
    return flat.reshape(*x.shape[:-1], kernel.shape[-1])
