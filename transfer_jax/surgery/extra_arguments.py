"""What an optimizer is handed beside updates and parameters, seen through a sieve."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
from jaxtyping import PyTree

from transfer_jax.surgery.lookahead import fast_half
from transfer_jax.surgery.sieve import Sieve, fits


def sifted(extra: Mapping[str, Any], sieve: Sieve, params: PyTree | None) -> dict[str, Any]:
    """Extra arguments as an optimizer takes them that sees a part of the parameters.

    Trees of the parameters' leaves are sifted. Functions (`value_fn`, `grad_fn`, `obj_fn`, of
    whatever name) get the optimizer's parameters with the rest filled in, and the trees of the
    parameters' leaves among their results are sifted.

    Args:
      extra: the arguments by name.
      sieve: what the optimizer sees of the parameters.
      params: the whole parameters, or lookahead's pair of them.

    Returns:
      The arguments by the same names.

    Raises:
      ValueError: there is a function but no parameters to fill in.
    """
    return {name: _sifted(name, value, sieve, fast_half(params)) for name, value in extra.items()}


def _sifted(name: str, value: Any, sieve: Sieve, params: PyTree | None) -> Any:
    if callable(value) and not _is_tree_of(sieve, value):
        if params is None:
            raise ValueError(f"update takes {name}, a function of the parameters: pass params too")
        return _through(value, sieve, params)
    return _kept(value, sieve)


def _through(fun: Callable[..., Any], sieve: Sieve, params: PyTree) -> Callable[..., Any]:
    seen = _form(sieve.keep(params, "parameters"))

    def is_seen(node: Any) -> bool:
        return _form(node) == seen

    def filled(node: Any) -> Any:
        return sieve.fill(node, params) if is_seen(node) else node

    @functools.wraps(fun)  # optax reads the names of its arguments
    def of_seen(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = jax.tree.map(filled, (args, kwargs), is_leaf=is_seen)
        return _kept(fun(*args, **kwargs), sieve)

    return of_seen


def _form(tree: PyTree) -> tuple[Any, list[tuple[int, ...]]]:
    leaves, structure = jax.tree.flatten(tree)
    return structure, [getattr(leaf, "shape", ()) for leaf in leaves]


def _kept(value: Any, sieve: Sieve) -> Any:
    """The value, whatever trees of the parameters' leaves it holds sifted."""

    def kept(node: Any) -> Any:
        return sieve.keep(node, "extra argument") if _is_tree_of(sieve, node) else node

    return jax.tree.map(kept, value, is_leaf=lambda node: _is_tree_of(sieve, node))


def _is_tree_of(sieve: Sieve, node: Any) -> bool:
    """Parameters of one bare leaf are no tree: any number would be one of them."""
    return not jax.tree_util.all_leaves([node]) and fits(sieve, node)
