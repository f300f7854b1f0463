"""Conditions that wait for each other: the same numbers, and an order that a compiler keeps."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.engine.in_turn import SMALL, one_after_another
from transfer_jax.models.backend import made_for

VALUES = [0.0, -0.0, 1.5, -3e-45, np.inf, -np.inf, np.nan]


def bits(x):
    return np.asarray(x).view(np.int32).tolist()


@pytest.mark.parametrize("kind", ["tpu", "gpu", "cpu"])
@pytest.mark.parametrize("before", VALUES)
def test_no_bit_changes(kind, before):
    held = {"kernel": jnp.asarray(VALUES, jnp.float32), "count": jnp.array(3)}
    with made_for(kind):
        after = jax.jit(one_after_another)({"loss": jnp.full(2, before)}, held, jnp.array(7))
    assert bits(after["kernel"]) == bits(held["kernel"])
    assert after["count"].tolist() == 3


def depends(kind, before, held):
    with made_for(kind):
        traced = jax.make_jaxpr(one_after_another)(before, held, jnp.array(0))
    (out,) = traced.jaxpr.outvars
    return out not in traced.jaxpr.invars


def test_what_is_held_depends_on_what_was_before_on_a_tpu_alone():
    small, large = jnp.ones(2), jax.ShapeDtypeStruct((SMALL + 1,), jnp.float32)
    assert [depends(kind, small, small) for kind in ("tpu", "gpu", "cpu")] == [True, False, False]
    assert not depends("tpu", small, large)
    assert not depends("tpu", [], small)


def test_the_order_survives_the_compiler():
    """Here XLA's own CPU compiler stands for others: it must not see that nothing is changed."""
    with made_for("tpu"):
        fn = jax.jit(lambda a, b, step: one_after_another(a, b, step))
        text = fn.lower(jnp.ones(3), jnp.ones(3), jnp.array(0)).compile().as_text() or ""
    assert re.search(r"\bxor\(", text) and re.search(r"\bminimum\(", text)
