"""How gradients lie in memory."""

import jax
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import PyTree

from transfer_jax.models.backend import target_backend


def as_parameters_lie(gradients: PyTree) -> PyTree:
    """Gradients that lie in a TPU's memory as parameters do, their last axis the fastest.

    A product gives a gradient of a dense layer transposed as readily. Left to itself XLA then
    copies parameters and momentum, before they are updated and after, at each step.

    Args:
      gradients: a tree of arrays.

    Returns:
      The same numbers. Other devices are told nothing.

    Example:
      >>> as_parameters_lie({"kernel": jax.numpy.ones(2)})["kernel"].tolist()
      [1.0, 1.0]
    """
    if target_backend() != "tpu":
        return gradients

    def plain(leaf: jax.Array) -> jax.Array:
        return with_layout_constraint(leaf, Layout(major_to_minor=tuple(range(leaf.ndim))))

    return jax.tree.map(plain, gradients)
