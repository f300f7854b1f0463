"""Gradients keep their numbers, and say how they lie to a TPU alone."""

import jax
import jax.numpy as jnp
import pytest

from transfer_jax.engine.layouts import as_parameters_lie
from transfer_jax.engine.mesh import COLUMN, DATA
from transfer_jax.models.backend import made_for

TREE = {
    "kernel": jnp.arange(6.0).reshape(2, 3),
    "conv": jnp.ones((1, 2, 3)),
    "bias": jnp.arange(3.0),
    "scale": jnp.array(2.0),
}


@pytest.mark.parametrize(
    ("kind", "data", "told"), [("tpu", 2, 1), ("tpu", 1, 0), ("gpu", 2, 0), ("cpu", 2, 0)]
)
@pytest.mark.parametrize("mapped", [False, True], ids=["alone", "mapped"])
def test_numbers_are_the_same_and_a_tpu_is_told(kind, data, told, mapped):
    fn = jax.vmap(as_parameters_lie) if mapped else as_parameters_lie
    given = jax.tree.map(lambda leaf: jnp.stack([leaf, -leaf]), TREE) if mapped else TREE
    mesh = jax.sharding.AbstractMesh((1, data), (COLUMN, DATA))
    with made_for(kind), jax.sharding.use_abstract_mesh(mesh):
        text = jax.jit(fn).trace(given).lower(lowering_platforms=("cpu",)).as_text()
    assert text.count("@LayoutConstraint") == told
    found = jax.jit(fn)(given)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), found, given))
