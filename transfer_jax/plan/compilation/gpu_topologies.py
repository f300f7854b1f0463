"""GPUs that are not here, for which programs are compiled: what XLA wants to know of each."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from transfer_jax.folder.extras import ExtraError, needs
from transfer_jax.grid.registry import nearest
from transfer_jax.plan.accelerators import accelerator

PLUGINS = ("jax_plugins.xla_cuda12", "jax_plugins.xla_cuda13")
# Else the plugin looks for a GPU, and is not there for programs either where it finds none.
WITHOUT_A_GPU = "JAX_SKIP_CUDA_CONSTRAINTS_CHECK"


@dataclass(frozen=True)
class GpuTarget:
    """One GPU, as its compiler sees it beside what `ACCELERATORS` says.

    Attributes:
      kind: what the driver calls it.
      capability: its compute capability.
      cores: multiprocessors.
      lanes: float32 operations that each starts in a cycle.
      gigahertz: the highest clock.
      cache: bytes of the second level.
      shared: bytes of a multiprocessor that its blocks share.
      shared_block: bytes that one block may ask for.
    """

    kind: str
    capability: tuple[int, int]
    cores: int
    lanes: int
    gigahertz: float
    cache: int
    shared: int
    shared_block: int


KIB, MIB = 2**10, 2**20
# Multiprocessors, lanes, clocks and caches: NVIDIA's papers on the architecture of the A100 (2020)
# and the H100 (2022; an H200 is an H100 with other memory), SXM cards. Shared memory: CUDA C++
# programming guide, "Technical specifications per compute capability", 8.0 and 9.0.
GPUS = {
    "a100": GpuTarget(
        "NVIDIA A100-SXM4-80GB", (8, 0), 108, 64, 1.41, 40 * MIB, 164 * KIB, 163 * KIB
    ),
    "h100": GpuTarget(
        "NVIDIA H100 80GB HBM3", (9, 0), 132, 128, 1.98, 50 * MIB, 228 * KIB, 227 * KIB
    ),
    "h200": GpuTarget("NVIDIA H200", (9, 0), 132, 128, 1.98, 50 * MIB, 228 * KIB, 227 * KIB),
}
# The rest is the same for both capabilities in that guide; versions are those that JAX 0.10 is
# built with.
TEXT = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  threads_per_core_limit: 2048
  shared_memory_per_block: 49152
  shared_memory_per_core: {own.shared}
  shared_memory_per_block_optin: {own.shared_block}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  core_count: {own.cores}
  fpus_per_core: {own.lanes}
  clock_rate_ghz: {own.gigahertz}
  memory_bandwidth: {chip.bandwidth:.0f}
  device_memory_size: {chip.memory}
  l2_cache_size: {own.cache}
  cuda_compute_capability {{ major: {own.capability[0]} minor: {own.capability[1]} }}
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 8 }}
runtime_version {{ major: 12 minor: 9 }}
device_description_str: "{own.kind}"
"""


def gpu_topology(chip: str, count: int = 1) -> Sequence[Any]:
    """GPUs for which programs can be compiled, and on which nothing can run.

    Which of several kernels is the fastest cannot be tried there: XLA takes its first choice.

    Args:
      chip: a key of `GPUS`.
      count: how many, in one machine.

    Returns:
      The devices.

    Raises:
      ValueError: there is no such GPU.
      ExtraError: XLA's compiler for GPUs is not installed, or was not loaded.

    Example:
      >>> gpu_topology("h10")
      Traceback (most recent call last):
      ...
      ValueError: no GPU 'h10'; nearest: h100; GPUs: a100, h100, h200
    """
    if chip not in GPUS:
        raise ValueError(f"no GPU '{chip}'{nearest(chip, GPUS)}; GPUs: {', '.join(GPUS)}")
    feature = f"Compiling for {chip} on this machine"
    with needs("cuda", feature):
        if not any(map(_is_there, PLUGINS)):
            raise ModuleNotFoundError(f"No module named '{PLUGINS[0]}'")
    from jax.experimental.topologies import get_topology_desc

    target = TEXT.format(own=GPUS[chip], chip=accelerator(chip))
    shape = f"1x1x{count}"
    with _looking_for_none():
        try:
            return get_topology_desc(chip, "cuda", topology=shape, target_config=target).devices
        except NotImplementedError:
            raise ExtraError(
                f"{feature} needs: JAX_PLATFORMS=cpu (JAX looked for a GPU before, and found none)"
            ) from None


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def _looking_for_none() -> Iterator[None]:
    before = os.environ.get(WITHOUT_A_GPU)
    os.environ[WITHOUT_A_GPU] = "1"
    try:
        yield
    finally:
        del os.environ[WITHOUT_A_GPU]
        if before is not None:
            os.environ[WITHOUT_A_GPU] = before
