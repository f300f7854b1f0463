"""The pilot: a small training, apart from the run's own, by which learning rates are chosen."""

from dataclasses import replace

from transfer_jax.grid.conditions import RANDOM_BASE, Column
from transfer_jax.grid.families import family_of
from transfer_jax.plan.optimizer_fields import WithRates, rates_of
from transfer_jax.plan.plan import Plan

# Above all seeds that a run may have: no network that is compared takes part in the choice.
PILOT_SEED = 1_000_000
PILOT_WAVES = ("pilot: base networks", "pilot: conditions")


def pilot_plans(plan: Plan) -> dict[float, Plan]:
    """What is trained at each rate that is tried.

    The base networks of a seed of its own, and of the conditions those that copy from another
    task; where these leave a family out, also those that copy from their own task, or random
    layers. Where no base networks are trained, those from scratch. It does not depend on the run's
    seeds.

    Args:
      plan: the run's plan.

    Returns:
      Rate to plan; none where there is nothing to choose.
    """
    rates = rates_of(plan.config.optimizer)
    if len(rates) == 1:
        return {}
    bases = tuple(replace(c, seed=PILOT_SEED) for c in plan.bases if c.seed == 0)
    trained = [c for c in plan.grid if c.seed == 0 and not c.solved]
    every = plan.columns(replace(c, seed=PILOT_SEED) for c in trained)
    tried = [c for c in every if c.copies or plan.is_pretrained]
    of_split = [[c for c in tried if c.split == name] for name in plan.splits]
    grid = tuple(c for own in of_split for column in _tried(own) for c in column.conditions)
    return {rate: _at(replace(plan, bases=bases, grid=grid), rate) for rate in rates}


def _tried(every: list[Column]) -> list[Column]:
    """The columns that stand for all of a split that copy layers."""
    kinds: list[list[Column]] = [[], [], []]
    for column in every:
        is_random, own = column.base == RANDOM_BASE, column.base == column.target
        kinds[2 if is_random else 1 if own else 0].append(column)
    chosen: list[Column] = []
    for kind in kinds:
        seen = {family_of(cut) for column in chosen for cut in column.cuts}
        if {family_of(cut) for column in kind for cut in column.cuts} - seen:
            chosen += kind
    return chosen


def _at(plan: Plan, rate: float) -> Plan:
    """The plan at one rate; nothing is measured beside accuracy."""
    optimizer = plan.config.optimizer
    assert isinstance(optimizer, WithRates)
    config = replace(plan.config, optimizer=replace(optimizer, rates=(rate,)), controls=())
    return replace(plan, config=config)
