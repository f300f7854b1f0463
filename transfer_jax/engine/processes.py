"""Several processes that train one grid together."""

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils

# A process that has not been heard of for so long ends the others.
HEARTBEAT_SECONDS = 30
SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
TPU_HOSTS = ("TPU_WORKER_HOSTNAMES", "TPU_PROCESS_ADDRESSES")


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
    jax.distributed.initialize(
        place.coordinator,
        place.processes,
        place.process,
        heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
    )


def join_cluster() -> None:
    """Connect this process with the others of the job that `cluster` found, as JAX does there."""
    jax.distributed.initialize(heartbeat_timeout_seconds=HEARTBEAT_SECONDS)


def cluster(environment: Mapping[str, str] = os.environ) -> str:
    """The kind of job that this process was started by, where it starts several.

    Args:
      environment: the environment variables.

    Returns:
      "slurm", "tpu", or nothing for a process of its own.

    Example:
      >>> cluster({name: "2" for name in SLURM})
      'slurm'
      >>> cluster({})
      ''
    """
    if all(name in environment for name in SLURM) and int(environment["SLURM_NTASKS"]) > 1:
        return "slurm"
    if any("," in environment.get(name, "") for name in TPU_HOSTS):
        return "tpu"
    return "tpu" if environment is os.environ and _is_tpu_machine() else ""


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


def agree(*values: int) -> tuple[int, ...]:
    """The largest that any process says, of each value; all processes call this together.

    Args:
      values: whole numbers from 0, or truths.

    Returns:
      The same on all processes.

    Example:
      >>> agree(0, True)
      (0, 1)
    """
    if jax.process_count() == 1:
        return tuple(int(value) for value in values)
    said = multihost_utils.process_allgather(np.asarray(values, np.int32))
    return tuple(int(value) for value in np.max(said, axis=0))


def _is_tpu_machine() -> bool:
    """A TPU machine knows its neighbours from its own metadata, also where it has none."""
    devices = (*Path("/dev").glob("accel*"), *Path("/dev/vfio").glob("[0-9]*"))
    return bool(devices) and importlib.util.find_spec("libtpu") is not None
