"""What is frozen stays as it is, to the bit, whatever its dtype."""

from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

import transfer_jax as tj
from transfer_jax.surgery.still import still

FLOATS = {
    "float16": jnp.float16,
    "bfloat16": jnp.bfloat16,
    "float32": jnp.float32,
    "float8_e3m4": ml_dtypes.float8_e3m4,
    "float8_e4m3": ml_dtypes.float8_e4m3,
    "float8_e4m3b11fnuz": ml_dtypes.float8_e4m3b11fnuz,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "float4_e2m1fn": ml_dtypes.float4_e2m1fn,
}
WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32}


def every_float(dtype: Any) -> np.ndarray:
    """All values of a dtype, NaNs included; of 32 bits every sign and exponent."""
    width = jnp.finfo(dtype).bits
    if width == 32:
        top = np.arange(2**12, dtype=np.uint32) << 20
        bits = np.concatenate([top, top | 1, top | 0x000F_FFFF])
    else:
        bits = np.arange(2**width, dtype=WORDS[max(width // 8, 1)])
    return bits.view(dtype)


def is_ordinary(values: np.ndarray) -> np.ndarray:
    """No NaN, and no number so small that the CPU takes it for zero."""
    wide = values.astype(np.float32)
    tiny = (wide != 0) & (np.abs(wide) < np.finfo(np.float32).tiny)
    return ~(np.isnan(wide) | tiny)


def same_bytes(left: Any, right: Any) -> bool:
    return np.asarray(left).tobytes() == np.asarray(right).tobytes()


def frozen_step(params: Any, grads: Any, how: str) -> Any:
    """One step with the leaf `a` frozen."""
    mask = {"a": True, "head": False}
    if how == "freeze":
        tx = tj.freeze(optax.adamw(0.1), mask)
    elif how == "freeze_traced":
        tx = tj.freeze_traced(optax.adamw(0.1), jax.tree.map(jnp.asarray, mask))
    else:
        _, grads = tj.value_and_grad(lambda p: (p["head"] ** 2).sum(), mask)(params)
        return optax.apply_updates(params, grads)
    updates, _ = tx.update(grads, tx.init(params), params)
    return optax.apply_updates(params, updates)


HOW = ("freeze", "freeze_traced", "value_and_grad")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", FLOATS)
def test_every_float_stays_as_it_is(name, how):
    values = every_float(FLOATS[name])
    params = {"a": jnp.asarray(values), "head": jnp.ones(2)}
    grads = {"a": jnp.full_like(params["a"], jnp.nan), "head": jnp.ones(2)}
    one_program = jax.jit(lambda p, g: frozen_step(p, g, how))(params, grads)
    if how == "freeze":  # the compiler sees that nothing is added: every bit
        assert same_bytes(one_program["a"], values)
    after = frozen_step(params, grads, how)
    kept = is_ordinary(values)
    for found in (after, one_program):
        assert same_bytes(np.asarray(found["a"])[kept], values[kept])
    assert not same_bytes(after["head"], params["head"])


def test_the_sign_of_zero_would_be_lost_to_an_update_of_zero():
    minus = {"a": jnp.array([-0.0, 0.0])}
    naive = optax.apply_updates(minus, {"a": jnp.zeros(2)})
    assert not same_bytes(naive["a"], minus["a"])
    assert same_bytes(optax.apply_updates(minus, jax.tree.map(still, minus))["a"], minus["a"])


def test_complex_numbers_keep_both_signs():
    a = np.array(
        [complex(-0.0, -0.0), complex(0.0, -0.0), complex(-0.0, 0.0), 1 + 2j], np.complex64
    )
    params = {"a": jnp.asarray(a), "head": jnp.ones(2)}
    grads = {"a": jnp.ones(4), "head": jnp.ones(2)}  # real gradients
    for how in HOW:
        assert same_bytes(frozen_step(params, grads, how)["a"], a)


INTEGERS = ("int2", "int4", "int8", "int16", "int32", "uint2", "uint4", "uint8", "uint16", "uint32")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", [*INTEGERS, "bool"])
def test_integers_and_booleans_stay_as_they_are(name, how):
    dtype = jnp.dtype(name)
    ends = (False, True) if name == "bool" else (jnp.iinfo(dtype).min, jnp.iinfo(dtype).max)
    a = np.array([*ends, 1], dtype)
    params = {"a": jnp.asarray(a), "head": jnp.ones(2)}
    loss = lambda p: (p["head"] ** 2).sum()  # noqa: E731
    if name == "bool":
        nothing = {"a": np.zeros(3, jax.dtypes.float0), "head": 2 * jnp.ones(2)}
    else:
        nothing = jax.grad(loss, allow_int=True)(params)
    assert nothing["a"].dtype == jax.dtypes.float0
    for grads in (nothing, {**nothing, "a": params["a"]}, {**nothing, "a": jnp.full(3, jnp.nan)}):
        after = frozen_step(params, grads, how)
        assert after["a"].dtype == dtype and same_bytes(after["a"], a)
        assert not same_bytes(after["head"], params["head"])


@pytest.mark.parametrize("name", ["int8", "int32", "bool"])
def test_integers_stay_where_update_is_not_told_the_parameters(name):
    params = {"a": jnp.array([1, 0, 1], name), "head": jnp.ones(2)}
    grads = {"a": np.zeros(3, jax.dtypes.float0), "head": jnp.ones(2)}
    tx = tj.freeze(optax.sgd(0.1), {"a": True, "head": False})
    updates, _ = tx.update(grads, tx.init(params))
    after = optax.apply_updates(params, updates)
    assert after["a"].dtype == params["a"].dtype and same_bytes(after["a"], params["a"])


def test_a_64_bit_integer_is_not_rounded():
    with jax.enable_x64(True):
        params = {"a": jnp.array([2**62 + 1]), "head": jnp.ones(2)}
        after = frozen_step(params, jax.tree.map(lambda p: p.astype(float), params), "freeze")
        assert int(after["a"][0]) == 2**62 + 1


@pytest.mark.parametrize(
    ("leaf", "gradient", "ways"),
    [
        (jnp.float16(-0.0), jnp.float32(1), HOW[:2]),
        (jnp.float32(-0.0), jnp.bfloat16(1), HOW[:2]),
        # With a traced mask Adam would see both, and add them.
        (jnp.array(-0.0, ml_dtypes.float8_e4m3fn), jnp.float32(1), HOW[:1]),
        (jnp.float32(-0.0), jnp.array(1.0, ml_dtypes.float8_e4m3fn), HOW[:1]),
    ],
)
def test_gradients_may_be_of_another_width(leaf, gradient, ways):
    params = {"a": leaf, "head": jnp.ones(2)}
    for how in ways:
        after = frozen_step(params, {"a": gradient, "head": jnp.ones(2)}, how)
        assert after["a"].dtype == leaf.dtype and same_bytes(after["a"], leaf)


def test_updates_have_the_gradients_dtype_where_they_can_have_it():
    """`optax.apply_if_finite` asks for it: either branch of a condition has one type."""
    params = {"a": jnp.ones(2), "head": jnp.ones(2)}
    grads = jax.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    tx = optax.apply_if_finite(tj.freeze(optax.sgd(0.1), {"a": True, "head": False}), 2)
    updates, _ = tx.update(grads, tx.init(params), params)
    assert updates["a"].dtype == jnp.bfloat16


def test_per_example_gradients_give_an_update_of_the_leafs_shape():
    assert still(jnp.ones(3), jnp.ones((8, 3))).shape == (3,)


@pytest.mark.parametrize(
    "leaf", [jax.random.key(0), jax.nn.relu, "a name", jnp.ones(2, ml_dtypes.float8_e8m0fnu)]
)
def test_what_nothing_can_be_added_to_has_no_update(leaf):
    import equinox as eqx

    params = {"a": leaf, "head": jnp.ones(2)}
    mask = {"a": True, "head": False}
    loss = lambda p: (p["head"] ** 2).sum()  # noqa: E731
    _, grads = tj.value_and_grad(loss, mask)(params)
    assert grads["a"] is None
    for tx in (tj.freeze(optax.adam(0.1), mask), tj.freeze_traced(optax.adam(0.1), mask)):
        updates, _ = tx.update(grads, tx.init(params), params)
        assert updates["a"] is None
        after = eqx.apply_updates(params, updates)
        assert after["a"] is leaf and not same_bytes(after["head"], params["head"])


def test_an_integer_that_is_not_frozen_has_no_gradient():
    with pytest.raises(TypeError, match="seen is int32 and not frozen; allowed: floating point"):
        tj.value_and_grad(lambda p: p["a"], "a")({"a": 1.0, "seen": jnp.int32(1)})
