"""What a CPU needs in order to train fast: a device a core."""

import contextlib
import os

import jax

MAX_CPU_DEVICES = 8


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
