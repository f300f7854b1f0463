"""Columns over devices: axis `column`, and axis `data` where there are devices to spare."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import PyTree

from transfer_jax.engine.compiler import compiler_options

COLUMN, DATA = "column", "data"
Item = TypeVar("Item")


class MeshError(ValueError):
    """Devices, processes, columns and batch do not fit together."""


def devices_per_column(columns: int, devices: int, batch_size: int, asked: int = 0) -> int:
    """How many devices share the batch of one column.

    Args:
      columns: number of columns that one program trains.
      devices: number of devices of all processes.
      batch_size: examples of a training batch.
      asked: the number that a config asks for; 0 takes as many as are to spare.

    Returns:
      A number that divides both the devices and the batch.

    Raises:
      MeshError: the number asked for does not divide the devices or the batch.

    Example:
      >>> devices_per_column(columns=4, devices=16, batch_size=32)
      4
    """
    allowed = [n for n in range(1, devices + 1) if devices % n == 0 and batch_size % n == 0]
    if asked and asked not in allowed:
        raise MeshError(
            f"devices_per_column is {asked}; it must divide the {devices} devices and the batch "
            f"of {batch_size}: allowed: {', '.join(map(str, allowed))}"
        )
    return asked or max(n for n in allowed if n == 1 or devices // n >= columns)


def column_mesh(devices: int | Sequence[Any] | None = None, data: int = 1) -> Mesh:
    """A mesh of axes `column` and `data`.

    Args:
      devices: the devices, or how many of all processes'; None takes all of these.
      data: devices that share the batch of one column.

    Returns:
      The mesh.

    Example:
      >>> dict(column_mesh(1).shape)
      {'column': 1, 'data': 1}
    """
    if devices is None or isinstance(devices, int):
        devices = jax.devices()[:devices]
    return Mesh(np.asarray(devices).reshape(-1, data), (COLUMN, DATA))


def check_processes(columns: int, mesh: Mesh) -> None:
    """Check that every process has a column, or a share of one, to train.

    Args:
      columns: number of columns.

    Raises:
      MeshError: a process would only wait.
    """
    data, processes = mesh.shape[DATA], jax.process_count()
    busy = min(columns, mesh.shape[COLUMN]) * data
    useful = -(-busy * processes // mesh.devices.size)
    if useful < processes:
        raise MeshError(
            f"{processes} processes of {mesh.devices.size // processes} devices are more than "
            f"{columns} columns x {data} devices a column can use; start {useful} or fewer"
        )


def over_columns(
    fn: Callable[..., Any],
    mesh: Mesh,
    *,
    shared: tuple[type, ...] = (),
    donate: Sequence[int] = (),
    lean: bool = False,
) -> Callable[..., Any]:
    """A function of one column, run on every row of the mesh for the column that lies there.

    The compiled program is that of one column: within a device the leading axis of 1 is
    dropped, so convolutions stay plain ones. Along `data` the compiler divides what the
    arguments' sharding divides: random numbers are those of one device, sums are added up.

    Args:
      fn: a function of trees of arrays.
      shared: types of the arguments that all columns share, as they do numbers; all others have
        a leading axis of columns.
      donate: positions of the arguments whose buffers the results may take.
      lean: whether a CPU computes in the order that needs the least memory.

    Returns:
      The compiled function; its results have a leading axis of columns.

    Example:
      >>> mesh = column_mesh(1)
      >>> over_columns(lambda x: x + 1, mesh)(jax.numpy.zeros((1, 2))).shape
      (1, 2)
    """
    # With one device a column there is nothing for the compiler to divide.
    manual = {COLUMN} if mesh.shape[DATA] > 1 else {COLUMN, DATA}

    def is_shared(arg: Any) -> bool:
        return isinstance(arg, shared) or getattr(arg, "shape", None) == ()

    def program(*args: Any) -> Any:
        for_all = [is_shared(arg) for arg in args]

        def on_device(*args: Any) -> Any:
            own = [
                arg if every else jax.tree.map(lambda leaf: leaf[0], arg)
                for arg, every in zip(args, for_all, strict=True)
            ]
            return jax.tree.map(lambda leaf: leaf[None], fn(*own))

        mapped = jax.shard_map(
            on_device, mesh=mesh, in_specs=tuple(P() if every else P(COLUMN) for every in for_all),
            out_specs=P(COLUMN), axis_names=manual, check_vma=False,
        )  # fmt: skip
        return mapped(*args)

    options = compiler_options(mesh, lean)
    return jax.jit(program, donate_argnums=tuple(donate), compiler_options=options)


def under_axis(fn: Callable[..., Any], *args: Any) -> Any:
    """Run a function as if its arrays still had the leading axis that `over_columns` dropped.

    A step that updates a donated state runs so: without the axis, which goes and comes back
    around it, XLA copies twice as many arrays before it overwrites them.

    Args:
      fn: a function of trees of one column's arrays.
      *args: its arguments.

    Returns:
      What it returns.

    Example:
      >>> under_axis(lambda x: x + 1, jax.numpy.zeros(2)).shape
      (2,)
    """
    outer = jax.tree.map(lambda leaf: leaf[None], args)
    return jax.tree.map(lambda leaf: leaf[0], jax.vmap(fn)(*outer))


def slots(items: Sequence[Item], mesh: Mesh) -> Iterator[list[Item]]:
    """The items in groups of one a row of the mesh.

    Args:
      items: columns of one program.

    Returns:
      Lists as long as the axis `column`; the last may be shorter.

    Example:
      >>> [len(slot) for slot in slots([1, 2], column_mesh(1))]
      [1, 1]
    """
    size = mesh.shape[COLUMN]
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def place(trees: Sequence[PyTree], mesh: Mesh, *, batch_axis: int | None = None) -> PyTree:
    """Stack one tree a column over the mesh; a short slot is filled up with its last tree.

    Args:
      trees: trees of one structure, at most as many as the axis `column` is long.
      batch_axis: axis of the stacked arrays that is divided over `data`; None divides none.

    Returns:
      One tree with a leading axis of columns, sharded over the mesh.

    Example:
      >>> place([jax.numpy.zeros(2)], column_mesh(1)).shape
      (1, 2)
    """
    filled = [*trees, *[trees[-1]] * (mesh.shape[COLUMN] - len(trees))]
    sharding = column_sharding(mesh, batch_axis)
    return jax.tree.map(lambda *leaves: _put(np.stack(leaves), sharding), *filled)


def column_sharding(mesh: Mesh, batch_axis: int | None = None) -> NamedSharding:
    """How arrays with a leading axis of columns lie on a mesh.

    Args:
      batch_axis: their axis that is divided over `data`; None divides none.

    Returns:
      The sharding.

    Example:
      >>> tuple(column_sharding(column_mesh(1), batch_axis=2).spec)
      ('column', None, 'data')
    """
    if batch_axis is None:
        return NamedSharding(mesh, P(COLUMN))
    return NamedSharding(mesh, P(COLUMN, *[None] * (batch_axis - 1), DATA))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Put a tree on every device of the mesh.

    Args:
      tree: any tree of arrays.

    Returns:
      The tree, on every device.

    Example:
      >>> replicate(jax.numpy.zeros(2), column_mesh(1)).shape
      (2,)
    """
    sharding = NamedSharding(mesh, P())
    return jax.tree.map(lambda leaf: _put(np.asarray(leaf), sharding), tree)


def fetch(tree: PyTree) -> PyTree:
    """Bring sharded arrays to the host: every process gets the whole.

    Args:
      tree: a tree of sharded arrays.

    Returns:
      The tree, of NumPy arrays.

    Example:
      >>> fetch(replicate(jax.numpy.zeros(2), column_mesh(1))).tolist()
      [0.0, 0.0]
    """
    if jax.process_count() == 1:
        return jax.device_get(tree)
    return multihost_utils.process_allgather(tree, tiled=True)


def fetch_rows(tree: PyTree, mesh: Mesh) -> dict[int, PyTree]:
    """Bring the columns to the first process's host; all processes call this together.

    Args:
      tree: a tree of arrays with a leading axis of columns, whole on every device of a row.

    Returns:
      Row of the mesh to its tree, of NumPy arrays that nothing on the device can change; nothing
      on other processes than the first.

    Example:
      >>> mesh = column_mesh(1)
      >>> fetch_rows(place([jax.numpy.zeros(2)], mesh), mesh)
      {0: array([0., 0.], dtype=float32)}
    """
    leaves, structure = jax.tree.flatten(tree)
    if jax.process_count() == 1:
        # On a CPU the host's array is the device's own buffer, which the next step overwrites.
        whole = [np.array(leaf) for leaf in jax.device_get(leaves)]
    else:
        # One after the other: devices hold one gathered array at a time, other hosts none.
        gathered = (multihost_utils.process_allgather(leaf, tiled=True) for leaf in leaves)
        whole = [leaf for leaf in gathered if jax.process_index() == 0]
    if len(whole) < len(leaves):
        return {}
    rows = range(mesh.shape[COLUMN])
    return {row: structure.unflatten([leaf[row] for leaf in whole]) for row in rows}


def _put(array: np.ndarray, sharding: NamedSharding) -> jax.Array:
    """Each process gives the parts that lie on its own devices; all hold the same array."""
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])
