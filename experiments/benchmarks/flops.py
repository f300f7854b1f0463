"""Multiply-adds of a grid's step, against the least that the mathematics needs.

    python experiments/benchmarks/flops.py

The least: of every column, the trunk forward once; of every condition, its own layers forward,
and backward to their parameters and inputs, but for the input of the first. It is counted by hand
from the shapes of the parameters and activations; the engine's from the trace of its step, with
plain convolutions (an accelerator's lowering) and as lowered here. Nothing is trained.
"""

import dataclasses

import jax
import jax.numpy as jnp
from grids import Grid, caffenet_grid, convnet_grid, optimizer, random_images
from timing import arguments, show, write

from transfer_jax.engine.columns import input_shapes
from transfer_jax.engine.cost import multiply_adds
from transfer_jax.engine.feeds import on_device
from transfer_jax.engine.recipe import Recipe
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.models.layered import Layered
from transfer_jax.models.precision import InPrecision


def forward_of_layers(grid: Grid) -> list[int]:
    """Multiply-adds of each layer, forward, from shapes alone."""
    x = jax.ShapeDtypeStruct((grid.batch, grid.size, grid.size, 3), jnp.float32)
    params = jax.eval_shape(grid.network.init, jax.random.key(0), x)
    counts = []
    for n, name in enumerate(grid.network.layer_names):
        kernel = params[name]["params"]["kernel"]
        if kernel.ndim == 2:
            positions = grid.batch
        else:
            positions = grid.batch * _side(x.shape[1], kernel.shape[0]) ** 2
        counts.append(positions * kernel.size)
        x, _ = jax.eval_shape(lambda p, x, n=n: grid.network.apply(p, x, n, n + 1), params, x)
    return counts


def _side(side: int, kernel: int) -> int:
    """Pixels of a convolution's output: 11x11 has stride 4 and no padding, others keep the size."""
    return (side - kernel) // 4 + 1 if kernel == 11 else side


def least(grid: Grid) -> int:
    """Of all columns."""
    layers, total = forward_of_layers(grid), 0
    for column in grid.columns:
        total += sum(layers[: max(cut.trunk_depth for cut in column.cuts)])
        for cut in column.cuts:
            own = layers[cut.trunk_depth :]
            total += 3 * sum(own) - own[0]
    return total


def traced(grid: Grid, network: Layered) -> int:
    """Of the engine's step, all columns."""
    images = random_images(grid.size)
    recipe = Recipe(images, None, None, 256, grid.batch, 128, steps=2)
    column = grid.columns[0]
    program = ColumnProgram(network, column.cuts, optimizer())
    shape = (1, grid.size, grid.size, 3)
    whole = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros(shape)))
    state = jax.eval_shape(program.init, {cut.label: whole for cut in program.cuts})
    inputs = input_shapes(recipe)
    base = {name: whole[name] for name in program.base_layers}
    step = multiply_adds(program.train, state, base, on_device(images), inputs)
    return step * len(grid.columns)


def main() -> None:
    options = arguments(__doc__, rounds=None).parse_args()
    rows = []
    for grid in (convnet_grid(), dataclasses.replace(caffenet_grid(1.0, 227), batch=1)):
        needed = least(grid)
        plain = traced(grid, InPrecision(grid.network, "bfloat16"))
        rows.append(
            {
                "grid": f"{grid.conditions} x {grid.name}, batch {grid.batch}",
                "least, G": needed / 1e9,
                "plain convolutions, G": plain / 1e9,
                "ratio": plain / needed,
                "as lowered here": traced(grid, grid.network) / needed,
            }
        )
    show("multiply-adds of one step of a grid", rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
