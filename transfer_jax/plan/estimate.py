"""What a plan will cost: networks, multiply-adds, memory and time, before anything is trained."""

import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from transfer_jax.data.order import ColumnInputs, DeviceImages
from transfer_jax.engine.columns import ColumnStart, column_inputs, initial_networks, input_shapes
from transfer_jax.engine.cost import multiply_adds, tree_bytes
from transfer_jax.engine.feeds import on_device
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import COLUMN, DATA, place, replicate
from transfer_jax.engine.step import ColumnProgram, ColumnState
from transfer_jax.grid.conditions import Column
from transfer_jax.models.layered import Params
from transfer_jax.plan.initialisers import initialiser
from transfer_jax.plan.plan import Plan, by_program, plan_mesh

TIMED_STEPS = 30


@dataclass(frozen=True)
class ProgramCost:
    """The cost of the columns that share one program.

    Attributes:
      wave: name of the wave.
      columns: number of columns.
      networks: number of networks.
      parameters: trained parameters, all networks together.
      multiply_adds: of one training step of all columns.
      memory: bytes on a device while one of these columns is trained: images, parameters,
        optimizer state, activations and their gradients.
      compile_seconds: estimate for compiling the program.
      seconds: estimate for training and testing all columns.
    """

    wave: str
    columns: int
    networks: int
    parameters: int
    multiply_adds: int
    memory: int
    compile_seconds: float
    seconds: float


@dataclass(frozen=True)
class Rate:
    """How fast one device is while all work: multiply-adds a second, seconds to compile a net."""

    multiply_adds: float
    compile_seconds: float


def estimate(plan: Plan, rate: Rate | None = None) -> list[ProgramCost]:
    """The cost of every program of a plan.

    Args:
      plan: the plan.
      rate: the speed of a device; None measures it on a few steps.

    Returns:
      One entry a program, in the order in which they run.
    """
    rate = rate or measure_rate(plan)
    costs = []
    for wave, found in plan.waves():
        for cuts, group in by_program(found):
            program = plan.program(cuts)
            costs.append(_program_cost(plan, wave, program, group, rate))
    return costs


def measure_rate(plan: Plan) -> Rate:
    """Train the column with the most conditions on every device at once and take the time.

    Args:
      plan: the plan.

    Returns:
      The machine's rate.
    """
    every = [column for _, wave in plan.waves() for column in wave]
    column = max(every, key=lambda column: len(column.cuts))
    group = [other for other in every if other.cuts == column.cuts]
    compiled = CompiledProgram(plan.program(column.cuts), plan_mesh(plan, group))
    start = _untrained_start(plan, compiled.program, column)
    images = replicate(on_device(plan.recipe.images), compiled.mesh)
    state = place([compiled.program.init(start.networks)], compiled.mesh)
    base, inputs = compiled.place_base([start]), compiled.place_inputs([start.inputs])
    began = time.perf_counter()
    state, _ = jax.block_until_ready(compiled.train(state, base, images, inputs))
    compile_seconds = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(TIMED_STEPS):
        state, _ = compiled.train(state, base, images, inputs)
    jax.block_until_ready(state)
    step_seconds = (time.perf_counter() - began) / TIMED_STEPS
    step = step_multiply_adds(plan, compiled.program)
    step /= compiled.mesh.shape[DATA]
    return Rate(step / step_seconds, compile_seconds / len(column.cuts))


def step_multiply_adds(plan: Plan, program: ColumnProgram) -> int:
    """Multiply-adds of one training step of a column.

    Args:
      plan: the plan.
      program: the column's program.

    Returns:
      The number, of all its conditions together.
    """
    train = program.train_batch if plan.recipe.images.streamed else program.train
    return multiply_adds(train, *step_shapes(plan, program))


def step_shapes(
    plan: Plan, program: ColumnProgram
) -> tuple[ColumnState, Params, DeviceImages, ColumnInputs]:
    """Shapes of what a training step of a column takes.

    Args:
      plan: the plan.
      program: the column's program.

    Returns:
      (state, base, images, inputs), of `jax.ShapeDtypeStruct`.
    """
    whole: Params = jax.eval_shape(initialiser(plan), jax.random.key(0))
    state = jax.eval_shape(program.init, {cut.label: whole for cut in program.cuts})
    base = {name: whole[name] for name in program.base_layers}
    return state, base, image_shapes(plan), input_shapes(plan.recipe)


def image_shapes(plan: Plan, batch: int | None = None) -> DeviceImages:
    """Shapes of the images that lie on a device: all of them, or a batch of a stream.

    Args:
      plan: the plan.
      batch: examples of a batch; None for a training batch.

    Returns:
      Images and labels, of `jax.ShapeDtypeStruct`.
    """
    count, *pixel = plan.recipe.images.images.shape
    count = (batch or plan.recipe.batch_size) if plan.recipe.images.streamed else count
    return DeviceImages(
        jax.ShapeDtypeStruct((count, *pixel), jnp.uint8),  # pyright: ignore
        jax.ShapeDtypeStruct((count,), jnp.int32),  # pyright: ignore
    )


def _program_cost(
    plan: Plan, wave: str, program: ColumnProgram, group: list[Column], rate: Rate
) -> ProgramCost:
    state, base, images, inputs = step_shapes(plan, program)
    counts = jax.eval_shape(program.no_counts)
    step = step_multiply_adds(plan, program)
    evaluate = program.evaluate_batch if plan.recipe.images.streamed else program.evaluate
    batch = image_shapes(plan, plan.recipe.test_batch_size)
    test = multiply_adds(evaluate, counts, state.conditions, base, batch, inputs)
    every = plan.config.test_every
    tests = -(-plan.recipe.steps // every) if every else 1
    evaluated = inputs.validation_batches.shape[0] + inputs.test_batches.shape[0]
    per_column = step * plan.recipe.steps + tests * test * evaluated
    mesh = plan_mesh(plan, group)
    in_turn = -(-len(group) // mesh.shape[COLUMN])
    names = plan.network.layer_names
    trained = [
        state.conditions[cut.label].params[name]
        for cut in program.cuts
        for layer, name in enumerate(names)
        if layer not in cut.frozen
    ]
    return ProgramCost(
        wave=wave,
        columns=len(group),
        networks=len(group) * len(program.cuts),
        parameters=len(group) * sum(leaf.size for leaf in jax.tree.leaves(trained)),
        multiply_adds=len(group) * step,
        memory=tree_bytes((images, state, base, inputs)) + _activation_bytes(plan, program),
        compile_seconds=2 * rate.compile_seconds * len(program.cuts),
        seconds=in_turn * per_column / mesh.shape[DATA] / rate.multiply_adds,
    )


def _activation_bytes(plan: Plan, program: ColumnProgram) -> int:
    """Each trained layer's output before and after ReLU, and their gradients; the trunk's output.

    What XLA plans for the default job is between 0.9 and 1.25 of it.
    """
    recipe, network = plan.recipe, plan.network
    x = jax.ShapeDtypeStruct((recipe.batch_size, *recipe.network_shape), jnp.float32)
    params = jax.eval_shape(initialiser(plan), jax.random.key(0))
    sizes = []
    for layer in range(len(network.layer_names)):
        x = jax.eval_shape(lambda p, x, n=layer: network.apply(p, x, n, n + 1), params, x)
        sizes.append(tree_bytes(x))
    trunk = sum(sizes[: program.trunk_depth])
    return trunk + sum(4 * sum(sizes[cut.trunk_depth :]) for cut in program.cuts)


def _untrained_start(plan: Plan, program: ColumnProgram, column: Column) -> ColumnStart:
    """What a column starts from, on an untrained base network."""
    init, names = initialiser(plan), plan.network.layer_names
    base = init(jax.random.key(0))
    return ColumnStart(
        networks=initial_networks(column, names, init, base),
        base={name: base[name] for name in program.base_layers},
        inputs=column_inputs(column, plan.splits[column.split], plan.recipe),
    )
