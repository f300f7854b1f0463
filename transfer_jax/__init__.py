"""transfer_jax: how many layers of a network to transfer, and whether to freeze them."""

from typing import TYPE_CHECKING, Any

from transfer_jax.conditions import condition_grid
from transfer_jax.surgery.diff import ChangeReport, diff
from transfer_jax.surgery.freeze import freeze
from transfer_jax.surgery.graft import GraftError, graft, reinitialise
from transfer_jax.surgery.partition import combine, partition
from transfer_jax.surgery.paths import SelectionError, first_layers, select
from transfer_jax.surgery.stacking import stack, unstack

if TYPE_CHECKING:
    from transfer_jax.experiment import run
    from transfer_jax.results import Results

__all__ = [
    "ChangeReport",
    "GraftError",
    "Results",
    "SelectionError",
    "combine",
    "condition_grid",
    "diff",
    "first_layers",
    "freeze",
    "graft",
    "partition",
    "reinitialise",
    "run",
    "select",
    "stack",
    "unstack",
]


def __getattr__(name: str) -> Any:
    """Load the experiment room only when it is asked for: surgery needs jax and optax alone."""
    if name == "run":
        from transfer_jax.experiment import run

        return run
    if name == "Results":
        from transfer_jax.results import Results

        return Results
    raise AttributeError(f"module 'transfer_jax' has no attribute '{name}'")
