"""How fast accelerators are, for plans: published peaks, and the share of them that is expected."""

import difflib
from dataclasses import dataclass

from transfer_jax.plan.costs import Rate

# Dense multiply-adds a second at the precision that a float32 convolution gets by default there
# (bfloat16 on a TPU, TF32 on a GPU), from the makers' data sheets; and memory in GiB.
PEAKS = {
    "a100": (156e12 / 2, 80),
    "h100": (495e12 / 2, 80),
    "h200": (495e12 / 2, 141),
    "v4": (275e12 / 2, 32),
    "v5e": (197e12 / 2, 16),
    "v5p": (459e12 / 2, 95),
    "v6e": (918e12 / 2, 32),
}
# An assumption, not a measurement: convolutions of many small networks seldom reach more.
EXPECTED_SHARE = 0.3
COMPILE_SECONDS = 5.0


@dataclass(frozen=True)
class Accelerator:
    """One chip.

    Attributes:
      name: a key of `PEAKS`.
      rate: the speed that is expected of it.
      memory: bytes.
    """

    name: str
    rate: Rate
    memory: int


def accelerator(name: str) -> Accelerator:
    """The accelerator of that name.

    Args:
      name: such as "h100" or "v5e".

    Returns:
      What is expected of one chip: three tenths of its published peak.

    Raises:
      ValueError: none is known by that name.

    Example:
      >>> accelerator("v5e").memory // 2**30
      16
    """
    if name not in PEAKS:
        near = difflib.get_close_matches(name, PEAKS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"no accelerator '{name}'; nearest: {near}; accelerators: {', '.join(PEAKS)}"
        )
    peak, memory = PEAKS[name]
    return Accelerator(name, Rate(EXPECTED_SHARE * peak, COMPILE_SECONDS), memory * 2**30)
