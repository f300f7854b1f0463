import jax
import jax.numpy as jnp
import optax
import pytest

from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.cost import multiply_adds
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Cut
from transfer_jax.models.convolution import convolve

from .test_step import start_of


def test_a_convolution_is_counted_by_hand():
    x, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))
    forward = 2 * 8 * 8 * 5 * 3 * 3 * 3
    assert multiply_adds(convolve, x, kernel) == forward
    assert type(multiply_adds(convolve, x, kernel)) is int
    grads = jax.grad(lambda x, k: convolve(x, k).sum(), argnums=(0, 1))
    assert multiply_adds(grads, x, kernel) == 3 * forward
    strided = multiply_adds(lambda x, k: convolve(x, k, 2), x, kernel)
    assert strided == forward / 4


def test_grouped_convolutions_and_inner_programs_are_counted():
    def grouped(x, kernel):
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (1, 1),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=2,
        )

    x, kernel = jnp.ones((1, 4, 4, 6)), jnp.ones((3, 3, 3, 4))
    assert multiply_adds(jax.jit(grouped), x, kernel) == 4 * 4 * 4 * 9 * 3


@pytest.mark.parametrize("cuts", [(Cut(1, False), Cut(3, False)), (Cut(3, True),)], ids=str)
def test_a_column_costs_what_the_mathematics_needs(
    cuts, whole_column, network, init, split, recipe, device_images
):
    """Trunk forward once; of each condition, its own layers forward and twice backward, but
    the first one's input needs no gradient."""
    program = ColumnProgram(network, cuts, optax.sgd(0.1))
    start: ColumnStart = start_of(whole_column, network, init, split, recipe)
    state = program.init(start.networks)
    trunk = {name: start.base[name] for name in program.base_layers}
    found = multiply_adds(program.train, state, trunk, device_images, start.inputs)
    x = jnp.zeros((recipe.batch_size, 12, 12, 1))
    params = start.networks["1"]
    layers = []
    for n in range(len(network.layer_names)):
        layers.append(multiply_adds(lambda p, x, n=n: network.apply(p, x, n, n + 1), params, x))
        x, _ = network.apply(params, x, n, n + 1)
    needed = sum(layers[: len(program.base_layers)])
    for cut in cuts:
        own = layers[cut.trunk_depth :]
        needed += 3 * sum(own) - own[0]
    assert found == needed
