"""What commands that train begin with: a process that is fast, and joined with the others."""

import argparse
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from transfer_jax.commands.usage import UsageError

if TYPE_CHECKING:
    from etils import epath


def prepare_machine() -> None:
    """Make this process fast and its numbers repeatable; compiled programs are kept."""
    prepare_devices()
    keep_compiled_programs()


def prepare_devices() -> None:
    """A CPU's device is a core, and a GPU computes the same numbers each time."""
    from transfer_jax.engine.cpu import spread_over_cores
    from transfer_jax.engine.gpu import repeat_to_the_bit

    spread_over_cores()
    repeat_to_the_bit()


def keep_compiled_programs() -> None:
    """Keep compiled programs on disk, so that a second run starts in seconds.

    They lie where JAX_COMPILATION_CACHE_DIR says, else in the user's cache folder.
    """
    import jax

    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(home) / "transfer_jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def joined_processes(
    arguments: argparse.Namespace, workdir: "epath.Path"
) -> AbstractContextManager[None]:
    """Work together with the other processes, if this is one of several.

    Args:
      arguments: `coordinator`, `processes` and `process`; where none is given, the
        environment says them.
      workdir: the run's folder, which tells it from another run at the same port.

    Returns:
      A context; it ends when all end, or one does not.

    Raises:
      UsageError: some of the three are given and some are not.
      ClusterError: the processes do not come together.
    """
    given = {name: getattr(arguments, name) for name in ("coordinator", "processes", "process")}
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if 0 < len(missing) < len(given):
        raise UsageError(f"several processes need {', '.join(missing)} too")
    from transfer_jax.engine.cluster import Place
    from transfer_jax.engine.joining import joined, own_place

    where = own_place() if missing else Place(**given)
    return joined(where, workdir=workdir) if where else nullcontext()
