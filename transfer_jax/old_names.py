"""Modules under the names that they had before the rooms, for scripts that import them."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    f"transfer_jax.{old}": f"transfer_jax.{new}"
    for old, new in {
        "checkpoints": "folder.checkpoints",
        "conditions": "grid.conditions",
        "config": "plan.config",
        "estimate": "plan.estimate",
        "experiment": "running.experiment",
        "launch": "commands.launchers",
        "launch.local": "commands.launchers.local",
        "lock": "folder.lock",
        "results": "folder.results",
        "stopping": "running.stopping",
        "workdir": "folder.workdir",
    }.items()
}


class OldNames(MetaPathFinder, Loader):
    """Finds a module that has moved, and says where it is now."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What is imported under an old name; None for all other names."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module that moved in the place of the old name."""
        new = MOVED[module.__name__]
        warnings.warn(
            f"{module.__name__} is {new} now", DeprecationWarning, stacklevel=2, source=None
        )
        sys.modules[module.__name__] = import_module(new)
