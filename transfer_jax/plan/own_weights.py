"""Variables of a network of one's own, as `transfer_jax.save_tree` writes them."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from transfer_jax.models.layered import PARAMS, Variables
from transfer_jax.surgery.paths import flatten_paths
from transfer_jax.surgery.tree_files import load_tree

SHOWN = 3


def read_own_weights(path: Path, like: Variables) -> Variables:
    """The variables of a network from a file that `save_tree` wrote.

    Args:
      path: whatever `load_tree` reads; the name of a layer leads to its `params`, `batch_stats`.
      like: arrays, or shapes, of the network; its last layer may have other numbers of outputs.

    Returns:
      Layer name to variables, in depth order, in host memory.

    Raises:
      ValueError: leaves are missing, left over or of another shape; all of them are counted.
    """
    found = load_tree(path)
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no layers by name")
    # A layer without parameters leaves nothing in a file.
    stored = {name: found.get(name, {PARAMS: {}}) for name in dict.fromkeys([*like, *found])}
    held, wanted, head = _shapes(stored), _shapes(like), list(like)[-1]
    odd = [f"{name} is missing" for name in wanted if name not in held]
    odd += [f"{name} is left over" for name in held if name not in wanted]
    odd += [
        f"{name} is {held[name]}, here {wanted[name]}"
        for name in wanted
        if held.get(name, wanted[name]) != wanted[name] and not name.startswith(f"{head}/")
    ]
    if odd:
        more = f"; and {len(odd) - SHOWN} more" if len(odd) > SHOWN else ""
        raise ValueError(f"{path} is another network's: {'; '.join(odd[:SHOWN])}{more}")
    read = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), stored)
    return {name: read[name] for name in like}


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of the leaves of a tree, by path."""
    paths, leaves, _ = flatten_paths(tree)
    return {path: tuple(np.shape(leaf)) for path, leaf in zip(paths, leaves, strict=True)}
