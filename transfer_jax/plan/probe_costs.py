"""What the linear heads of a plan cost: one forward pass, and solving for them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from transfer_jax.engine.all_layers import SHARES
from transfer_jax.engine.columns import column_order, input_shapes
from transfer_jax.engine.cost import multiply_adds, tree_bytes
from transfer_jax.engine.features import FeatureProgram
from transfer_jax.engine.feeds import shapes_of_images
from transfer_jax.engine.logistic import STRENGTHS
from transfer_jax.engine.view import View
from transfer_jax.grid.conditions import Column
from transfer_jax.grid.pretrained import PROBE
from transfer_jax.plan.costs import ProgramCost, Rate
from transfer_jax.plan.plan import Plan

PROBES = "probes"
# Of the solver, each with a forward and a backward product: as many as most heads take.
EVALUATIONS = 50
# Products of all features with all that they have axes for: finding these, and features along them.
OF_AXES = 4


def probe_costs(plan: Plan, rate: Rate) -> list[ProgramCost]:
    """What the probes of a plan cost; heads that networks only begin with are not counted.

    Args:
      rate: the speed of a device.

    Returns:
      One entry, with all of it as one step; none where there are no probes. They are solved once
      for all seeds.
    """
    found, once = plan.probes, solved_once(plan)
    if not once:
        return []
    adds, parameters, memory = zip(*(_of(plan, column) for column in once), strict=True)
    return [
        ProgramCost(
            wave=PROBES,
            columns=len(found),
            networks=sum(len(column.cuts) for column in found),
            parameters=sum(parameters),
            multiply_adds=sum(adds),
            steps=1,
            memory=max(memory),
            compile_seconds=2 * rate.compile_seconds,
            seconds=sum(adds) / rate.multiply_adds,
        )
    ]


def solved_once(plan: Plan) -> list[Column]:
    """The columns of probes whose heads are solved: one for all seeds.

    Returns:
      One entry for each split, target and number of examples; none where there are no probes.
    """
    return list({(c.split, c.target, c.examples): c for c in plan.probes}.values())


def feature_program(plan: Plan, column: Column) -> tuple[FeatureProgram, tuple[Any, ...], int]:
    """What computes the features of a column of probes, a batch a call.

    Returns:
      The program, the shapes of what its `of` takes, and the number of calls.
    """
    recipe = plan.recipe
    depths = tuple(sorted({n for cut in column.cuts for n in cut.depths}))
    program = FeatureProgram(plan.network, depths, View(crop=recipe.crop))
    x = jnp.zeros((1, *recipe.network_shape))
    whole = jax.eval_shape(lambda: plan.network.init(jax.random.key(0), x))
    images = shapes_of_images(recipe.images, recipe.test_batch_size)
    number = -(-_examples(plan, column) // recipe.test_batch_size)
    batches = jax.ShapeDtypeStruct((number, recipe.test_batch_size), np.int32)
    seen = (whole, images, batches, jax.ShapeDtypeStruct((), np.int32), input_shapes(recipe))
    return program, seen, number


def _examples(plan: Plan, column: Column) -> int:
    """How many images a head is solved, chosen and judged with."""
    order = column_order(column, plan.splits[column.split], plan.recipe)
    return len(order.examples) + plan.recipe.validation_examples + plan.recipe.test_examples


def answer_costs(plan: Plan, column: Column) -> int:
    """Multiply-adds of solving the heads of a column, and of judging them on validation images.

    Args:
      column: one of probes.

    Returns:
      The number; that of test images, which no choice is made by, is not in it.
    """
    return _forward(plan, column, plan.recipe.test_examples) + _solving(plan, column)


def _of(plan: Plan, column: Column) -> tuple[int, int, int]:
    """Multiply-adds, parameters and bytes of the probes of one column."""
    whole, images, *_ = feature_program(plan, column)[1]
    outputs, each = _outputs(plan, column), feature_widths(plan, column).values()
    widths = _widths(plan, column)
    # Features of all depths, and those of the widest head once more, in double precision.
    kept = _examples(plan, column) * (4 * sum(each) + 8 * max(widths))
    memory = tree_bytes((images, whole)) + kept
    parameters = outputs * sum(width + 1 for width in widths)
    return _forward(plan, column) + _solving(plan, column), parameters, memory


def _forward(plan: Plan, column: Column, left_out: int = 0) -> int:
    """Of one pass over all images but some."""
    program, seen, _ = feature_program(plan, column)
    batches = -(-(_examples(plan, column) - left_out) // plan.recipe.test_batch_size)
    return multiply_adds(program.of, *seen) * batches


def _solving(plan: Plan, column: Column) -> int:
    train = len(column_order(column, plan.splits[column.split], plan.recipe).examples)
    # There are no more axes than images; probes are solved by one program, that of the widest.
    widest = min(max(feature_widths(plan, column).values()), train)
    total = 0
    for cut, width in zip(column.cuts, _widths(plan, column), strict=True):
        is_probe = cut.variant is not None and cut.variant.name == PROBE
        axes, times = (widest, 1) if is_probe else (min(width, train), len(SHARES))
        evaluated = 2 * EVALUATIONS * len(STRENGTHS) * _outputs(plan, column)
        total += times * train * axes * (evaluated + OF_AXES * width)
    return total


def _outputs(plan: Plan, column: Column) -> int:
    return len(plan.splits[column.split].task(column.target).classes)


def _widths(plan: Plan, column: Column) -> list[int]:
    """Numbers of features, head by head."""
    each = feature_widths(plan, column)
    return [sum(each[n] for n in cut.depths) for cut in column.cuts]


def feature_widths(plan: Plan, column: Column) -> dict[int, int]:
    """How many features there are after the layers that the heads of a column want.

    Args:
      column: one of probes.

    Returns:
      Number of layers to number of features.
    """
    program, seen, _ = feature_program(plan, column)
    return {n: own.shape[1] for n, own in jax.eval_shape(program.of, *seen).items()}
