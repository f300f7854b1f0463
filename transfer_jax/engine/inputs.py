"""The inputs of columns over a mesh: batches are divided over the chips that share a column."""

from collections.abc import Sequence

from jax.sharding import Mesh

from transfer_jax.data.order import ColumnInputs
from transfer_jax.engine.mesh import DATA, place

BATCHES = ("train_batches", "validation_batches", "test_batches")


def place_inputs(inputs: Sequence[ColumnInputs], mesh: Mesh) -> ColumnInputs:
    """The inputs of columns over a mesh, the batches divided over its axis `data`.

    Args:
      inputs: one a column.

    Returns:
      One tree with a leading axis of columns.
    """
    placed = {
        field: place([getattr(own, field) for own in inputs], mesh, batch_axis=axis)
        for field, axis in batch_axes(inputs[0], mesh).items()
    }
    return ColumnInputs(**placed)


def batch_axes(inputs: ColumnInputs, mesh: Mesh) -> dict[str, int | None]:
    """Which axis of each input, behind that of columns, is divided over the mesh's axis `data`.

    Args:
      inputs: a column's inputs, or their shapes.

    Returns:
      Field to axis; None where it is not of batches, or does not go evenly.
    """
    shares = mesh.shape[DATA]
    return {
        field: 2 if field in BATCHES and getattr(inputs, field).shape[1] % shares == 0 else None
        for field in ColumnInputs._fields
    }
