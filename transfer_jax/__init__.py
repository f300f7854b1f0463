"""transfer_jax: how many layers of a network to transfer, and whether to freeze them."""

from typing import TYPE_CHECKING, Any

from transfer_jax.grid import condition_grid
from transfer_jax.surgery.diff import ChangeReport, diff
from transfer_jax.surgery.freeze import freeze, freeze_stats, thaw
from transfer_jax.surgery.freeze_traced import freeze_traced
from transfer_jax.surgery.gradients import value_and_grad
from transfer_jax.surgery.graft import graft, reinitialise
from transfer_jax.surgery.matching import GraftError, GraftReport, graft_report
from transfer_jax.surgery.partition import combine, partition
from transfer_jax.surgery.selection import SelectionError, first_layers, select
from transfer_jax.surgery.stacking import stack, unstack
from transfer_jax.surgery.summary import Summary, summary
from transfer_jax.surgery.tree_files import TreeFileError, load_tree, save_tree

if TYPE_CHECKING:
    from transfer_jax.experiment import run
    from transfer_jax.results import Results

__all__ = [
    "ChangeReport",
    "GraftError",
    "GraftReport",
    "Results",
    "SelectionError",
    "Summary",
    "TreeFileError",
    "combine",
    "condition_grid",
    "diff",
    "first_layers",
    "freeze",
    "freeze_stats",
    "freeze_traced",
    "graft",
    "graft_report",
    "load_tree",
    "partition",
    "reinitialise",
    "run",
    "save_tree",
    "select",
    "stack",
    "summary",
    "thaw",
    "unstack",
    "value_and_grad",
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
