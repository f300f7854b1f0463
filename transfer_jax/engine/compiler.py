"""What XLA is told when it compiles a program, by the devices it compiles for."""

import functools

import jax
from jax.sharding import Mesh

Options = dict[str, str | bool]
MEMORY_FIRST: Options = {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


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
    if mesh.devices.flat[0].platform != "cpu" or not lean:
        return None
    return dict(MEMORY_FIRST) if _knows_memory_first() else None


@functools.cache
def _knows_memory_first() -> bool:
    try:
        jax.jit(lambda: jax.numpy.zeros(()), compiler_options=dict(MEMORY_FIRST))()
    except jax.errors.JaxRuntimeError:
        return False
    return True
