"""Shapes of what the training loop hands to a column program, as they lie on a mesh."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree

from transfer_jax.data.order import ColumnInputs, DeviceImages, Images
from transfer_jax.engine.feeds import batch_sharding, shapes_of_images
from transfer_jax.engine.mesh import COLUMN, DATA
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.plan.estimate import step_shapes
from transfer_jax.plan.plan import Plan

BATCHES = ("train_batches", "validation_batches", "test_batches")


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


def _columns(tree: PyTree, mesh: Mesh, *, batch_axis: int | None = None) -> PyTree:
    """As `place` puts one tree a column on a mesh."""
    spec = P(COLUMN) if batch_axis is None else P(COLUMN, *[None] * (batch_axis - 1), DATA)
    sharding = NamedSharding(mesh, spec)

    def placed(leaf: Any) -> jax.ShapeDtypeStruct:
        shape = (mesh.shape[COLUMN], *leaf.shape)
        return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=sharding)

    return jax.tree.map(placed, tree)


def _inputs(inputs: ColumnInputs, mesh: Mesh) -> ColumnInputs:
    """As the loop places them: batches are divided where that goes evenly."""
    divided = [f for f in BATCHES if getattr(inputs, f).shape[1] % mesh.shape[DATA] == 0]
    placed = {
        field: _columns(getattr(inputs, field), mesh, batch_axis=2 if field in divided else None)
        for field in ColumnInputs._fields
    }
    return ColumnInputs(**placed)


def _images(images: Images, mesh: Mesh) -> PyTree:
    """As a feed gives them: all of them on every device, or each column's own batch."""
    if not isinstance(images, DeviceImages):
        sharding = batch_sharding(mesh, images.labels.shape[0])
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                (mesh.shape[COLUMN], *leaf.shape), leaf.dtype, sharding=sharding
            ),
            images,
        )
    sharding = NamedSharding(mesh, P())
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), images
    )
