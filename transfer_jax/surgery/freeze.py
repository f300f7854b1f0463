"""Freezing: an optimizer that leaves chosen parameters exactly as they are."""

import warnings
from collections.abc import Sequence
from typing import Any

import optax
from jaxtyping import PyTree

from transfer_jax.surgery.extra_arguments import sifted
from transfer_jax.surgery.lookahead import of_each_half, one_half
from transfer_jax.surgery.masks import Keys, aligned, flags_by_keys, key_text
from transfer_jax.surgery.selection import SelectionError
from transfer_jax.surgery.sieve import LeafSieve, Sieve
from transfer_jax.surgery.still import updates_given, whole_update

FROZEN, TRAINABLE = "frozen", "trainable"


def freeze(
    tx: optax.GradientTransformation,
    frozen_mask: PyTree[bool],
    *,
    thawed: Sequence[PyTree[bool]] = (),
    donated: PyTree[bool] | None = None,
) -> optax.GradientTransformationExtraArgs:
    """The optimizer restricted to the leaves that are not frozen.

    Frozen leaves get the update that leaves them as they are to the bit (see `still`), whatever
    their gradient, NaN included; they have no optimizer state and no weight decay, and `tx`
    does not see them: a norm that it clips by is that of the trainable leaves, trees among its
    further arguments have holes, and functions (of a line search, say) get the frozen leaves
    filled in.

    A mask is about leaves by path: parameters may hold them in other mappings, wrap them in
    variables of flax.nnx, or have holes where another wrapper has masked them.

    Args:
      tx: any optax transformation. For `optax.lookahead` the parameters are LookaheadParams,
        and the mask is that of either half.
      frozen_mask: a tree of booleans, True at frozen leaves.
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
      SelectionError: masks differ in leaves, or a leaf is frozen and thawed, or thawed twice;
        and at `init` and `update`, if the trees have other leaves than the mask.

    Example:
      >>> params = {"conv1": jnp.ones(2), "fc2": jnp.ones(2)}
      >>> tx = freeze(optax.adamw(0.1), {"conv1": True, "fc2": False})
      >>> updates, _ = tx.update(params, tx.init(params), params)
      >>> optax.apply_updates(params, updates)["conv1"].tolist()
      [1.0, 1.0]

    Source: Yosinski et al. (2014), section 2: transferred layers are left frozen.
    """
    frozen_mask, *thawed = map(one_half, (frozen_mask, *thawed))
    if donated is not None:
        _warn_of_untrained(frozen_mask, donated)
    labels = _labels(frozen_mask, thawed)
    transform = optax.with_extra_args_support(tx)
    sieves: dict[str, Sieve] = {
        group: LeafSieve({keys: label == group for keys, label in labels.items()})
        for group in (TRAINABLE, *_thaw_names(thawed))
    }

    def init(params: PyTree) -> optax.OptState:
        states = {FROZEN: optax.MaskedState(optax.EmptyState())}
        for group, sieve in sieves.items():
            states[group] = optax.MaskedState(transform.init(seen(sieve, params)))
        return optax.transforms.PartitionState(states)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.OptState]:
        states, results = {FROZEN: state.inner_states[FROZEN]}, []
        for group, sieve in sieves.items():
            result, inner = transform.update(
                sieve.keep(updates, "updates"),
                state.inner_states[group].inner_state,
                None if params is None else seen(sieve, params),
                **sifted(extra, sieve, params),
            )
            states[group] = optax.MaskedState(inner)
            results.append(result)

        def whole(params: PyTree | None, *results: PyTree) -> PyTree:
            return whole_update(params, updates, updates_given(updates, *results))

        new_updates = of_each_half(whole, params, *results)
        return new_updates, optax.transforms.PartitionState(states)

    return optax.GradientTransformationExtraArgs(init, update)


def seen(sieve: Sieve, params: PyTree) -> PyTree:
    """What an optimizer behind a sieve sees of the parameters.

    Args:
      sieve: the sieve.
      params: the parameters, a pair of them, or the placeholder of `optax.tree_map_params`.

    Returns:
      A tree of the same containers.
    """
    if type(params).__name__ == "_ParamsPlaceholder":  # optax.tree_map_params asks what is where
        return params
    return of_each_half(lambda tree: sieve.keep(tree, "parameters"), params)


def _thaw_names(thawed: Sequence[PyTree]) -> list[str]:
    return [f"thaw {i + 1}" for i in range(len(thawed))]


def _labels(frozen_mask: PyTree[bool], thawed: Sequence[PyTree[bool]]) -> dict[Keys, str]:
    frozen = flags_by_keys(frozen_mask)
    labels = {keys: FROZEN if flag else TRAINABLE for keys, flag in frozen.items()}
    for name, mask in zip(_thaw_names(thawed), thawed, strict=True):
        flags = flags_by_keys(mask)
        aligned(frozen, mask, "mask of what is thawed")
        for keys in (keys for keys, flag in flags.items() if flag):
            if labels[keys] != TRAINABLE:
                raise SelectionError(f"{key_text(keys)} is frozen and thawed, or thawed twice")
            labels[keys] = name
    return labels


def _warn_of_untrained(frozen_mask: PyTree[bool], donated: PyTree[bool]) -> None:
    frozen, trained = flags_by_keys(frozen_mask), flags_by_keys(donated, "donated")
    aligned(frozen, donated, "mask of what is donated")
    untrained = [key_text(k) for k, flag in frozen.items() if flag and not trained.get(k)]
    if untrained:
        warnings.warn(f"frozen but not from a donor: {', '.join(untrained)}", stacklevel=3)
