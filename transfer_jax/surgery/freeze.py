"""Freezing: an optimizer that leaves chosen parameters exactly as they are, until they thaw."""

import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.core import Tracer
from jaxtyping import PyTree

from transfer_jax.surgery.paths import leaf_paths
from transfer_jax.surgery.selection import SelectionError, is_flag


def freeze(
    tx: optax.GradientTransformation,
    frozen_mask: PyTree[bool],
    *,
    thawed: Sequence[PyTree[bool]] = (),
    donated: PyTree[bool] | None = None,
) -> optax.GradientTransformationExtraArgs:
    """The optimizer restricted to the leaves that are not frozen.

    Frozen leaves get an update of exactly zero, whatever their gradient, NaN included; they
    have no optimizer state and no weight decay, and `tx` does not see them: a norm that it
    clips by is that of the trainable leaves.

    Args:
      tx: any optax transformation.
      frozen_mask: a tree of booleans of the parameters' structure, True at frozen leaves.
      thawed: masks of the leaves that were frozen once, one mask a thaw, in order. Each is a
        group with a step count and norms of its own; see `thaw`.
      donated: a mask of the leaves that come from a trained network; a warning names frozen
        leaves that do not. None for no such check.

    Returns:
      A transformation of whole parameter trees.

    Warns:
      UserWarning: a leaf is frozen but not donated.

    Raises:
      TypeError: a mask is traced, or holds something else than booleans.
      SelectionError: masks differ in structure, or a leaf is frozen and thawed, or thawed
        twice; and at `init`, if the parameters have another structure than the mask.

    Example:
      >>> params = {"conv1": jnp.ones(2), "fc2": jnp.ones(2)}
      >>> tx = freeze(optax.adamw(0.1), {"conv1": True, "fc2": False})
      >>> updates, _ = tx.update(params, tx.init(params), params)
      >>> updates["conv1"].tolist()
      [0.0, 0.0]

    Source: Yosinski et al. (2014), section 2: transferred layers are left frozen.
    """
    if donated is not None:
        _warn_of_untrained(frozen_mask, donated)
    if callable(frozen_mask):
        return _freeze_callable(tx, frozen_mask, thawed)
    labels = _labels(frozen_mask, thawed)
    groups: dict[Any, optax.GradientTransformation] = {"frozen": optax.set_to_zero()}
    groups |= {"trainable": tx} | {f"thaw {i + 1}": tx for i in range(len(thawed))}
    inner = optax.partition(groups, labels)

    def init(params: PyTree) -> optax.OptState:
        check_structure(params, frozen_mask, "parameters")
        return inner.init(params)

    return optax.GradientTransformationExtraArgs(init, inner.update)


def thaw(
    opt_state: optax.OptState, tx: optax.GradientTransformation, params: PyTree
) -> optax.OptState:
    """The optimizer state after some frozen leaves have been set free.

    What was training keeps its state. Thawed leaves start with a fresh one and a step count
    of their own: with the count of the others, Adam's bias correction would be spent and the
    first step about three times the learning rate.

    Args:
      opt_state: the state of a frozen optimizer, before the thaw or restored from a file.
      tx: the optimizer after the thaw: `freeze` with fewer frozen leaves, and those set free
        in one more mask of `thawed`.
      params: the parameters.

    Returns:
      A state for `tx`.

    Raises:
      ValueError: the state is not that of a frozen optimizer, or a leaf that was training
        has moved to another group.

    Example:
      >>> params = {"conv1": jnp.ones(2), "fc2": jnp.ones(2)}
      >>> conv1 = {"conv1": True, "fc2": False}
      >>> state = freeze(optax.adam(0.1), conv1).init(params)
      >>> nothing = {"conv1": False, "fc2": False}
      >>> tx = freeze(optax.adam(0.1), nothing, thawed=[conv1])
      >>> sorted(thaw(state, tx, params).inner_states)
      ['frozen', 'thaw 1', 'trainable']

    Source: gradual unfreezing, Howard and Ruder (2018), section 3.3.
    """
    fresh: Any = tx.init(params)
    old = getattr(opt_state, "inner_states", None)
    if old is None or not hasattr(fresh, "inner_states"):
        raise ValueError("thaw takes the state and the optimizer that `freeze` makes")
    if lost := [name for name in old if name not in fresh.inner_states]:
        raise ValueError(f"the optimizer has no group '{lost[0]}': pass every earlier mask again")
    states = dict(fresh.inner_states)
    for name in (name for name in old if name != "frozen"):
        if jax.tree.structure(old[name]) != jax.tree.structure(states[name]):
            raise ValueError(
                f"the leaves of group '{name}' are not those it had: list what is set free in "
                "one more mask of `thawed`"
            )
        states[name] = old[name]
    return fresh._replace(inner_states=states)


def freeze_stats(before: PyTree, after: PyTree, frozen_mask: PyTree) -> PyTree:
    """Batch statistics after a step, those of frozen layers put back.

    A frozen batch normalisation still moves its running statistics when it is run in training
    mode. Call this where they should stay put; leave it out where they should move.

    Args:
      before: the statistics before the step.
      after: the statistics after the step.
      frozen_mask: a tree of booleans of the same structure, True where they stay put.

    Returns:
      A tree of the same structure.

    Raises:
      SelectionError: the trees differ in structure.

    Example:
      >>> frozen = {"bn1": True, "bn2": False}
      >>> freeze_stats({"bn1": 0.0, "bn2": 0.0}, {"bn1": 1.0, "bn2": 1.0}, frozen)
      {'bn1': 0.0, 'bn2': 1.0}
    """
    check_structure(after, frozen_mask, "statistics")
    check_structure(before, frozen_mask, "statistics")

    def chosen(frozen: Any, old: Any, new: Any) -> Any:
        return (old if frozen else new) if is_flag(frozen) else jnp.where(frozen, old, new)

    return jax.tree.map(chosen, frozen_mask, before, after)


def _freeze_callable(
    tx: optax.GradientTransformation, frozen_mask: PyTree, thawed: Sequence[PyTree]
) -> optax.GradientTransformationExtraArgs:
    """For trees that are callable, as Equinox modules are: optax would call the mask."""
    inner = freeze(tx, [frozen_mask], thawed=[[mask] for mask in thawed])
    update_boxed: Any = inner.update

    def update(
        updates: PyTree, state: optax.OptState, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.OptState]:
        own = None if params is None else [params]
        (updates,), state = update_boxed([updates], state, own, **extra)
        return updates, state

    return optax.GradientTransformationExtraArgs(lambda params: inner.init([params]), update)


def _labels(frozen_mask: PyTree[bool], thawed: Sequence[PyTree[bool]]) -> PyTree[str]:
    for mask in (frozen_mask, *thawed):
        _check_flags(mask)
        check_structure(mask, frozen_mask, "masks")
    labels = []
    names = ["frozen", *(f"thaw {i + 1}" for i in range(len(thawed)))]
    masks: list[list[Any]] = [jax.tree.leaves(mask) for mask in (frozen_mask, *thawed)]
    rows: list[tuple[Any, ...]] = list(zip(*masks, strict=True))
    for path, flags in zip(leaf_paths(frozen_mask), rows, strict=True):
        if sum(flags) > 1:
            raise SelectionError(f"{path} is frozen and thawed, or thawed twice")
        labels.append(next((n for n, flag in zip(names, flags, strict=True) if flag), "trainable"))
    return jax.tree.unflatten(jax.tree.structure(frozen_mask), labels)


def _warn_of_untrained(frozen_mask: PyTree[bool], donated: PyTree[bool]) -> None:
    check_structure(donated, frozen_mask, "donated leaves")
    flags = zip(jax.tree.leaves(frozen_mask), jax.tree.leaves(donated), strict=True)
    untrained = [
        path
        for path, (frozen, trained) in zip(leaf_paths(frozen_mask), flags, strict=True)
        if frozen and not trained
    ]
    if untrained:
        warnings.warn(f"frozen but not from a donor: {', '.join(untrained)}", stacklevel=3)


def _check_flags(mask: PyTree) -> None:
    for path, leaf in zip(leaf_paths(mask), jax.tree.leaves(mask), strict=True):
        if isinstance(leaf, Tracer):
            raise TypeError(f"the mask is traced at {path}: use freeze_traced, or a fixed mask")
        if not is_flag(leaf):
            raise TypeError(f"the mask holds {type(leaf).__name__} at {path}; allowed: bool")


def check_structure(tree: PyTree, mask: PyTree, what: str) -> None:
    """Check that a tree has the structure of a mask.

    Args:
      tree: any tree.
      mask: the mask.
      what: what the tree is, for the message.

    Raises:
      SelectionError: it has another structure; the paths that differ are named.

    Example:
      >>> check_structure({"a": 1}, {"a": True}, "parameters")
    """
    if jax.tree.structure(tree) != jax.tree.structure(mask):
        odd = sorted(set(leaf_paths(tree)) ^ set(leaf_paths(mask)))
        raise SelectionError(f"mask and {what} differ; not in both: {odd or 'the containers'}")
