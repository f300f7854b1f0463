"""Grafting: replace leaves of a recipient by those of a donor."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from transfer_jax.surgery.paths import Where, leaf_paths, mask_of

Rename = Mapping[str, str] | Callable[[str], str]


class GraftError(ValueError):
    """A donor that lacks a selected leaf, or has it in another shape or dtype."""


def graft(
    recipient: PyTree,
    donor: PyTree,
    where: Where,
    *,
    rename: Rename | None = None,
    on_mismatch: Literal["error", "keep"] = "error",
) -> PyTree:
    """A copy of the recipient with the selected leaves taken from the donor.

    Donor leaves are copied, so that a step which donates the result's buffers leaves the
    donor alive; the other leaves are the recipient's own arrays.

    Args:
      recipient: the tree to graft onto.
      donor: the tree to graft from; it may have other leaves besides, and another structure.
      where: what `select` takes, or a mask of the recipient's structure.
      rename: from a donor's path, or the first keys of one, to the recipient's: a mapping or
        a function of the whole path.
      on_mismatch: what to do where the donor lacks a leaf or has another shape or dtype:
        "error", or "keep" the recipient's leaf.

    Returns:
      A tree of the recipient's structure.

    Raises:
      SelectionError: `where` selects nothing.
      GraftError: leaves do not match and `on_mismatch` is "error"; all of them are listed.

    Example:
      >>> fresh = {"conv1": {"kernel": jnp.zeros(2)}, "fc2": {"kernel": jnp.zeros(2)}}
      >>> trained = {"conv1": {"kernel": jnp.ones(2)}, "fc2": {"kernel": jnp.ones(2)}}
      >>> graft(fresh, trained, "conv1/**")["conv1"]["kernel"].tolist()
      [1.0, 1.0]

    Source: Yosinski et al. (2014), section 2.
    """
    if on_mismatch not in ("error", "keep"):
        raise ValueError(f"on_mismatch is {on_mismatch!r}; allowed: 'error', 'keep'")
    flags = jax.tree.leaves(mask_of(recipient, where))
    leaves, structure = jax.tree.flatten(recipient)
    donated = _renamed_leaves(donor, rename)
    grafted, mismatches = [], []
    for path, leaf, selected in zip(leaf_paths(recipient), leaves, flags, strict=True):
        problem = _mismatch(path, leaf, donated) if selected else None
        if problem:
            mismatches.append(problem)
        grafted.append(_copy(donated[path]) if selected and not problem else leaf)
    if mismatches and on_mismatch == "error":
        raise GraftError("the donor does not fit: " + "; ".join(mismatches))
    return jax.tree.unflatten(structure, grafted)


def reinitialise(params: PyTree, init_params: PyTree, where: Where) -> PyTree:
    """A copy of the parameters with the selected leaves taken from a fresh tree.

    Args:
      params: the trained tree.
      init_params: a freshly initialised tree of the same leaves.
      where: what `select` takes, or a mask of the tree's structure.

    Returns:
      A tree of the structure of `params`.

    Raises:
      SelectionError: `where` selects nothing.
      GraftError: the fresh tree does not fit.

    Example:
      >>> reinitialise({"fc2": jnp.ones(2)}, {"fc2": jnp.zeros(2)}, "fc2")["fc2"].tolist()
      [0.0, 0.0]

    Source: Yosinski et al. (2014), section 2: the layers above the cut start afresh.
    """
    return graft(params, init_params, where)


def _renamed_leaves(donor: PyTree, rename: Rename | None) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for path, leaf in zip(leaf_paths(donor), jax.tree.leaves(donor), strict=True):
        new_path = _new_path(path, rename)
        if new_path in renamed:
            raise GraftError(f"two leaves of the donor are renamed to {new_path}")
        renamed[new_path] = leaf
    return renamed


def _new_path(path: str, rename: Rename | None) -> str:
    if rename is None:
        return path
    if callable(rename):
        return rename(path)
    keys = path.split("/")
    for length in range(len(keys), 0, -1):
        prefix = "/".join(keys[:length])
        if prefix in rename:
            return "/".join([rename[prefix], *keys[length:]])
    return path


def _mismatch(path: str, leaf: Any, donated: Mapping[str, Any]) -> str | None:
    if path not in donated:
        return f"{path}: recipient has {_describe(leaf)}, donor has no such leaf"
    if _describe(leaf) != _describe(donated[path]):
        return f"{path}: recipient has {_describe(leaf)}, donor has {_describe(donated[path])}"
    return None


def _describe(leaf: Any) -> str:
    dtype = leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)
    return f"{dtype}{list(jnp.shape(leaf))}"


def _copy(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array):
        return jnp.copy(leaf)
    return leaf.copy() if isinstance(leaf, np.ndarray) else leaf
