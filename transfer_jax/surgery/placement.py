"""Array operations that run where an array lies, whatever device or mesh is the active one."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

Spec = tuple[Any, ...]
NO_MESH = Mesh(np.empty((), dtype=object), ())


def at_home(leaf: Any) -> AbstractContextManager[Any]:
    """A context in which an array's own mesh is the active one, or none if it has no mesh.

    Args:
      leaf: any leaf; traced ones, and what is no array, leave the context as it is.

    Returns:
      The context.
    """
    if not _is_placed(leaf) or jax.sharding.get_abstract_mesh().empty:
        return nullcontext()
    sharding = leaf.sharding
    mesh: Any = sharding.mesh if isinstance(sharding, NamedSharding) else NO_MESH
    try:
        return jax.set_mesh(mesh)
    except ValueError:  # within a trace the mesh is the trace's
        return nullcontext()


def copied(leaf: Any) -> Any:
    """A copy of an array in the same place, in memory of its own; anything else as it is.

    Args:
      leaf: any leaf.

    Returns:
      The copy. In a traced function it costs nothing, and the result is no input's buffer.

    Example:
      >>> before = np.zeros(2)
      >>> copied(before) is before
      False
    """
    if isinstance(leaf, np.ndarray):
        return leaf.copy()
    if not isinstance(leaf, jax.Array):
        return leaf
    with at_home(leaf):
        return _back(jnp.copy(leaf), leaf)


def filled_like(leaf: Any, value: Any, dtype: Any = None) -> jax.Array:
    """An array of one value, in the place of another array and of its shape.

    Args:
      leaf: an array or a number.
      dtype: the dtype; None for that of `leaf`.

    Returns:
      The array.

    Example:
      >>> filled_like(np.ones(2, np.int8), 0).dtype.name
      'int8'
    """
    with at_home(leaf):
        return _back(jnp.full_like(leaf, value, dtype=dtype), leaf)


def stacked(leaves: Sequence[Any]) -> jax.Array:
    """Arrays along a new leading axis, in the place of the first.

    Args:
      leaves: at least one array, all of one shape.

    Returns:
      The stack; its leading axis is not divided between devices.
    """
    first = _automatic(leaves[0])
    with at_home(first):
        found = jnp.stack([first, *(moved(leaf, first) for leaf in leaves[1:])])
    return _back(found, leaves[0], lambda spec: (None, *spec))


def row(leaf: Any, index: Any) -> Any:
    """One row along the leading axis, in the place of the whole.

    Args:
      leaf: an array.
      index: the row; it may be traced.

    Returns:
      The row, divided between devices as the whole's other axes are.
    """
    if isinstance(leaf, np.ndarray) and isinstance(index, int):
        return leaf[index].copy()  # else a view of the whole
    automatic = _automatic(leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf))
    with at_home(automatic):
        found = automatic[index]
    return _back(found, leaf, lambda spec: spec[1:])


def with_row(leaf: Any, index: Any, new_row: Any) -> jax.Array:
    """A copy of an array with one row along the leading axis replaced.

    Args:
      leaf: the array.
      index: the row; it may be traced.
      new_row: what comes there, from wherever it lies.

    Returns:
      An array in the place of `leaf`.
    """
    automatic = _automatic(jnp.asarray(leaf))
    with at_home(automatic):
        new_row = moved(new_row, _automatic(row(automatic, index)))
        found = automatic.at[index].set(new_row)
    return _back(found, leaf)


def moved(leaf: Any, like: Any) -> Any:
    """An array in the place of another one; traced ones and what has no place as they are.

    Args:
      leaf: any leaf.
      like: a leaf of the same shape.

    Returns:
      The leaf itself where both lie in the same place.
    """
    if not (_is_placed(leaf) and _is_placed(like)) or leaf.sharding == like.sharding:
        return leaf
    return jax.device_put(leaf, like.sharding) if like.committed else leaf


def _is_placed(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and not isinstance(leaf, Tracer)


def _automatic(leaf: Any) -> Any:
    """The same array under a mesh that leaves shardings to the compiler; nothing is moved."""
    sharding = leaf.sharding if _is_placed(leaf) else None
    if not isinstance(sharding, NamedSharding) or AxisType.Explicit not in sharding.mesh.axis_types:
        return leaf
    mesh: Any = sharding.mesh
    automatic = Mesh(mesh.devices, mesh.axis_names)
    return jax.device_put(leaf, NamedSharding(automatic, sharding.spec))


def _back(found: Any, like: Any, spec_of: Callable[[Spec], Spec] = tuple) -> Any:
    """A result put where the array lies that it was made of, in the same kind of memory."""
    if not (_is_placed(found) and _is_placed(like) and like.committed):
        return found
    home = like.sharding
    if isinstance(home, NamedSharding):
        spec = PartitionSpec(*spec_of(tuple(home.spec)))
        home = NamedSharding(home.mesh, spec, memory_kind=home.memory_kind)
    return found if found.sharding == home else jax.device_put(found, home)
