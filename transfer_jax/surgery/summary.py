"""A table of what a tree holds, layer by layer."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from transfer_jax.surgery.paths import join_keys, leaf_paths, split_path
from transfer_jax.surgery.selection import Where, mask_of


@dataclass(frozen=True)
class LayerSummary:
    """One layer: its name, parameters, bytes, and how many of the parameters are frozen."""

    name: str
    parameters: int
    bytes: int
    frozen: int

    @property
    def state(self) -> str:
        """ "frozen", "trainable" or "partly frozen"."""
        if self.frozen == 0:
            return "trainable"
        return "frozen" if self.frozen == self.parameters else "partly frozen"


@dataclass(frozen=True)
class Summary:
    """The layers of a tree; it prints as a table."""

    layers: tuple[LayerSummary, ...]

    @property
    def total(self) -> LayerSummary:
        """All layers together."""
        sums = (sum(getattr(layer, name) for layer in self.layers) for name in _SUMMED)
        return LayerSummary("total", *sums)

    def __str__(self) -> str:
        rows = [("layer", "parameters", "bytes", "")]
        for layer in (*self.layers, self.total):
            rows.append((layer.name, f"{layer.parameters:,}", f"{layer.bytes:,}", layer.state))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join(
            f"{name:<{widths[0]}}  {count:>{widths[1]}}  {size:>{widths[2]}}  {state}".rstrip()
            for name, count, size, state in rows
        )


_SUMMED = ("parameters", "bytes", "frozen")


def summary(tree: PyTree, frozen: Where | None = None, *, depth: int = 1) -> Summary:
    """The layers of a tree: parameters, bytes, frozen or trainable.

    Args:
      tree: any tree of arrays or `jax.ShapeDtypeStruct`; leaves that are no arrays count 0.
      frozen: a mask of the tree's leaves, True at frozen leaves, or what `select` takes;
        None for nothing frozen.
      depth: how many keys of a path name a layer.

    Returns:
      The summary, layers in tree order.

    Raises:
      SelectionError: the mask does not fit.

    Example:
      >>> print(summary({"conv1": jnp.zeros((2, 3)), "fc2": jnp.zeros(4)}, "conv1"))
      layer  parameters  bytes
      conv1           6     24  frozen
      fc2             4     16  trainable
      total          10     40  partly frozen
    """
    paths, leaves = leaf_paths(tree), jax.tree.leaves(tree)
    flags = [False] * len(leaves) if frozen is None else jax.tree.leaves(mask_of(tree, frozen))
    layers: dict[str, list[int]] = {}
    for path, leaf, flag in zip(paths, leaves, flags, strict=True):
        sums = layers.setdefault(join_keys(split_path(path)[:depth]), [0, 0, 0])
        size, itemsize = _sizes(leaf)
        for i, more in enumerate((size, size * itemsize, size * bool(flag))):
            sums[i] += more
    return Summary(tuple(LayerSummary(name, *sums) for name, sums in layers.items()))


def _sizes(leaf: Any) -> tuple[int, int]:
    if hasattr(leaf, "dtype"):
        return leaf.size, leaf.dtype.itemsize
    if isinstance(leaf, bool | int | float | complex):
        return 1, jnp.result_type(leaf).itemsize
    return 0, 0
