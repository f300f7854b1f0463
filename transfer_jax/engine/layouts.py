"""How gradients lie in memory."""

import jax
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import PyTree

from transfer_jax.engine.mesh import DATA
from transfer_jax.models.backend import target_backend


def as_parameters_lie(gradients: PyTree) -> PyTree:
    """Gradients of dense layers that lie in a TPU's memory as parameters do, row by row.

    A product gives them transposed as readily. Left to itself XLA then copies parameters and
    momentum, before they are updated and after, at each step. It does so where chips share a batch
    and add their gradients up; elsewhere, and of convolutions, it chooses well.

    Args:
      gradients: a tree of arrays.

    Returns:
      The same numbers. Other devices are told nothing.

    Example:
      >>> as_parameters_lie({"kernel": jax.numpy.ones(2)})["kernel"].tolist()
      [1.0, 1.0]
    """
    shared = jax.sharding.get_abstract_mesh().shape.get(DATA, 1) > 1
    if target_backend() != "tpu" or not shared:
        return gradients

    def by_rows(leaf: jax.Array) -> jax.Array:
        rows = Layout(major_to_minor=(0, 1))
        return with_layout_constraint(leaf, rows) if leaf.ndim == 2 else leaf

    return jax.tree.map(by_rows, gradients)
