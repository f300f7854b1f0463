"""The update that leaves a leaf exactly as it is."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from transfer_jax.surgery.masks import Keys, by_keys, entries, is_array, is_hole, key_text
from transfer_jax.surgery.placement import filled_like

ZEROS = {jnp.floating: -0.0, jnp.complexfloating: complex(-0.0, -0.0)}
NO_ZERO = ("float8_e8m0fnu",)


def still(leaf: Any, gradient: Any = None) -> Any:
    """What added to a leaf gives the leaf, to the bit.

    For floats it is minus zero, since -0.0 + 0.0 is 0.0; for integers and booleans zero. The
    dtype is the gradient's where both are of one kind, else the leaf's; the shape is the
    leaf's. What nothing can be added to (a key of randomness, a function, a dtype without a
    zero) gets None, which `eqx.apply_updates` leaves alone.

    Args:
      leaf: the parameter; None where it is not known.
      gradient: its gradient, which may be a hole or of dtype float0.

    Returns:
      An array, or None; a hole where there is neither leaf nor gradient.

    Example:
      >>> still(jnp.ones(2)).tolist(), still(jnp.int8(3)).dtype.name
      ([-0.0, -0.0], 'int8')
    """
    if is_hole(leaf):
        if is_hole(gradient):
            return gradient
        leaf = gradient
    if not is_array(leaf):
        return None
    dtype = jnp.result_type(leaf)
    if dtype == jax.dtypes.float0:  # the gradient of an integer whose dtype is not known
        return np.zeros(np.shape(leaf), bool)
    if jnp.issubdtype(dtype, jax.dtypes.extended) or dtype.name in NO_ZERO:
        return None
    zero = next((z for kind, z in ZEROS.items() if jnp.issubdtype(dtype, kind)), 0)
    return filled_like(leaf, zero, _dtype_of_update(dtype, getattr(gradient, "dtype", dtype)))


def updates_given(updates: PyTree, *results: PyTree) -> dict[Keys, Any]:
    """What optimizers that each saw a part of the leaves have made of them.

    Args:
      updates: the gradients of the whole tree.
      results: what they returned, trees with holes.

    Returns:
      Key tuple to update.

    Raises:
      ValueError: a result is no tree of the leaves of `updates`.

    Example:
      >>> updates_given({"a": 1.0, "b": 1.0}, {"a": 2.0, "b": None})
      {('a',): 2.0}
    """
    given: dict[Keys, Any] = {}
    for result in results:
        given |= by_keys(result)
    if strange := given.keys() - set(entries(updates)[0]):
        names = ", ".join(sorted(map(key_text, strange)))
        raise ValueError(f"the optimizer returns updates of {names}, which it was not given")
    return given


def whole_update(
    params: PyTree | None, updates: PyTree, given: Mapping[Keys, Any] | None = None
) -> PyTree:
    """The updates of a whole tree: what is given, else what leaves a leaf still.

    Args:
      params: the parameters; None where they are not known.
      updates: the gradients.
      given: key tuple to update, of the leaves that move; None for no such leaf.

    Returns:
      A tree of the structure of `updates`.

    Example:
      >>> whole_update(None, {"a": jnp.float32(3), "b": 1.0}, {("b",): 2.0})["b"]
      2.0
    """
    keys, leaves, structure = entries(updates)
    values = {} if params is None else by_keys(params)
    given = given or {}
    found = [
        given[key] if key in given else still(values.get(key), gradient)
        for key, gradient in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, found)


def _dtype_of_update(dtype: Any, gradient: Any) -> Any:
    """The gradient's dtype, as optax's wrappers that put off a step expect, if it can be added."""
    if not any(jnp.issubdtype(dtype, k) and jnp.issubdtype(gradient, k) for k in ZEROS):
        return dtype
    try:
        jnp.promote_types(dtype, gradient)
    except jax.dtypes.TypePromotionError:
        return dtype
    return gradient
