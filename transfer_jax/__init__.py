"""transfer_jax: how many layers of a network to transfer, and whether to freeze them."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from transfer_jax.old_names import OldNames

if TYPE_CHECKING:
    from transfer_jax.analysis.advise import advise
    from transfer_jax.analysis.any_table import TableError
    from transfer_jax.analysis.statistics.telling import Advice
    from transfer_jax.folder.results import Results
    from transfer_jax.grid.grid import condition_grid
    from transfer_jax.plan.network_door import network
    from transfer_jax.running.experiment import run
    from transfer_jax.surgery.diff import ChangeReport, diff
    from transfer_jax.surgery.freeze import freeze, on_trainable
    from transfer_jax.surgery.freeze_stats import freeze_stats
    from transfer_jax.surgery.freeze_traced import freeze_traced
    from transfer_jax.surgery.gradients import value_and_grad
    from transfer_jax.surgery.graft import graft, reinitialise
    from transfer_jax.surgery.matching import GraftError, GraftReport, graft_report
    from transfer_jax.surgery.partition import combine, partition
    from transfer_jax.surgery.selection import SelectionError, first_layers, select
    from transfer_jax.surgery.stacking import stack, unstack
    from transfer_jax.surgery.summary import Summary, summary
    from transfer_jax.surgery.thaw import thaw
    from transfer_jax.surgery.tree_files import TreeFileError, load_tree, save_tree

__all__ = [
    "Advice",
    "ChangeReport",
    "GraftError",
    "GraftReport",
    "Results",
    "SelectionError",
    "Summary",
    "TableError",
    "TreeFileError",
    "advise",
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
    "network",
    "on_trainable",
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

# A name is loaded when it is asked for: surgery needs jax and optax alone, a report neither.
_HOMES = {
    "condition_grid": "transfer_jax.grid.grid",
    "ChangeReport": "transfer_jax.surgery.diff",
    "diff": "transfer_jax.surgery.diff",
    "freeze": "transfer_jax.surgery.freeze",
    "on_trainable": "transfer_jax.surgery.freeze",
    "freeze_stats": "transfer_jax.surgery.freeze_stats",
    "thaw": "transfer_jax.surgery.thaw",
    "freeze_traced": "transfer_jax.surgery.freeze_traced",
    "value_and_grad": "transfer_jax.surgery.gradients",
    "graft": "transfer_jax.surgery.graft",
    "reinitialise": "transfer_jax.surgery.graft",
    "GraftError": "transfer_jax.surgery.matching",
    "GraftReport": "transfer_jax.surgery.matching",
    "graft_report": "transfer_jax.surgery.matching",
    "combine": "transfer_jax.surgery.partition",
    "partition": "transfer_jax.surgery.partition",
    "SelectionError": "transfer_jax.surgery.selection",
    "first_layers": "transfer_jax.surgery.selection",
    "select": "transfer_jax.surgery.selection",
    "stack": "transfer_jax.surgery.stacking",
    "unstack": "transfer_jax.surgery.stacking",
    "Summary": "transfer_jax.surgery.summary",
    "summary": "transfer_jax.surgery.summary",
    "TreeFileError": "transfer_jax.surgery.tree_files",
    "load_tree": "transfer_jax.surgery.tree_files",
    "save_tree": "transfer_jax.surgery.tree_files",
    "network": "transfer_jax.plan.network_door",
    "run": "transfer_jax.running.experiment",
    "Results": "transfer_jax.folder.results",
    "Advice": "transfer_jax.analysis.statistics.telling",
    "TableError": "transfer_jax.analysis.any_table",
    "advise": "transfer_jax.analysis.advise",
}

# First, since below `launch` Python itself would find a second copy.
sys.meta_path.insert(0, OldNames())


def __getattr__(name: str) -> Any:
    """A public name, from the room where it is at home."""
    if name not in _HOMES:
        raise AttributeError(f"module 'transfer_jax' has no attribute '{name}'")
    found = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
