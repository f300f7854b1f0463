"""Columns over devices: one column a device, one program for all."""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree

from transfer_jax.surgery.stacking import stack

AXIS = "column"
MAX_CPU_DEVICES = 8
Item = TypeVar("Item")


def spread_over_cores() -> None:
    """Make each core of a CPU a device, up to eight, unless the number has been set already.

    Columns then run side by side, with the same results to the bit: XLA's number of threads,
    by which its convolutions sum, stays that of the cores. It does nothing once JAX has looked
    at its devices, and nothing to accelerators.
    """
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    # Once JAX has looked at its devices, their number stays as it is.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", min(os.cpu_count() or 1, MAX_CPU_DEVICES))


def column_mesh(devices: int | None = None) -> Mesh:
    """A mesh whose one axis, `column`, runs over devices.

    Args:
      devices: number of devices; None takes all.

    Returns:
      The mesh.

    Example:
      >>> column_mesh(1).axis_names
      ('column',)
    """
    return Mesh(np.asarray(jax.devices()[:devices]), (AXIS,))


def over_columns(
    fn: Callable[..., Any], mesh: Mesh, *, shared: Sequence[int] = (), donate: Sequence[int] = ()
) -> Callable[..., Any]:
    """A function of one column, run on every device for the column that lies there.

    The compiled program is that of one column: within a device the leading axis of 1 is
    dropped, so convolutions stay plain ones.

    Args:
      fn: a function of trees of arrays.
      mesh: the mesh.
      shared: positions of the arguments that all columns share; the others have a leading
        axis of columns.
      donate: positions of the arguments whose buffers the results may take.

    Returns:
      The compiled function; its results have a leading axis of columns.

    Example:
      >>> mesh = column_mesh(1)
      >>> over_columns(lambda x: x + 1, mesh)(jax.numpy.zeros((1, 2))).shape
      (1, 2)
    """

    def on_device(*args: Any) -> Any:
        own = [
            arg if i in shared else jax.tree.map(lambda leaf: leaf[0], arg)
            for i, arg in enumerate(args)
        ]
        return jax.tree.map(lambda leaf: leaf[None], fn(*own))

    def program(*args: Any) -> Any:
        specs = tuple(P() if i in shared else P(AXIS) for i in range(len(args)))
        mapped = jax.shard_map(
            on_device, mesh=mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False
        )
        return mapped(*args)

    return jax.jit(program, donate_argnums=tuple(donate))


def slots(items: Sequence[Item], mesh: Mesh) -> Iterator[list[Item]]:
    """The items in groups of one a device.

    Args:
      items: columns of one program.
      mesh: the mesh.

    Returns:
      Lists as long as the mesh; the last may be shorter.

    Example:
      >>> [len(slot) for slot in slots([1, 2], column_mesh(1))]
      [1, 1]
    """
    size = mesh.devices.size
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def place(trees: Sequence[PyTree], mesh: Mesh) -> PyTree:
    """Stack one tree a column over the mesh; a short slot is filled up with its last tree.

    Args:
      trees: trees of one structure, at most as many as devices.
      mesh: the mesh.

    Returns:
      One tree with a leading axis of columns, sharded over the mesh.

    Example:
      >>> place([jax.numpy.zeros(2)], column_mesh(1)).shape
      (1, 2)
    """
    filled = [*trees, *[trees[-1]] * (mesh.devices.size - len(trees))]
    return jax.device_put(stack(filled), NamedSharding(mesh, P(AXIS)))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Put a tree on every device of the mesh.

    Args:
      tree: any tree of arrays.
      mesh: the mesh.

    Returns:
      The tree, on every device.

    Example:
      >>> replicate(jax.numpy.zeros(2), column_mesh(1)).shape
      (2,)
    """
    return jax.device_put(tree, NamedSharding(mesh, P()))
