"""What XLA is told when it compiles a program, by the devices it compiles for."""

import functools

import jax
from jax.sharding import Mesh

Options = dict[str, str | bool]
MEMORY_FIRST: Options = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}
# Three quarters of the 128 MiB that a core of these has. The rest is for what XLA fetches ahead:
# with more, it copies most activations there and back.
LARGE_TILES: Options = {"xla_tpu_scoped_vmem_limit_kib": "98304"}
WITH_LARGE_TILES = ("TPU v5 lite", "TPU v6 lite")
# At -0.1 a step of CaffeNet compiles as at 0, at -0.5 as at -1.
QUICK = -0.5


def compiler_options(mesh: Mesh, lean: bool = False) -> Options | None:
    """What XLA is told beside the program.

    Args:
      mesh: the devices.
      lean: whether a CPU computes in the order that needs the least memory. Its own order has
        conditions wait for each other half done, so that cores are busy: that is a quarter faster
        for small networks, but the memory of all conditions is needed at once. Large networks keep
        the cores busy by themselves. Numbers are the same to the bit.

    Returns:
      Options of `jax.jit`; None for none, or where XLA does not know them.

    Example:
      >>> from transfer_jax.engine.mesh import column_mesh
      >>> compiler_options(column_mesh(1)) is None
      True
    """
    device = mesh.devices.flat[0]
    if device.platform == "cpu":
        return dict(MEMORY_FIRST) if lean and _knows_memory_first() else None
    if device.device_kind not in WITH_LARGE_TILES or is_quick():
        return None
    return dict(LARGE_TILES)


def is_quick() -> bool:
    """Whether XLA is asked to compile quickly, at the price of slower programs.

    It then tries no tiles, and large ones take it as long as ever without being any better.

    Returns:
      Whether JAX_EXEC_TIME_OPTIMIZATION_EFFORT, from -1 to 1, says so.

    Example:
      >>> is_quick()
      False
    """
    return jax.config.jax_exec_time_optimization_effort <= QUICK  # pyright: ignore


@functools.cache
def _knows_memory_first() -> bool:
    try:
        jax.jit(lambda: jax.numpy.zeros(()), compiler_options=dict(MEMORY_FIRST))()
    except jax.errors.JaxRuntimeError:
        return False
    return True
