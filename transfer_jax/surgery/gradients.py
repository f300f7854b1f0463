"""Gradients of the trainable part alone, so that no backward pass runs below it."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import PyTree

from transfer_jax.surgery.masks import entries, is_array, is_hole, key_text
from transfer_jax.surgery.partition import combine, flags_of_tree, split
from transfer_jax.surgery.selection import Where
from transfer_jax.surgery.sieve import is_trainable
from transfer_jax.surgery.still import still


def value_and_grad(
    fun: Callable[..., Any], frozen: Where, *, has_aux: bool = False
) -> Callable[..., tuple[Any, PyTree]]:
    """`jax.value_and_grad` with respect to the trainable leaves of the first argument.

    The frozen leaves are constants of the differentiation: no backward pass runs below the
    first trainable layer, even if something reads all gradients, as a norm does. So are leaves
    that are no arrays, such as the functions in a module of Equinox.

    Args:
      fun: a function of parameters, and anything else, that returns a scalar.
      frozen: a mask of the parameters' leaves, True at frozen leaves, or what `select`
        takes. The other leaves must be of floating point.
      has_aux: whether `fun` returns (scalar, anything).

    Returns:
      A function of the arguments of `fun` that returns (value, gradients); the gradients have
      the parameters' structure. At frozen leaves they are what `freeze` makes of them, the
      update that leaves a leaf as it is: zero, or None where nothing can be added.

    Raises:
      SelectionError: when called, if the mask does not fit the parameters.
      TypeError: when called, if a leaf that is not frozen is not of floating point.

    Example:
      >>> loss = lambda params: params["conv1"] * params["fc2"]
      >>> value, grads = value_and_grad(loss, "conv1")({"conv1": 2.0, "fc2": 3.0})
      >>> abs(float(grads["conv1"])), float(grads["fc2"])
      (0.0, 2.0)
    """

    def with_grad(params: PyTree, *args: Any, **kwargs: Any) -> tuple[Any, PyTree]:
        fixed, trainable = split(params, _constants(params, frozen))

        def of_trainable(own: PyTree) -> Any:
            return fun(combine(fixed, own), *args, **kwargs)

        value, grads = jax.value_and_grad(of_trainable, has_aux=has_aux)(trainable)
        return value, combine(jax.tree.map(still, fixed), grads)

    return with_grad


def _constants(params: PyTree, frozen: Where) -> list[bool]:
    """For each entry of the parameters, whether it is a constant of the differentiation."""
    keys, leaves, _ = entries(params)
    flags = flags_of_tree(params, frozen)
    for key, leaf, flag in zip(keys, leaves, flags, strict=True):
        if not flag and is_array(leaf) and not is_trainable(leaf):
            kind = getattr(leaf, "dtype", type(leaf).__name__)
            raise TypeError(
                f"{key_text(key)} is {kind} and not frozen; allowed: floating point, or freeze it"
            )
    return [
        bool(flag) or not is_array(leaf) or is_hole(leaf)
        for leaf, flag in zip(leaves, flags, strict=True)
    ]
