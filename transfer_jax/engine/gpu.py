"""What a GPU needs in order to compute the same numbers each time."""

import os

SAME_BITS = "xla_gpu_deterministic_ops"


def repeat_to_the_bit() -> None:
    """Have XLA take only kernels that give the same bits twice, unless it is told already.

    Left alone it tries kernels and takes the fastest of the day, and some of those add in whatever
    order their threads end. `XLA_FLAGS=--xla_gpu_deterministic_ops=false` leaves it so. XLA reads
    it once, when JAX first looks at its devices; a CPU or a TPU computes as before.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if SAME_BITS not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --{SAME_BITS}=true".strip()
