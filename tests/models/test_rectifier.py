import jax
import jax.numpy as jnp
import numpy as np

from transfer_jax.models.rectifier import relu


def test_value_and_gradient_are_those_of_jax():
    x = jnp.array([-jnp.inf, -1.0, -0.0, 0.0, 1e-30, 2.0, jnp.inf, jnp.nan])
    for ours, theirs in zip(jax.vjp(relu, x), jax.vjp(jax.nn.relu, x), strict=True):
        if callable(ours):
            ours, theirs = ours(jnp.arange(1.0, 9.0))[0], theirs(jnp.arange(1.0, 9.0))[0]
        np.testing.assert_array_equal(ours, theirs)


def test_what_it_takes_is_not_kept():
    """The gradient keeps one array, and that is what it gave."""
    x = jnp.array([-1.0, 2.0])
    _, backward = jax.vjp(relu, x)
    kept = [np.asarray(leaf).tolist() for leaf in jax.tree.leaves(backward)]
    assert kept == [[0.0, 2.0]]
