"""Shapes of what the training loop hands to a column program, as they lie on a mesh."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree

from transfer_jax.data.order import ColumnInputs, DeviceImages, Images
from transfer_jax.engine.feeds import batch_sharding, shapes_of_images
from transfer_jax.engine.inputs import batch_axes
from transfer_jax.engine.mesh import COLUMN, column_sharding
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.plan.estimate import step_shapes
from transfer_jax.plan.plan import Plan


def train_arguments(
    plan: Plan, program: ColumnProgram, trainings: int, mesh: Mesh
) -> tuple[Any, ...]:
    """What a call of some steps takes.

    Args:
      program: the column's program, in one of its phases.
      trainings: the column's.

    Returns:
      State, base, images, inputs and the number of steps, of `jax.ShapeDtypeStruct`.
    """
    state, base, images, inputs = step_shapes(plan, program, trainings)
    placed = (_columns(state, mesh), _columns(base, mesh))
    own = (_images(images, mesh), _inputs(inputs, mesh))
    return (*placed, *own, jax.ShapeDtypeStruct((), np.int32))


def evaluate_arguments(
    plan: Plan, program: ColumnProgram, trainings: int, mesh: Mesh
) -> tuple[Any, ...]:
    """What the evaluation of a batch takes.

    Args:
      program: the column's program, in one of its phases.
      trainings: the column's.

    Returns:
      Counts, the conditions' states, base, images and inputs, of `jax.ShapeDtypeStruct`.
    """
    state, base, _, inputs = step_shapes(plan, program, trainings)
    counts = jax.eval_shape(program.no_counts)
    images = shapes_of_images(plan.recipe.images, plan.recipe.test_batch_size)
    held = (_columns(tree, mesh) for tree in (counts, state.conditions, base))
    return (*held, _images(images, mesh), _inputs(inputs, mesh))


def on_every_device(tree: PyTree, mesh: Mesh) -> PyTree:
    """As `replicate` puts a tree on a mesh.

    Args:
      tree: arrays, or their shapes.

    Returns:
      The tree, of `jax.ShapeDtypeStruct`.
    """
    return _placed(tree, (), NamedSharding(mesh, P()))


def _columns(tree: PyTree, mesh: Mesh, batch_axis: int | None = None) -> PyTree:
    """As `place` puts one tree a column on a mesh."""
    return _placed(tree, (mesh.shape[COLUMN],), column_sharding(mesh, batch_axis))


def _inputs(inputs: ColumnInputs, mesh: Mesh) -> ColumnInputs:
    """As the loop places them."""
    axes = batch_axes(inputs, mesh).items()
    return ColumnInputs(**{f: _columns(getattr(inputs, f), mesh, axis) for f, axis in axes})


def _images(images: Images, mesh: Mesh) -> PyTree:
    """As a feed gives them: all of them on every device, or each column's own batch."""
    if isinstance(images, DeviceImages):
        return on_every_device(images, mesh)
    sharding = batch_sharding(mesh, images.labels.shape[0])
    return _placed(images, (mesh.shape[COLUMN],), sharding)


def _placed(tree: PyTree, leading: tuple[int, ...], sharding: NamedSharding) -> PyTree:
    def placed(leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((*leading, *leaf.shape), leaf.dtype, sharding=sharding)

    return jax.tree.map(placed, tree)
