"""What a race between ways to use a pretrained network pays, counted before anything is trained.

The unit is one plain full fine-tuning: all layers trained, for all steps. What is counted are
multiply-adds of training and of looking at validation images; test images are for the report only.
Of frozen layers that are computed once, what fits into 1 GiB is counted once, whatever memory a
machine has, so that a race is the same everywhere.
"""

import functools
from dataclasses import dataclass, replace

import jax

from transfer_jax.engine.cost import multiply_adds
from transfer_jax.engine.feeds import shapes_of_images
from transfer_jax.grid.conditions import Condition, Cut
from transfer_jax.grid.pretrained import PROBE, full, probes
from transfer_jax.models.backend import PLAIN, made_for
from transfer_jax.plan.estimate import step_multiply_adds, step_shapes
from transfer_jax.plan.plan import Plan
from transfer_jax.plan.probe_costs import answer_costs
from transfer_jax.plan.trunk_cache import TrunkCache
from transfer_jax.plan.trunk_choice import trunk_cache

# A base network's name, and a cut.
Way = tuple[str | None, Cut]
# Bytes of activations that are counted as computed once.
COUNTED = 2**30


@dataclass(frozen=True)
class Prices:
    """Multiply-adds.

    Attributes:
      unit: of one plain full fine-tuning.
      training: of one network of each way, to its end.
      looking: at one network, with all validation images.
      first: of what comes first, once for all seeds: linear heads, and frozen layers that are kept.
    """

    unit: int
    training: dict[Way, int]
    looking: int
    first: int

    def in_units(self, multiply_adds: float) -> float:
        """A number of multiply-adds, in full fine-tunings."""
        return multiply_adds / self.unit


def prices_of(plan: Plan) -> Prices:
    """What the ways of a plan cost.

    Args:
      plan: one that begins with a pretrained network.

    Returns:
      The prices.
    """
    # As an accelerator computes it, in plain convolutions: a race is the same on all devices.
    with made_for(PLAIN):
        return _prices(plan)


def _prices(plan: Plan) -> Prices:
    (whole,) = full((), len(plan.network.layer_names))
    ways = dict.fromkeys(way_of(condition) for condition in plan.grid if not condition.solved)
    share = plan.config.cache.share
    cache = trunk_cache(plan, int(COUNTED / share) if share else 0)
    # Ways that differ in what they are called and begin as, such as full and lp-ft, cost the same.
    alike = functools.cache(lambda cut: _training(plan, cut, cache))
    return Prices(
        unit=alike(_only_layers(whole)),
        training={way: alike(_only_layers(way[1])) for way in ways},
        looking=_looking(plan, whole),
        first=_probes(plan) + cache.fill,
    )


def way_of(condition: Condition) -> Way:
    """The way that a network is one of, whatever its seed and task."""
    return condition.base, Cut(condition.n, condition.fine_tuned, condition.variant)


def _only_layers(cut: Cut) -> Cut:
    if not cut.variant:
        return cut
    return replace(cut, variant=replace(cut.variant, name="", start=""))


def _training(plan: Plan, cut: Cut, cache: TrunkCache) -> int:
    phases = plan.program((cut,)).phases(plan.recipe.steps)
    kept = cache if cut.copied else None
    return sum(count * step_multiply_adds(plan, phase, kept) for count, phase in phases)


def _looking(plan: Plan, cut: Cut) -> int:
    program = plan.program((cut,))
    state, base, _, inputs = step_shapes(plan, program)
    counts = jax.eval_shape(program.no_counts)
    batch = shapes_of_images(plan.recipe.images, plan.recipe.test_batch_size)
    one = multiply_adds(program.evaluate, counts, state.conditions, base, batch, inputs)
    return one * inputs.validation_batches.shape[0]


def _probes(plan: Plan) -> int:
    """Of the task with the most images, whose heads are solved."""
    if plan.probes:
        return max(answer_costs(plan, column) for column in plan.probes)
    layers = len(plan.network.layer_names)
    begun = [
        replace(column, cuts=tuple(probes((layers - 1,), layers)), trainings=0)
        for column in plan.columns(plan.grid)
        if any(cut.variant and cut.variant.start == PROBE for cut in column.cuts)
    ]
    return max((answer_costs(plan, column) for column in begun), default=0)
