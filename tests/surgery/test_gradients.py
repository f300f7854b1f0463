"""No backward pass below the first trainable layer."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import transfer_jax as tj

WIDTH, BATCH, LAYERS = 32, 16, 5
NAMES = [f"fc{i + 1}" for i in range(LAYERS)]
PARAMS = {
    name: {"kernel": jax.random.normal(jax.random.key(i), (WIDTH, WIDTH)) / WIDTH**0.5}
    for i, name in enumerate(NAMES)
}
X = jax.random.normal(jax.random.key(99), (BATCH, WIDTH))


def loss(params, x):
    for name in NAMES:
        x = jnp.tanh(x @ params[name]["kernel"])
    return (x**2).mean()


def flops(n: int, grad_of) -> float:
    """FLOPs of a compiled step that also logs the norm of all gradients."""

    def step(params, x):
        value, grads = grad_of(n)(params, x)
        return value, grads, optax.tree.norm(grads)

    return jax.jit(step).lower(PARAMS, X).compile().cost_analysis()["flops"]


def ours(n: int):
    return tj.value_and_grad(loss, tj.first_layers(PARAMS, n, NAMES))


@pytest.mark.parametrize("n", [1, 3, 4])
def test_the_backward_pass_stops_at_the_first_trainable_layer(n):
    product = 2 * BATCH * WIDTH * WIDTH
    # Forward everywhere; above the cut two products a layer, but the first needs no input gradient.
    needed = product * (LAYERS + 2 * (LAYERS - n) - 1)
    assert needed <= flops(n, ours) < 1.1 * needed


def test_differentiating_everything_pays_for_all_layers_once_a_norm_reads_them():
    naive = flops(3, lambda n: jax.value_and_grad(loss))
    assert naive > 1.5 * flops(3, ours)


def test_values_and_gradients_are_those_of_jax():
    value, grads = tj.value_and_grad(loss, "fc1/*")(PARAMS, X)
    expected_value, expected = jax.value_and_grad(loss)(PARAMS, X)
    np.testing.assert_allclose(value, expected_value, rtol=1e-6)
    assert jax.tree.structure(grads) == jax.tree.structure(PARAMS)
    assert float(jnp.abs(grads["fc1"]["kernel"]).max()) == 0.0
    for name in NAMES[1:]:
        np.testing.assert_allclose(
            grads[name]["kernel"], expected[name]["kernel"], rtol=1e-5, atol=1e-7
        )


def test_auxiliary_output_passes_through():
    (value, aux), _ = tj.value_and_grad(lambda p, x: (loss(p, x), "aux"), "fc1/*", has_aux=True)(
        PARAMS, X
    )
    assert (value.shape, aux) == ((), "aux")
