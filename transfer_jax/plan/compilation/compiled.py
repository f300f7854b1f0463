"""What the compiler makes of a program for devices that are not here, as numbers."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh

from transfer_jax.plan.accelerators import Accelerator
from transfer_jax.plan.compilation.collectives import collectives_by_axis
from transfer_jax.plan.compilation.program_kernels import counted, total
from transfer_jax.plan.compilation.program_text import read_program

# The compiler's own words where a program has no room.
NO_ROOM = re.compile(r"(?:required for [\w ]+\(|Used )([\d.]+)([KMGT])")
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Compiled:
    """One program, compiled; numbers are of one device and one call.

    Attributes:
      arguments: bytes of what it takes; a loop of steps counts as one step.
      temporaries: bytes that it needs beside that.
      results: bytes of what it gives, where nothing that it takes is overwritten.
      overwritten: bytes of what it takes that results are written over.
      flop: floating-point operations.
      moved: bytes that it reads from memory and writes there, not what stays on the chip.
      collectives: axis of the mesh to how often devices talk along it, by kind.
      seconds: how long compiling took, on this machine.
      has_room: whether the device has room for it; flop, moved and collectives are not known else.
    """

    arguments: int
    temporaries: int
    results: int = 0
    overwritten: int = 0
    flop: float = 0.0
    moved: float = 0.0
    collectives: Mapping[str, Counter[str]] | None = None
    seconds: float = 0.0
    has_room: bool = True

    @property
    def memory(self) -> int:
        """Bytes on a device while it runs."""
        return self.arguments + self.temporaries + self.results - self.overwritten

    def arithmetic_seconds(self, chip: Accelerator, precision: str) -> float:
        """How long a call's arithmetic takes at the chip's peak."""
        return self.flop / chip.peak(precision)

    def memory_seconds(self, chip: Accelerator) -> float:
        """How long a call's bytes take at the chip's bandwidth."""
        return self.moved / chip.bandwidth

    def call_seconds(self, chip: Accelerator, precision: str) -> float:
        """How long a call takes at least: its arithmetic, or its bytes.

        Source: the roofline of Williams, Waterman and Patterson (2009).
        """
        return max(self.arithmetic_seconds(chip, precision), self.memory_seconds(chip))

    def bound(self, chip: Accelerator, precision: str) -> str:
        """What a call waits for: "arithmetic" or "memory"."""
        is_memory = self.memory_seconds(chip) > self.arithmetic_seconds(chip, precision)
        return "memory" if is_memory else "arithmetic"


@contextmanager
def _nothing_kept() -> Iterator[None]:
    """Without JAX's programs on disk: for devices that are not here, none can be read again."""
    name = "jax_enable_compilation_cache"
    before = getattr(jax.config, name)
    jax.config.update(name, False)
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        jax.config.update(name, before)
        compilation_cache.reset_cache()


def compiled_call(fn: Any, arguments: Sequence[Any], mesh: Mesh) -> tuple[Compiled, str]:
    """Compile a function for the devices on which its arguments lie.

    Args:
      fn: what `jax.jit` gives.
      arguments: those of a call, of `jax.ShapeDtypeStruct`, with shardings.
      mesh: the devices.

    Returns:
      Its numbers, and its text; no text where the device has no room for it.

    Raises:
      ValueError: the compiler gives up for another reason than want of room.
    """
    began = time.perf_counter()
    lowered = fn.lower(*arguments)
    try:
        with _nothing_kept():
            executable = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        seconds = time.perf_counter() - began
        return _without_room(arguments, " ".join(str(error).split()), seconds), ""
    seconds = time.perf_counter() - began
    text, plan = executable.as_text(), executable.memory_analysis()
    # XLA's own bytes hold what is copied to the memory on a chip, too; GPUs have no analysis.
    read, costs = total(counted(read_program(text))), executable.cost_analysis() or {}
    found = Compiled(
        arguments=plan.argument_size_in_bytes,
        temporaries=plan.temp_size_in_bytes,
        results=plan.output_size_in_bytes,
        overwritten=plan.alias_size_in_bytes,
        flop=float(costs.get("flops", read.flop)),
        moved=float(read.bytes),
        collectives=collectives_by_axis(text, mesh),
        seconds=seconds,
    )
    return found, text


def _without_room(arguments: Sequence[Any], told: str, seconds: float) -> Compiled:
    """What is known then: what a call takes, and how much the compiler would have needed."""
    needed = NO_ROOM.search(told)
    if "RESOURCE_EXHAUSTED" not in told or not needed:
        raise ValueError(f"a program cannot be compiled: {told[:400]}")
    own = sum(map(bytes_on_a_device, jax.tree.leaves(arguments)))
    whole = int(float(needed[1]) * UNITS[needed[2]])
    return Compiled(own, max(0, whole - own), seconds=seconds, has_room=False)


def bytes_on_a_device(leaf: jax.ShapeDtypeStruct) -> int:
    """Bytes of an array's part that lies on one device.

    Args:
      leaf: the array's shape, with or without a sharding.

    Returns:
      The number.

    Example:
      >>> bytes_on_a_device(jax.ShapeDtypeStruct((2, 3), "float32"))
      24
    """
    shape = leaf.sharding.shard_shape(leaf.shape) if leaf.sharding else leaf.shape
    return prod(shape) * leaf.dtype.itemsize
