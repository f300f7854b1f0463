import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.backend import made_for
from transfer_jax.models.pooling import local_response_norm, max_pool


@pytest.mark.parametrize("values", [1000, 3], ids=["no ties", "many ties"])
@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, 2), (3, 3), (3, 2)])
def test_max_pool_equals_flax_in_value_and_gradient(size, stride, values):
    """Ties included: the first of the tied values takes the whole gradient."""
    x = jax.random.permutation(jax.random.key(0), jnp.arange(2 * 7 * 8 * 3) % values * 1.0)
    x = x.reshape(2, 7, 8, 3)
    pooled, gradient = jax.vjp(lambda x: max_pool(x, size, stride), x)
    plain, plain_gradient = jax.vjp(lambda x: nn.max_pool(x, (size,) * 2, (stride,) * 2), x)
    np.testing.assert_array_equal(pooled, plain)
    cotangent = jax.random.normal(jax.random.key(1), pooled.shape)
    found, expected = gradient(cotangent)[0], plain_gradient(cotangent)[0]
    # Where windows overlap, up to four of them add up, in another order.
    np.testing.assert_allclose(found, expected, atol=0 if size == stride else 1e-6)


def test_the_first_of_tied_values_takes_the_gradient():
    grad = jax.grad(lambda x: max_pool(x, 2).sum())(jnp.ones((1, 2, 2, 1)))
    np.testing.assert_array_equal(grad[0, :, :, 0], [[1, 0], [0, 0]])


def test_max_pool_runs_under_vmap():
    x = jax.random.normal(jax.random.key(0), (3, 2, 4, 4, 5))
    grads = jax.vmap(jax.grad(lambda x: (max_pool(x, 2) ** 2).sum()))(x)
    for one, grad in zip(x, grads, strict=True):
        np.testing.assert_array_equal(jax.grad(lambda x: (max_pool(x, 2) ** 2).sum())(one), grad)


@pytest.mark.parametrize("channels", [1, 4, 7])
def test_response_norm_equals_a_loop_over_channels(channels):
    x = 30 * jax.random.normal(jax.random.key(0), (2, 3, 3, channels))
    wide = np.asarray(x, np.float64)
    expected = np.empty_like(wide)
    for c in range(channels):
        near = wide[..., max(0, c - 2) : c + 3]
        expected[..., c] = wide[..., c] / (1 + 1e-4 / 5 * (near**2).sum(-1)) ** 0.75
    np.testing.assert_allclose(local_response_norm(x), expected, rtol=1e-5)


@pytest.mark.parametrize("size", [3, 5])
def test_normalisation_is_the_same_elsewhere(size):
    """Where an accelerator computes it, neighbours are shifted copies, not a sliding sum."""
    x, cotangent = jax.random.normal(jax.random.key(0), (2, 2, 3, 4, 7))
    value, backward = jax.vjp(lambda x: local_response_norm(x, size, 0.5), x)
    with made_for("tpu"):
        other, other_backward = jax.vjp(lambda x: local_response_norm(x, size, 0.5), x)
    np.testing.assert_allclose(other, value, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        other_backward(cotangent)[0], backward(cotangent)[0], rtol=1e-5, atol=1e-6
    )
