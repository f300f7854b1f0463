"""Grafting: replace leaves of a recipient by those of a donor."""

from collections.abc import Iterable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from transfer_jax.surgery.matching import GraftError, Match, Rename, match_leaves
from transfer_jax.surgery.placement import copied, row, with_row
from transfer_jax.surgery.selection import Where


def graft(
    recipient: PyTree,
    donor: PyTree,
    where: Where,
    *,
    rename: Rename | None = None,
    on_mismatch: Literal["error", "keep"] = "error",
    columns: tuple[int, int] | None = None,
    copy: bool = True,
) -> PyTree:
    """A copy of the recipient with the selected leaves taken from the donor.

    All leaves are copied, each where it lies, so that a step which donates the result's
    buffers leaves recipient and donor alive.

    Args:
      recipient: the tree to graft onto.
      donor: the tree to graft from; it may have other leaves besides, and another structure.
      where: what `select` takes, or a mask of the recipient's leaves.
      rename: from a donor's path, or the first keys of one, to the recipient's: a mapping or
        a function of the whole path.
      on_mismatch: what to do where the donor lacks a leaf or has another shape or dtype:
        "error", or "keep" the recipient's leaf.
      columns: for two trees stacked along a leading axis, (i, j): graft column j of the donor
        into column i of the recipient.
      copy: False leaves the arrays of recipient and donor themselves in the result. That saves
        the time and memory of a copy, and a step that donates the result deletes its inputs.

    Returns:
      A tree of the recipient's structure.

    Raises:
      SelectionError: `where` selects nothing.
      GraftError: leaves do not match and `on_mismatch` is "error", all of them are listed; or
        there is no such column.

    Example:
      >>> fresh = {"conv1": {"kernel": jnp.zeros(2)}, "fc2": {"kernel": jnp.zeros(2)}}
      >>> trained = {"conv1": {"kernel": jnp.ones(2)}, "fc2": {"kernel": jnp.ones(2)}}
      >>> graft(fresh, trained, "conv1/**")["conv1"]["kernel"].tolist()
      [1.0, 1.0]

    Source: Yosinski et al. (2014), section 2.
    """
    if on_mismatch not in ("error", "keep"):
        raise ValueError(f"on_mismatch is {on_mismatch!r}; allowed: 'error', 'keep'")
    stacked = columns is not None
    _, leaves, structure, matches, _ = match_leaves(
        recipient, donor, where, rename, stacked=stacked
    )
    fitting = {i: match for i, match in matches.items() if match.fits}
    odd = [match for i, match in matches.items() if i not in fitting]
    if odd and on_mismatch == "error":
        problems = (
            f"{m.path}: recipient has {m.recipient_is}, donor has {m.donor_is}" for m in odd
        )
        raise GraftError(f"the donor does not fit: {'; '.join(problems)}")
    if columns is not None:
        _check_columns(fitting.values(), columns)
    for i, match in fitting.items():
        leaves[i] = match.donated if columns is None else _with_column(match, columns)
    if copy:  # what got a column is a copy already
        new = fitting if stacked else {}
        leaves = [leaf if i in new else copied(leaf) for i, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, leaves)


def reinitialise(params: PyTree, init_params: PyTree, where: Where, *, copy: bool = True) -> PyTree:
    """A copy of the parameters with the selected leaves taken from a fresh tree.

    Args:
      params: the trained tree.
      init_params: a freshly initialised tree of the same leaves.
      where: what `select` takes, or a mask of the tree's leaves.
      copy: False leaves the arrays of both trees themselves in the result; see `graft`.

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
    return graft(params, init_params, where, copy=copy)


def _with_column(match: Match, columns: tuple[int, int]) -> jax.Array:
    into, out_of = columns
    return with_row(match.leaf, into, row(match.donated, out_of))


def _check_columns(matches: Iterable[Match], columns: tuple[int, int]) -> None:
    for match in matches:
        sides = (("recipient", match.leaf), ("donor", match.donated))
        for (tree, leaf), index in zip(sides, columns, strict=True):
            size = jnp.shape(leaf)[0] if jnp.ndim(leaf) else 0
            if isinstance(index, int) and not -size <= index < size:
                raise GraftError(f"{match.path}: no column {index}, the {tree} has {size}")
