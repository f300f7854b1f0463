"""What accelerators are said to do: arithmetic, memory, and the share of it that is expected."""

from dataclasses import dataclass

from transfer_jax.grid.registry import nearest
from transfer_jax.plan.costs import Rate

# An assumption, not a measurement: convolutions of many small networks seldom reach more.
EXPECTED_SHARE = 0.3
COMPILE_SECONDS = 5.0
GIB = 2**30


@dataclass(frozen=True)
class Accelerator:
    """One chip.

    Attributes:
      name: a key of `ACCELERATORS`.
      bfloat16: floating-point operations a second in dense products of bfloat16.
      float32: those that a float32 convolution gets by JAX's default: one pass of bfloat16 on a
        TPU, TF32 on a GPU.
      memory: bytes that programs may take: of a TPU those that its compiler hands out.
      bandwidth: bytes a second between memory and chip.
    """

    name: str
    bfloat16: float
    float32: float
    memory: int
    bandwidth: float

    @property
    def rate(self) -> Rate:
        """The speed that is expected of it where nothing was compiled."""
        return Rate(EXPECTED_SHARE * self.float32 / 2, COMPILE_SECONDS)

    def peak(self, precision: str) -> float:
        """Floating-point operations a second at a precision of `config.precision`."""
        return self.bfloat16 if precision == "bfloat16" else self.float32


def _tpu(name: str, tera: float, gib: float, bandwidth: float) -> Accelerator:
    return Accelerator(name, tera * 1e12, tera * 1e12, int(gib * GIB), bandwidth)


def _gpu(name: str, tera: float, tf32: float, gib: float, bandwidth: float) -> Accelerator:
    return Accelerator(name, tera * 1e12, tf32 * 1e12, int(gib * GIB), bandwidth)


# TPUs: cloud.google.com/tpu/docs/v4, /v5e, /v5p, /v6e, "key chip specifications". Of their 32, 16,
# 95 and 32 GB the compiler keeps some for itself; what is left stands in its own words when a
# program has no room ("exceeds available HBM", libtpu 0.0.42).
# GPUs: NVIDIA's data sheets of the A100 80GB SXM, the H100 SXM and the H200 SXM, without sparsity.
ACCELERATORS = {
    chip.name: chip
    for chip in (
        _gpu("a100", 312, 156, 80, 2.039e12),
        _gpu("h100", 989.4, 494.7, 80, 3.35e12),
        _gpu("h200", 989.4, 494.7, 141, 4.8e12),
        _tpu("v4", 275, 30.75, 1.228e12),
        _tpu("v5e", 197, 15.75, 0.819e12),
        _tpu("v5p", 459, 95.74, 2.765e12),
        _tpu("v6e", 918, 31.25, 1.64e12),
    )
}


def accelerator(name: str) -> Accelerator:
    """The accelerator of that name.

    Args:
      name: such as "h100" or "v5e", in letters of any case.

    Returns:
      What it is said to do.

    Raises:
      ValueError: none is known by that name.

    Example:
      >>> accelerator("v5e").memory / 2**30
      15.75
    """
    if name.lower() not in ACCELERATORS:
        raise ValueError(
            f"no accelerator '{name}'{nearest(name.lower(), ACCELERATORS)}; accelerators: "
            f"{', '.join(ACCELERATORS)}"
        )
    return ACCELERATORS[name.lower()]
