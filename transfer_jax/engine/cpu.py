"""What a CPU needs in order to train fast: a device a core, and memory that stays."""

import contextlib
import ctypes
import os
import sys

import jax

MAX_CPU_DEVICES = 8
# Numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8


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
