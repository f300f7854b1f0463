"""A receipt of what changed between two trees."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from transfer_jax.surgery.masks import is_array
from transfer_jax.surgery.matching import alike, describe
from transfer_jax.surgery.paths import flatten_paths, leaf_paths

# Up to this size, copying bytes out and comparing them is faster than NumPy's comparison.
SMALL = 1 << 14


@dataclass(frozen=True)
class ChangeReport:
    """What `diff` found.

    Attributes:
      identical: paths of the leaves whose bits are the same.
      moved: path to L2 norm of the change, for leaves of equal shape that differ in a bit.
      added: paths only the later tree has.
      removed: paths only the earlier tree has.
      reshaped: path to (description before, description after), shape, dtype or kind changed.
    """

    identical: tuple[str, ...]
    moved: dict[str, float]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    reshaped: dict[str, tuple[str, str]]

    def __bool__(self) -> bool:
        return bool(self.moved or self.added or self.removed or self.reshaped)

    def __str__(self) -> str:
        lines = [f"{len(self.identical)} leaves identical to the bit"]
        lines += [f"moved    {path}  L2 {distance:.6g}" for path, distance in self.moved.items()]
        lines += [f"added    {path}" for path in self.added]
        lines += [f"removed  {path}" for path in self.removed]
        lines += [f"reshaped {path}  {a} -> {b}" for path, (a, b) in self.reshaped.items()]
        return "\n".join(lines)


def diff(before: PyTree, after: PyTree) -> ChangeReport:
    """Compare two trees leaf by leaf, to the bit.

    Args:
      before: any pytree; leaves that are no arrays are compared by `==`.
      after: any pytree; leaves are matched by path.

    Returns:
      A report that is false if and only if the trees hold the same paths and the same bits.

    Example:
      >>> print(diff({"a": jnp.zeros(2), "b": 1.0}, {"a": jnp.array([3.0, 4.0]), "b": 1.0}))
      1 leaves identical to the bit
      moved    a  L2 5
    """
    old, new = _by_path(before, after)
    identical, moved, reshaped = [], {}, {}
    for path, left in old.items():
        if path not in new:
            continue
        right = new[path]
        if not alike(left, right):
            reshaped[path] = describe(left), describe(right)
        elif (change := _change(left, right)) is None:
            identical.append(path)
        else:
            moved[path] = change
    return ChangeReport(
        identical=tuple(identical),
        moved=moved,
        added=tuple(path for path in new if path not in old),
        removed=tuple(path for path in old if path not in new),
        reshaped=reshaped,
    )


def _by_path(before: PyTree, after: PyTree) -> tuple[dict[str, Any], dict[str, Any]]:
    paths, leaves, structure = flatten_paths(before)
    other_leaves, other_structure = jax.tree.flatten(after)
    other_paths = paths if other_structure == structure else leaf_paths(after)
    old = dict(zip(paths, leaves, strict=True))
    return old, dict(zip(other_paths, other_leaves, strict=True))


def _change(old: Any, new: Any) -> float | None:
    """None where the bits are the same, else the L2 norm of the change (NaN if it has none)."""
    if old is new:
        return None
    if isinstance(old, jax.ShapeDtypeStruct):
        return None
    if not is_array(old):
        return None if old == new else float("nan")
    left, right = _host(old), _host(new)
    if left.dtype.hasobject or right.dtype.hasobject:  # bytes of these say where an object lies
        return None if np.array_equal(left, right) else float("nan")
    if left.dtype != right.dtype:  # a number of Python, which is wider than JAX takes it for
        left, right = (x.astype(jnp.result_type(old)) for x in (left, right))
    small = left.nbytes <= SMALL
    same = left.tobytes() == right.tobytes() if small else np.array_equal(_bits(left), _bits(right))
    if same:
        return None
    return _distance(left, right)


def _distance(left: np.ndarray, right: np.ndarray) -> float:
    wide = np.complex128 if np.iscomplexobj(left) else np.float64
    try:
        with np.errstate(all="ignore"):  # infinities have no distance
            return float(np.linalg.norm((right.astype(wide) - left.astype(wide)).ravel()))
    except (TypeError, ValueError):  # nor have texts
        return float("nan")


def _host(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _bits(array: np.ndarray) -> np.ndarray:
    """The array's memory as integers, which unlike floats equal themselves when they are NaN."""
    flat = np.ascontiguousarray(array).reshape(-1)
    words = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
    return flat.view(words.get(array.dtype.itemsize, np.uint8))
