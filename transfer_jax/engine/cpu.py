"""What a CPU needs in order to train fast: a device a core, and memory that stays."""

import contextlib
import ctypes
import functools
import os
import sys

import jax

from transfer_jax.models.backend import target_backend

MAX_CPU_DEVICES = 8
# Numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8
MEMORY_FIRST = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


def spread_over_cores() -> None:
    """Make each core of a CPU a device, up to eight, unless the number has been set already.

    Columns then run side by side, with the same results to the bit: XLA's number of threads,
    by which its convolutions sum, stays that of the cores. It does nothing once JAX has looked
    at its devices, and nothing to accelerators.
    """
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return
    # Once JAX has looked at its devices, their number stays as it is.
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", min(os.cpu_count() or 1, MAX_CPU_DEVICES))


def keep_freed_memory() -> None:
    """Let the allocator keep what a step frees, so that the next step finds it in place.

    XLA allocates a program's temporaries at every call. Blocks of that size go back to the
    kernel when they are freed and come again page by page, each page set to zero: a step of a
    large grid took a quarter longer. It concerns glibc only, and the whole process; call it
    before JAX starts its threads.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for option, value in (
        (M_MMAP_MAX, 0),  # large blocks come from the heap, as small ones do
        (M_ARENA_MAX, 1),  # from one heap, since only that one may grow large
        (M_TRIM_THRESHOLD, -1),  # which is never given back
        (M_TOP_PAD, 2**28),  # and grows in steps of 256 MiB
    ):
        mallopt(option, value)


def memory_first() -> dict[str, str | bool] | None:
    """How XLA is asked to compute in the order that needs the least memory.

    Its own order has conditions wait for each other half done, so that cores are busy: that is a
    quarter faster for small networks, but the memory of all conditions is needed at once. Large
    networks keep the cores busy by themselves. Numbers are the same to the bit.

    Returns:
      Options of `jax.jit`; None on accelerators, and where XLA does not know them.
    """
    return dict(MEMORY_FIRST) if target_backend() == "cpu" and _knows_memory_first() else None


@functools.cache
def _knows_memory_first() -> bool:
    try:
        jax.jit(lambda: jax.numpy.zeros(()), compiler_options=dict(MEMORY_FIRST))()
    except jax.errors.JaxRuntimeError:
        return False
    return True
