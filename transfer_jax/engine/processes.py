"""Several processes that train one grid together."""

from dataclasses import dataclass

import jax
from jax.experimental import multihost_utils


@dataclass(frozen=True)
class Place:
    """Where a process stands among the others.

    Attributes:
      coordinator: `host:port` of process 0.
      processes: number of processes.
      process: number of this one, from 0.
    """

    coordinator: str
    processes: int
    process: int


def join(place: Place) -> None:
    """Connect this process with the others; their devices become one mesh.

    Args:
      place: where this process stands.

    Raises:
      ValueError: the number of this process is not below the number of processes.
    """
    if not 0 <= place.process < place.processes:
        raise ValueError(
            f"process is {place.process}; allowed: 0 ... {place.processes - 1}, "
            f"since processes is {place.processes}"
        )
    jax.distributed.initialize(place.coordinator, place.processes, place.process)


def is_first() -> bool:
    """Whether this process is the one that writes results.

    Returns:
      True for process 0, and where there is only one.
    """
    return jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Go on when every process has come here.

    Args:
      name: what is waited for; the same on all processes.
    """
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
