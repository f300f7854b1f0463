"""Fresh networks, from a key."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from transfer_jax.engine.columns import Init
from transfer_jax.models.layered import Params
from transfer_jax.plan.plan import Plan


class Initialisers:
    """The functions that make fresh parameters from a key, each compiled once."""

    def __init__(self) -> None:
        self.compiled: dict[Any, Init] = {}

    def of(self, plan: Plan) -> Init:
        """The function of a plan's network.

        Args:
          plan: the plan.

        Returns:
          The function.
        """
        key = plan.program_key(())
        if key not in self.compiled:
            self.compiled[key] = initialiser(plan)
        return self.compiled[key]


def initialiser(plan: Plan) -> Init:
    """The function that makes fresh parameters from a key, compiled.

    Args:
      plan: the plan.

    Returns:
      The function.
    """
    shape = (1, *plan.recipe.network_shape)
    init: Callable[..., Params] = jax.jit(lambda key: plan.network.init(key, jnp.zeros(shape)))
    return init
