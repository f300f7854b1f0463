"""Gradients keep their numbers, and say how they lie to a TPU alone."""

import jax
import jax.numpy as jnp
import pytest

from transfer_jax.engine.layouts import as_parameters_lie
from transfer_jax.models.backend import made_for

TREE = {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.arange(3.0), "scale": jnp.array(2.0)}


@pytest.mark.parametrize(("kind", "told"), [("tpu", 3), ("gpu", 0), ("cpu", 0)])
@pytest.mark.parametrize("mapped", [False, True], ids=["alone", "mapped"])
def test_numbers_are_the_same_and_a_tpu_is_told(kind, told, mapped):
    fn = jax.vmap(as_parameters_lie) if mapped else as_parameters_lie
    given = jax.tree.map(lambda leaf: jnp.stack([leaf, -leaf]), TREE) if mapped else TREE
    with made_for(kind):
        text = jax.jit(fn).lower(given).as_text()
        found = jax.jit(fn)(given)
    assert text.count("@LayoutConstraint") == told
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), found, given))
