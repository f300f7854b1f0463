"""What the kernels of a compiled program are for, and what each kind moves and computes."""

from collections.abc import Mapping
from functools import reduce
from typing import NamedTuple

from transfer_jax.plan.compilation.program_flop import flop
from transfer_jax.plan.compilation.program_text import Instruction, Program
from transfer_jax.plan.compilation.program_traffic import FREE, bytes_moved, executed

# Kernels that compute nothing, by the most that they do.
ONLY_MOVES = {
    "conversion": {"convert"},
    "transpose": {"transpose", "copy", "copy-start", "reverse"},
    "slice": {"slice", "slice-start", "concatenate", "dynamic-slice", "dynamic-update-slice"},
}
KINDS = ("cuDNN", "product", *ONLY_MOVES, "other")


class Counts(NamedTuple):
    """What some instructions do in one call of a program.

    Attributes:
      kernels: how many there are.
      bytes: what they read from memory and write there.
      flop: floating-point operations of matrix products and convolutions.
    """

    kernels: int = 0
    bytes: int = 0
    flop: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(*map(sum, zip(self, other, strict=True)))


def counted(program: Program) -> dict[str, Counts]:
    """What a program does, by what its kernels are for.

    Returns:
      One of `KINDS` to the counts of one call; kinds that do not occur are left out.
    """
    found: dict[str, Counts] = {}
    for own in executed(program):
        operations = flop(program, own)
        counts = Counts(own.times, own.times * bytes_moved(program, own), own.times * operations)
        kind = _kind(program, own.instruction, operations)
        found[kind] = found.get(kind, Counts()).plus(counts)
    return {kind: found[kind] for kind in KINDS if kind in found}


def total(found: Mapping[str, Counts]) -> Counts:
    """All kinds of kernels together.

    Args:
      found: what `counted` gives.

    Returns:
      Their sum.

    Example:
      >>> total({"product": Counts(1, 24, 8), "copy": Counts(2, 32)})
      Counts(kernels=3, bytes=56, flop=8)
    """
    return reduce(Counts.plus, found.values(), Counts())


def _kind(program: Program, instruction: Instruction, operations: int) -> str:
    if instruction.target.startswith("__cudnn"):
        return "cuDNN"
    if operations:
        return "product"
    inner = program.called(instruction) if instruction.opcode == "fusion" else {}
    opcodes = {i.opcode for i in inner.values()} or {instruction.opcode}
    for kind, own in ONLY_MOVES.items():
        if opcodes & own and opcodes <= FREE.union(*ONLY_MOVES.values()):
            return kind
    return "other"
