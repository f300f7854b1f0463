"""How much memory a device has: an accelerator's own, or this machine's."""

import contextlib
import os
from pathlib import Path

import jax
from jax.sharding import Mesh

# What a container may take, in either version of control groups.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_of_device(mesh: Mesh) -> int:
    """Bytes that one device of a mesh may take for itself.

    Args:
      mesh: the devices.

    Returns:
      What an accelerator says that it has. Devices of a CPU share the machine's memory with each
      other, and with this process, which holds a copy of what it puts on them.

    Example:
      >>> from transfer_jax.engine.mesh import column_mesh
      >>> memory_of_device(column_mesh(1)) > 2**20
      True
    """
    own = [device for device in mesh.devices.flat if device.process_index == jax.process_index()]
    device = own[0] if own else jax.local_devices()[0]
    if device.platform != "cpu":
        return (device.memory_stats() or {}).get("bytes_limit", 0)
    return memory_of_machine() // (1 + len(own))


def memory_of_machine() -> int:
    """Bytes of memory that this machine has, or that the container allows which this runs in.

    Returns:
      The number; 0 where nothing says it.

    Example:
      >>> memory_of_machine() > 2**20
      True
    """
    found = []
    with contextlib.suppress(ValueError, OSError, AttributeError):
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit in LIMITS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no number: there is no limit.
            found.append(int(Path(limit).read_text()))
    return min(found, default=0)
