"""Freezing: an optimizer that leaves chosen parameters exactly as they are."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optax
from jaxtyping import PyTree

from transfer_jax.surgery.extra_arguments import sifted
from transfer_jax.surgery.lookahead import fast_half, of_each_half, one_half
from transfer_jax.surgery.masks import Keys, aligned, flags_by_keys, key_text, spread
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
      >>> import jax.numpy as jnp
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
    sieves = _sieves(frozen_mask, thawed)
    transform = optax.with_extra_args_support(tx)

    def init(params: PyTree) -> optax.OptState:
        states: dict[Any, Any] = {FROZEN: optax.MaskedState(optax.EmptyState())}
        for group, sieve in sieves.items():
            states[group] = optax.MaskedState(transform.init(seen(sieve, params)))
        return optax.transforms.PartitionState(states)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.OptState]:
        updates = spread(updates, fast_half(params))
        states: dict[Any, Any] = {FROZEN: state.inner_states[FROZEN]}
        results = []
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


def on_trainable(
    fun: Callable[[Any, PyTree], PyTree],
    frozen_mask: PyTree[bool],
    *,
    thawed: Sequence[PyTree[bool]] = (),
) -> Callable[[optax.OptState, PyTree], PyTree]:
    """A function of an optimizer's state and parameters, made to take those of `freeze`.

    `optax.contrib.schedule_free_eval_params` is such a function.

    Args:
      fun: a function of (state, parameters) that returns parameters.
      frozen_mask: the mask that `freeze` was given.
      thawed: the masks that `freeze` was given.

    Returns:
      A function of (state of `freeze`, whole parameters) that returns whole parameters; the
      frozen leaves are as they were.

    Raises:
      TypeError: a mask is traced, or holds something else than booleans.
      SelectionError: masks differ in leaves; and when called, if the parameters do.

    Example:
      >>> import jax.numpy as jnp
      >>> from optax.contrib import schedule_free_eval_params, schedule_free_sgd
      >>> params, conv1 = {"conv1": jnp.ones(2), "fc2": jnp.ones(2)}, {"conv1": True, "fc2": False}
      >>> tx = freeze(schedule_free_sgd(0.1), conv1)
      >>> evaluated = on_trainable(schedule_free_eval_params, conv1)(tx.init(params), params)
      >>> evaluated["fc2"].tolist()
      [1.0, 1.0]

    Source: Defazio et al. (2024), The road less scheduled, evaluates at other parameters than
    it takes gradients at.
    """
    sieves = _sieves(one_half(frozen_mask), [one_half(mask) for mask in thawed])

    def of_whole(opt_state: Any, params: PyTree) -> PyTree:
        for group, sieve in sieves.items():
            own = fun(opt_state.inner_states[group].inner_state, seen(sieve, params))
            params = of_each_half(lambda p, o, s=sieve: s.fill(o, p), params, own)
        return params

    return of_whole


def seen(sieve: Sieve, params: PyTree) -> PyTree:
    """What an optimizer behind a sieve sees of the parameters.

    Args:
      params: the parameters, a pair of them, or the placeholder of `optax.tree_map_params`.

    Returns:
      A tree of the same containers.
    """
    if type(params).__name__ == "_ParamsPlaceholder":  # optax.tree_map_params asks what is where
        return params
    return of_each_half(lambda tree: sieve.keep(tree, "parameters"), params)


def _thaw_names(thawed: Sequence[PyTree]) -> list[str]:
    return [f"thaw {i + 1}" for i in range(len(thawed))]


def _sieves(frozen_mask: PyTree[bool], thawed: Sequence[PyTree[bool]]) -> dict[str, Sieve]:
    """Each group's sieve, by the group's name."""
    labels = _labels(frozen_mask, thawed)
    return {
        group: LeafSieve({keys: label == group for keys, label in labels.items()})
        for group in (TRAINABLE, *_thaw_names(thawed))
    }


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
