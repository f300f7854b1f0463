"""Several processes that train one grid together."""

import os
import re
from collections.abc import Mapping

import jax
import numpy as np
from jax.experimental import multihost_utils

from transfer_jax.engine.cluster import ClusterError, Place, place_in_cluster
from transfer_jax.engine.tpu_machine import computes_on_tpu, with_metadata

# A process that has not been heard of for so long ends the others.
HEARTBEAT_SECONDS = 30
# What JAX itself reads from the environment, and would only call no number.
NUMBERS = ("JAX_COORDINATOR_PORT", "JAX_LOCAL_DEVICE_IDS", "JAX_PARTITION_INDEX", "JAX_SLICE_INDEX")


def own_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Where the scheduler has put this process, if it started several.

    Args:
      environment: the environment variables.

    Returns:
      The place; None for a process of its own.

    Raises:
      ClusterError: this TPU is one of several, and its place among them is not known.

    Example:
      >>> own_place({})
    """
    on_tpu = computes_on_tpu(environment)
    return place_in_cluster(with_metadata(environment) if on_tpu else environment, on_tpu)


def join(place: Place) -> None:
    """Connect this process with the others; their devices become one mesh.

    Args:
      place: where this process stands.

    Raises:
      ClusterError: the number of this process is not below the number of processes.
    """
    if not 0 <= place.process < place.processes:
        raise ClusterError(
            f"process is {place.process}; allowed: 0 ... {place.processes - 1}, "
            f"since processes is {place.processes}"
        )
    for name in NUMBERS:
        if not re.fullmatch(r"(\d+(,\d+)*)?", os.environ.get(name, ""), re.ASCII):
            raise ClusterError(f"{name} is {os.environ[name]!r}; allowed: whole numbers")
    asked = bool(os.environ.get("JAX_LOCAL_DEVICE_IDS"))
    jax.distributed.initialize(
        place.coordinator,
        place.processes,
        place.process,
        None if asked else place.devices or None,
        # The place is known; JAX would ask what it finds of Slurm, Kubernetes or a TPU for more.
        cluster_detection_method="deactivate",
        heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
    )


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
