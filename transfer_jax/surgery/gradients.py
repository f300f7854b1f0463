"""Gradients of the trainable part alone, so that no backward pass runs below it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from transfer_jax.surgery.partition import combine, partition
from transfer_jax.surgery.selection import Where


def value_and_grad(
    fun: Callable[..., Any], frozen: Where, *, has_aux: bool = False
) -> Callable[..., tuple[Any, PyTree]]:
    """`jax.value_and_grad` with respect to the trainable leaves of the first argument.

    The frozen leaves are constants of the differentiation: no backward pass runs below the
    first trainable layer, even if something reads all gradients, as a norm does.

    Args:
      fun: a function of parameters, and anything else, that returns a scalar.
      frozen: a mask of the parameters' structure, True at frozen leaves, or what `select`
        takes. The other leaves must be of floating point.
      has_aux: whether `fun` returns (scalar, anything).

    Returns:
      A function of the arguments of `fun` that returns (value, gradients); the gradients have
      the parameters' structure and are zero at frozen leaves.

    Raises:
      SelectionError: when called, if the mask does not fit the parameters.

    Example:
      >>> loss = lambda params: params["conv1"] * params["fc2"]
      >>> value, grads = value_and_grad(loss, "conv1")({"conv1": 2.0, "fc2": 3.0})
      >>> float(grads["conv1"]), float(grads["fc2"])
      (0.0, 2.0)
    """

    def with_grad(params: PyTree, *args: Any, **kwargs: Any) -> tuple[Any, PyTree]:
        fixed, trainable = partition(params, frozen)

        def of_trainable(own: PyTree) -> Any:
            return fun(combine(fixed, own), *args, **kwargs)

        value, grads = jax.value_and_grad(of_trainable, has_aux=has_aux)(trainable)
        return value, combine(jax.tree.map(jnp.zeros_like, fixed), grads)

    return with_grad
