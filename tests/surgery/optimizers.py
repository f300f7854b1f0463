"""Every gradient transformation that the installed optax offers, found by looking."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import contrib

# What stands for a required argument, by its name.
ARGUMENTS: dict[str, Any] = {
    "learning_rate": 0.05,
    "clipping": 0.1,
    "eta": 0.1,
    "gamma": 0.5,
    "max_delta": 0.1,
    "threshold": 0.1,
    "max_norm": 0.1,
    "l2_norm_clip": 0.5,
    "noise_multiplier": 0.1,
    "seed": 0,
    "key": 0,
    "decay": 0.9,
    "step_size": -0.05,
    "step_size_fn": lambda step: -0.05 / (1 + step),
    "max_backtracking_steps": 8,
    "max_linesearch_steps": 8,
    "max_consecutive_errors": 3,
    "should_transform_fn": lambda step, **extra: step % 2 == 0,
    "sync_period": 2,
    "slow_step_size": 0.5,
    "measure": lambda updates: updates,
    "measure_name": "one",
    "mask": lambda tree: jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, tree),
    "freeze_mask": lambda tree: jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, tree),
    "f": lambda updates, params=None: jax.tree.map(lambda leaf: -0.05 * leaf, updates),
    "param_labels": lambda tree: jax.tree.map(lambda leaf: "ab"[jnp.ndim(leaf) % 2], tree),
}
INNER = ("inner", "optimizer", "base_optimizer", "fast_optimizer", "adv_optimizer", "tx")
# Functions whose arguments are no numbers, and variants that the defaults do not reach.
SPECIAL: dict[str, Callable[[], Any]] = {
    "chain": lambda: optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.05)),
    "named_chain": lambda: optax.named_chain(("a", optax.trace(0.9)), ("b", optax.sgd(0.05))),
    "inject_hyperparams": lambda: optax.inject_hyperparams(optax.adam)(0.05),
    "inject_stateful_hyperparams": lambda: optax.inject_stateful_hyperparams(optax.adam)(0.05),
    "multi_transform": lambda: optax.multi_transform(_groups(), ARGUMENTS["param_labels"]),
    "partition": lambda: optax.partition(_groups(), ARGUMENTS["param_labels"]),
    "stateless_with_tree_map": lambda: optax.stateless_with_tree_map(lambda g, p: -0.05 * g),
    "scale_by_muon": lambda: optax.masked(
        contrib.scale_by_muon(weight_dimension_numbers=_matrices), ARGUMENTS["mask"]
    ),
    "MultiSteps": lambda: optax.MultiSteps(optax.adam(0.05), 2).gradient_transformation(),
    "opaque sam": lambda: contrib.sam(
        optax.sgd(0.05), optax.sgd(0.01), sync_period=2, opaque_mode=True
    ),
    "reset sam": lambda: contrib.sam(optax.sgd(0.05), optax.sgd(0.01), reset_state=False),
    "lbfgs without search": lambda: optax.lbfgs(0.05, linesearch=None),
    "sgd and backtracking": lambda: optax.chain(
        optax.sgd(1.0), optax.scale_by_backtracking_linesearch(8, store_grad=True)
    ),
    "adamw with a mask": lambda: optax.adamw(0.05, mask=ARGUMENTS["mask"]),
}


def _groups() -> dict[str, optax.GradientTransformation]:
    return {"a": optax.adam(0.05), "b": optax.sgd(0.1)}


def _matrices(tree: Any) -> Any:
    return jax.tree.map(lambda _: contrib.MuonDimensionNumbers(), tree)


def makers() -> dict[str, Callable[[], Any]]:
    """Name to a function that makes the transformation; what is new in optax appears here."""
    found = dict(SPECIAL)
    for module in (optax, optax.transforms, contrib):
        for name, value in vars(module).items():
            if name not in found and not name.startswith("_") and _makes_one(value):
                found[name] = functools.partial(_make, name, value)
    return found


def _makes_one(value: Any) -> bool:
    if isinstance(value, type) or not callable(value):
        return False
    try:
        returned = str(inspect.signature(value).return_annotation)
    except (TypeError, ValueError):
        return False
    return "GradientTransformation" in returned


def _make(name: str, function: Callable[..., Any]) -> Any:
    arguments = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is parameter.empty or parameter.name == "key":
            inner = parameter.name in INNER
            arguments[parameter.name] = optax.sgd(0.05) if inner else ARGUMENTS[parameter.name]
    return function(**arguments)
