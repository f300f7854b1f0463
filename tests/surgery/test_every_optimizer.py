"""`freeze(tx, mask)` does to the trainable leaves what `tx` does to them alone, for every tx."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import transfer_jax as tj
from tests.surgery.optimizers import makers

KEYS = jax.random.split(jax.random.key(0), 3)
PARAMS = {
    "conv1": {"kernel": jax.random.normal(KEYS[0], (3, 4)).at[0, 0].set(-0.0), "bias": jnp.ones(4)},
    "head": {"kernel": jax.random.normal(KEYS[1], (4, 4)), "bias": jnp.ones(4)},
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # optax's own
X = jax.random.normal(KEYS[2], (5, 3))
FROZEN = {"conv1": {"kernel": True, "bias": True}, "head": {"kernel": False, "bias": False}}
MAKERS = makers()
PRIVATE = ("dpsgd", "differentially_private_aggregate")
# The noise of a leaf depends on how many leaves there are, which a traced mask cannot say.
NOISY = (*PRIVATE, "noisy_sgd", "add_noise")
# What an optimizer may be handed; the first of these that it takes alone.
HANDED = (
    ("value", "grad", "value_fn", "grad_fn", "obj_fn"),
    ("value", "grad", "value_fn"),
    ("grad_fn",),
    (),
)


def loss(params: Any, x: Any = X) -> Any:
    hidden = jnp.tanh(x @ params["conv1"]["kernel"] + params["conv1"]["bias"])
    return ((hidden @ params["head"]["kernel"] + params["head"]["bias"] - 0.3) ** 2).mean()


def loss_alone(params: Any, x: Any = X) -> Any:
    return loss({"conv1": PARAMS["conv1"], **params}, x)


def gradients(fun: Any, params: Any, name: str) -> Any:
    """Those of frozen leaves are NaN."""
    grad = jax.grad(fun)
    if name in PRIVATE:
        rows = [grad(params, x[None]) for x in X]
        grads = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
    else:
        grads = grad(params)
    return {
        k: jax.tree.map(lambda g: g * jnp.nan, v) if k == "conv1" else v for k, v in grads.items()
    }


def trained(name: str, tx: Any, params: Any, fun: Any, handed: tuple[str, ...]) -> Any:
    """Three steps, operation by operation, so that both ways run the same programs."""
    tx = optax.with_extra_args_support(tx)
    if name == "lookahead":
        params = optax.LookaheadParams.init_synced(params)
    state = tx.init(params)
    for _ in range(3):
        fast = params.fast if isinstance(params, optax.LookaheadParams) else params
        grads = gradients(fun, fast, name)
        offered = {
            "value": fun(fast),
            "grad": grads,
            "value_fn": fun,
            "grad_fn": lambda p, _: jax.grad(fun)(p),
            "obj_fn": fun,
        }
        extra = {argument: offered[argument] for argument in handed}
        updates, state = tx.update(grads, state, params, **extra)
        params = optax.apply_updates(params, updates)
    return tuple(params) if isinstance(params, optax.LookaheadParams) else (params,)


@functools.cache
def alone(name: str) -> tuple[Any, tuple[str, ...]]:
    for handed in HANDED:
        try:
            own = {"head": PARAMS["head"]}
            return trained(name, MAKERS[name](), own, loss_alone, handed), handed
        except TypeError as error:
            refused = error
    raise AssertionError(f"{name} takes no set of arguments") from refused


def test_the_walk_finds_what_there_is():
    aliases = {"adam", "nadamw", "lbfgs", "sgd", "lookahead", "muon", "sam", "sophia", "prodigy"}
    assert aliases <= set(MAKERS)
    assert len(MAKERS) > 100


@pytest.mark.parametrize("name", MAKERS)
def test_the_trainable_leaves_move_as_alone_to_the_bit_and_the_frozen_ones_stay(name):
    expected, handed = alone(name)
    found = trained(name, tj.freeze(MAKERS[name](), FROZEN), PARAMS, loss, handed)
    for whole, own in zip(found, expected, strict=True):
        assert not tj.diff(own["head"], whole["head"])
        assert not tj.diff(PARAMS["conv1"], whole["conv1"])


@pytest.mark.parametrize("name", MAKERS)
def test_a_traced_mask_does_the_same_but_for_rounding_and_noise(name):
    expected, handed = alone(name)
    mask = jax.tree.map(jnp.asarray, FROZEN)
    found = trained(name, tj.freeze_traced(MAKERS[name](), mask), PARAMS, loss, handed)
    for whole, own in zip(found, expected, strict=True):
        assert not tj.diff(PARAMS["conv1"], whole["conv1"])
        if name not in NOISY:
            for a, b in zip(jax.tree.leaves(own), jax.tree.leaves(whole["head"]), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-5)
