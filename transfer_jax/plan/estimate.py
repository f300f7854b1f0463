"""What a plan will cost: networks, multiply-adds, memory and time, before anything is trained."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from transfer_jax.data.order import ColumnInputs, Images
from transfer_jax.engine.columns import ColumnStart, column_inputs, initial_networks, input_shapes
from transfer_jax.engine.cost import multiply_adds, tree_bytes
from transfer_jax.engine.feeds import on_device, shapes_of_images
from transfer_jax.engine.inputs import place_inputs
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import COLUMN, DATA, column_mesh, place, replicate
from transfer_jax.engine.step import ColumnProgram, ColumnState
from transfer_jax.grid.conditions import PRETRAINED_BASE, Column, Cut
from transfer_jax.grid.grid import columns
from transfer_jax.grid.registry import is_own
from transfer_jax.models.layered import Variables
from transfer_jax.plan.costs import ProgramCost, Rate
from transfer_jax.plan.evaluated_batches import evaluated_batches
from transfer_jax.plan.initialisers import initialiser
from transfer_jax.plan.pilot import PILOT_WAVES, pilot_plans
from transfer_jax.plan.plan import Plan, by_program, plan_mesh
from transfer_jax.plan.probe_costs import probe_costs
from transfer_jax.plan.trunk_cache import TrunkCache

# As many steps are timed, but no more once so many seconds are over.
TIMED_STEPS, TIMED_SECONDS = 30, 5.0
TRUNK = "frozen layers, once"


def estimate(
    plan: Plan, rate: Rate | None = None, cache: TrunkCache | None = None
) -> list[ProgramCost]:
    """The cost of every program of a plan.

    Args:
      rate: the speed of one device that has all to do; None measures this machine, with all of its
        devices, on a few steps.
      cache: what of frozen layers is computed once; None for nothing.

    Returns:
      One entry a program, in the order in which they run.
    """
    alone = column_mesh(1) if rate else None
    rate = rate or measure_rate(plan)
    pilot = [(wave, group) for wave, found in pilot_waves(plan) for group in by_program(found)]
    own = [(wave, group) for wave, found in plan.waves() for group in by_program(found)]
    trained = [
        _program_cost(plan, wave, group, alone or plan_mesh(plan, group), rate, cache)
        for wave, group in [*pilot, *own]
    ]
    return [*probe_costs(plan, rate), *_trunk_costs(cache, rate), *trained]


def _trunk_costs(cache: TrunkCache | None, rate: Rate) -> list[ProgramCost]:
    """What it takes to compute frozen layers once: one entry, if they are."""
    if cache is None or not cache.shapes:
        return []
    seconds = cache.fill / rate.multiply_adds
    return [ProgramCost(TRUNK, 0, 0, 0, cache.fill, 1, cache.size, rate.compile_seconds, seconds)]


def pilot_waves(plan: Plan) -> Iterator[tuple[str, list[Column]]]:
    """The waves of the pilot, at all rates together."""
    trials = pilot_plans(plan).values()
    yield PILOT_WAVES[0], [column for trial in trials for column in columns(trial.bases)]
    yield PILOT_WAVES[1], [c for trial in trials for c in trial.columns(trial.grid)]


def measure_rate(plan: Plan) -> Rate:
    """Train the column with the most conditions on every device at once and take the time.

    Returns:
      The machine's rate.
    """
    groups = [group for _, wave in plan.waves() for group in by_program(wave)]
    # Where nothing is trained, a network on whose features a head is solved stands for it.
    groups = groups or [[replace(c, cuts=(Cut(1, False),), trainings=1)] for c in plan.probes]
    group = max(groups, key=lambda group: len(group[0].cuts))
    column = group[0]
    if plan.is_pretrained:
        # A network that keeps the cores busy by itself, and takes as long to compile as all others.
        column = replace(column, cuts=column.cuts[-1:])
    program = plan.program(column.cuts, column.trainings)
    compiled = CompiledProgram(program, plan_mesh(plan, group), lean=plan.is_pretrained)
    start = _untrained_start(plan, compiled.program, column)
    images = replicate(on_device(plan.recipe.images), compiled.mesh)
    state = place([compiled.program.init(start.networks)], compiled.mesh)
    base, inputs = compiled.place_base([start]), place_inputs([start.inputs], compiled.mesh)
    began = time.perf_counter()
    state, _ = jax.block_until_ready(compiled.train(state, base, images, inputs))
    compile_seconds = time.perf_counter() - began
    step_seconds = _seconds_a_call(
        lambda state: compiled.train(state, base, images, inputs)[0], state
    )
    step = step_multiply_adds(plan, compiled.program)
    step /= compiled.mesh.shape[DATA]
    return Rate(step / step_seconds, compile_seconds / len(column.cuts))


def _seconds_a_call(step: Callable[[ColumnState], ColumnState], state: ColumnState) -> float:
    """The mean of some calls, fewer where each takes long."""
    began, calls = time.perf_counter(), 0
    while calls < TIMED_STEPS and (calls == 0 or time.perf_counter() - began < TIMED_SECONDS):
        state = jax.block_until_ready(step(state))
        calls += 1
    return (time.perf_counter() - began) / calls


def step_multiply_adds(plan: Plan, program: ColumnProgram, cache: TrunkCache | None = None) -> int:
    """Multiply-adds of one training step of a column.

    Args:
      program: the column's program.
      cache: what of frozen layers is computed once; None for nothing.

    Returns:
      The number, of all its conditions together.
    """
    if not is_own(plan.config.optimizer.name):
        # An optimizer of the project's has no products, and takes more than half of a trace.
        program = replace(program, tx=optax.identity())
    return multiply_adds(program.train, *step_shapes(plan, program, cache=cache))


def step_shapes(
    plan: Plan, program: ColumnProgram, trainings: int = 1, cache: TrunkCache | None = None
) -> tuple[ColumnState, Variables, Images, ColumnInputs]:
    """Shapes of what a training step of a column takes.

    Args:
      program: the column's program.
      trainings: the column's.
      cache: what of frozen layers is computed once; None for nothing.

    Returns:
      (state, base, images, inputs), of `jax.ShapeDtypeStruct`.
    """
    whole: Variables = jax.eval_shape(initialiser(plan), jax.random.key(0))
    state = jax.eval_shape(program.init, {cut.label: whole for cut in program.cuts})
    base = {name: whole[name] for name in program.base_layers}
    read = cache is not None and cache.on_disk
    images = shapes_of_images(plan.recipe.images, plan.recipe.batch_size, read=read)
    images = cache.beside(images) if cache else images
    return state, base, images, input_shapes(plan.recipe, trainings)


def _program_cost(
    plan: Plan,
    wave: str,
    group: list[Column],
    mesh: Mesh,
    rate: Rate,
    cache: TrunkCache | None,
) -> ProgramCost:
    column, is_pilot = group[0], wave in PILOT_WAVES
    cache = cache if column.base == PRETRAINED_BASE else None
    program = plan.program(column.cuts, column.trainings)
    steps = column.steps(plan.recipe.steps)
    phases = program.phases(steps)
    training = sum(count * step_multiply_adds(plan, phase, cache) for count, phase in phases)
    # What is trained in the end takes the most.
    program = phases[-1][1]
    state, base, images, inputs = step_shapes(plan, program, column.trainings, cache)
    counts = jax.eval_shape(program.no_counts)
    batch = shapes_of_images(plan.recipe.images, plan.recipe.test_batch_size)
    test = multiply_adds(program.evaluate, counts, state.conditions, base, batch, inputs)
    (batches,) = evaluated_batches(plan, inputs, [steps], is_pilot=is_pilot)
    per_column = training + test * batches
    in_turn = -(-len(group) // mesh.shape[COLUMN])
    compiled = 2 * rate.compile_seconds * len(program.cuts) * len(phases)
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
        multiply_adds=len(group) * training // steps,
        steps=steps,
        memory=tree_bytes((images, state, base, inputs)) + _activation_bytes(plan, program),
        # The programs of a pilot are those of the grid.
        compile_seconds=(not is_pilot) * compiled,
        seconds=in_turn * per_column / mesh.shape[DATA] / rate.multiply_adds,
    )


def _activation_bytes(plan: Plan, program: ColumnProgram) -> int:
    """Each trained layer's output before and after ReLU, and their gradients; the trunk's output.

    What XLA plans for the default job is between 0.9 and 1.25 of it.
    """
    recipe, network = plan.recipe, plan.network
    x = jax.ShapeDtypeStruct((recipe.batch_size, *recipe.network_shape), jnp.float32)
    whole = jax.eval_shape(initialiser(plan), jax.random.key(0))
    sizes = []
    for layer in range(len(network.layer_names)):
        x, _ = jax.eval_shape(lambda v, x, n=layer: network.apply(v, x, n, n + 1), whole, x)
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
