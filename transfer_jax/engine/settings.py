"""What an optimizer keeps in its state beside what it learns: rates, and where schedules stand."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array

from transfer_jax.engine.condition import ConditionState

# Name to value.
Settings = Mapping[str, Array | float]
# The states of optax whose count says where a schedule stands.
SCHEDULES = ("ScaleByScheduleState", "InjectHyperparamsState", "InjectStatefulHyperparamsState")


def with_settings(held: ConditionState, settings: Settings | None) -> ConditionState:
    """A state whose optimizer has settings of its own.

    Args:
      held: a condition's.
      settings: its own; None, or none, leaves all as they are.

    Returns:
      The state.
    """
    if not settings:
        return held
    values = {name: jnp.asarray(value) for name, value in settings.items()}
    return held._replace(opt_state=optax.tree.set(held.opt_state, **values))


def is_of_a_schedule(path: tuple[Any, ...], _: object) -> bool:
    """Whether a count in an optimizer's state says where a schedule stands.

    Args:
      path: the keys that lead to it.

    Returns:
      True for such a count.
    """
    return getattr(path[-1], "tuple_name", "") in SCHEDULES
