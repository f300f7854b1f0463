"""Devices that are not here, for which programs are compiled: a TPU's slices, or GPUs."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Any

import jax

from transfer_jax.folder.extras import needs
from transfer_jax.grid.registry import nearest
from transfer_jax.plan.accelerators import ACCELERATORS, Accelerator
from transfer_jax.plan.compilation.gpu_topologies import gpu_topology
from transfer_jax.plan.fields import ConfigError

TPU = r"(?:(?P<slices>\d+)x)?(?P<chip>v\d\w*):(?P<shape>\d+(?:x\d+){1,2})"
SIZE, GPU = r"(?P<chip>v\d\w*)-(?P<size>\d+)", r"(?P<chip>[a-z]+\d+)(?::(?P<count>\d+))?"
# The slices that Google's types of machine have, by the number in their names: of v4 and v5p it
# counts cores, of which a chip has two.
FLAT = {
    1: "1x1", 4: "2x2", 8: "2x4", 16: "4x4", 32: "4x8", 64: "8x8", 128: "8x16", 256: "16x16",
}  # fmt: skip
DEEP = {
    8: "2x2x1", 16: "2x2x2", 32: "2x2x4", 64: "2x4x4", 128: "4x4x4", 256: "4x4x8", 512: "4x8x8",
}  # fmt: skip
SLICES = {"v4": DEEP, "v5e": FLAT, "v5p": DEEP, "v6e": FLAT}
# A v4 whose two cores are one device, as on the machines that JAX runs on.
CHIP_CONFIGS = {"v4": "megacore"}
# libtpu asks for these where there is no TPU, and lets one process at a time load it, which here
# takes no device.
QUIET = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
MOST_CHIPS = 10_000


class TopologyError(ConfigError):
    """Devices that there are none of."""


@dataclass(frozen=True)
class Topology:
    """Devices of one kind, and how they are joined.

    Attributes:
      name: as it is told.
      chip: what each device is.
      shape: chips along each axis of a slice; of GPUs their number.
      slices: how many slices, which a network joins.
    """

    name: str
    chip: Accelerator
    shape: tuple[int, ...]
    slices: int = 1

    @property
    def is_tpu(self) -> bool:
        """Whether it is made of TPUs, or else of GPUs."""
        return self.chip.name in SLICES

    @property
    def platform(self) -> str:
        """What JAX calls its kind of device."""
        return "tpu" if self.is_tpu else "gpu"

    @property
    def chips(self) -> int:
        """How many chips it has."""
        return prod(self.shape) * self.slices

    def devices(self) -> Sequence[Any]:
        """One device a chip, for which programs can be compiled and on which nothing can run.

        Raises:
          ExtraError: the compiler is not installed.
          TopologyError: the compiler does not know the shape.
        """
        if not self.is_tpu:
            return gpu_topology(self.chip.name, self.chips)
        with needs("topology", f"Compiling for {self.name} on this machine"):
            import_module("libtpu")
        return _tpu_devices(self)


def topology(name: str) -> Topology:
    """The devices of that name.

    Args:
      name: a TPU's slice by its shape, `v5e:4x4` or `v4:2x2x1`, or by its type, `v5e-16`; several
        slices, `2xv5e:4x4`; or GPUs, `h100` or `h100:8`; in letters of any case.

    Returns:
      The devices; nothing is loaded.

    Raises:
      TopologyError: there are none of that name.

    Example:
      >>> topology("2xV5e:4x4").chips, topology("v5e-16").shape, topology("h100").chips
      (32, (4, 4), 1)
    """
    given = name.strip().lower()
    if found := re.fullmatch(TPU, given):
        shape = tuple(map(int, found["shape"].split("x")))
        made = Topology(given, _chip(name, found["chip"], True), shape, int(found["slices"] or 1))
    elif found := re.fullmatch(SIZE, given):
        chip = _chip(name, found["chip"], True)
        made = Topology(given, chip, _shape_of_size(name, chip, int(found["size"])))
    elif found := re.fullmatch(GPU, given):
        made = Topology(given, _chip(name, found["chip"], False), (int(found["count"] or 1),))
    else:
        raise TopologyError(f"topology is '{name}'; {_allowed()}{nearest(given, _examples())}")
    if not 1 <= made.chips <= MOST_CHIPS:
        raise TopologyError(f"topology is '{name}'; allowed: 1 to {MOST_CHIPS} chips")
    return made


def _examples() -> list[str]:
    """A name of each kind: all sizes of TPUs, and single GPUs."""
    tpus = [f"{chip}:{shape}" for chip, sizes in SLICES.items() for shape in sizes.values()]
    return [*tpus, *(chip for chip in ACCELERATORS if chip not in SLICES)]


def _allowed() -> str:
    gpus = ", ".join(chip for chip in ACCELERATORS if chip not in SLICES)
    return f"allowed: v5e:4x4, v5e-16, 2xv5e:4x4, with {', '.join(SLICES)}; or {gpus}, h100:8"


def _chip(name: str, chip: str, is_tpu: bool) -> Accelerator:
    known = [own for own in ACCELERATORS if (own in SLICES) == is_tpu]
    if chip not in known:
        kind = "TPU" if is_tpu else "GPU"
        raise TopologyError(
            f"topology is '{name}', but there is no {kind} '{chip}'; {kind}s: {', '.join(known)}"
            f"{nearest(chip, known)}"
        )
    return ACCELERATORS[chip]


def _shape_of_size(name: str, chip: Accelerator, size: int) -> tuple[int, ...]:
    sizes = SLICES[chip.name]
    if size not in sizes:
        near = min(sizes, key=lambda own: abs(own - size))
        raise TopologyError(
            f"topology is '{name}'; of {chip.name} there are {', '.join(map(str, sizes))}; "
            f"nearest: {chip.name}-{near}"
        )
    return tuple(map(int, sizes[size].split("x")))


def _tpu_devices(asked: Topology) -> Sequence[Any]:
    from jax.experimental.topologies import get_topology_desc

    shape = "x".join(map(str, asked.shape))
    given: dict[str, Any] = {"chips_per_host_bounds": (1, 1, 1)} if asked.chips == 1 else {}
    if asked.slices > 1:
        given["num_slices"] = asked.slices
    if config := CHIP_CONFIGS.get(asked.chip.name):
        given["chip_config_name"] = config
    with _with_variables(QUIET):
        try:
            found = get_topology_desc(f"{asked.chip.name}:{shape}", "tpu", **given)
        except jax.errors.JaxRuntimeError:
            raise TopologyError(_no_shape(asked)) from None
    return found.devices


def _no_shape(asked: Topology) -> str:
    shapes = {prod(map(int, shape.split("x"))): shape for shape in SLICES[asked.chip.name].values()}
    near = shapes[min(shapes, key=lambda chips: abs(chips - asked.chips))]
    return (
        f"topology is '{asked.name}', but {asked.chip.name} has no such slice; slices: "
        f"{', '.join(shapes.values())}; nearest: {asked.chip.name}:{near}"
    )


@contextmanager
def _with_variables(variables: dict[str, str]) -> Iterator[None]:
    """The environment with these variables where it has none of them, and then as it was."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
