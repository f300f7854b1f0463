"""What a compiled program moves between memory and chip, counted in its text.

A device reads the operands of every instruction that it executes from its memory, and writes the
results there; what lies within a fusion stays on the chip. XLA's own cost analysis says
something else: a TPU's counts what is copied to the memory on the chip and read there, too, and
GPUs have none before a program runs.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from transfer_jax.plan.compilation.program_text import Array, Computation, Instruction, Program

# What names an array, or a part of it, without a pass over memory.
FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "add-dependency",
    "partition-id", "replica-id", "opt-barrier", "while", "conditional", "call", "domain",
}  # fmt: skip
# A TPU's names for places in its memory.
FREE_CALLS = {"ConcatBitcast", "AllocateBuffer", "AssumeGatherIndicesInBound"}
# They read as much of their first operand as they give.
PARTS = {"slice", "dynamic-slice", "gather"}
# They write where their first operand lies, and as much as the operand of that place says.
IN_PLACE = {"dynamic-update-slice": 1, "scatter": 2}


class Executed(NamedTuple):
    """An instruction that a device executes.

    Attributes:
      instruction: the instruction.
      within: its computation.
      times: how often in one call of the program.
    """

    instruction: Instruction
    within: Computation
    times: int


def executed(program: Program, computation: Computation | None = None) -> Iterator[Executed]:
    """Every instruction that takes time on a device, loops' as often as they run.

    A loop whose number of turns is an argument counts as one turn, as a call of it for one step
    would; of branches the one that moves the most counts.

    Args:
      computation: where to begin; None for the program's entry.

    Returns:
      The instructions, in the order of the text.
    """
    within = program.computations[program.entry] if computation is None else computation
    for instruction in within.values():
        if instruction.opcode == "while":
            turns = int(instruction.attribute(r'"known_trip_count":\{"n":"(\d+)"') or 1)
            for role in ("condition", "body"):
                for inner in executed(program, program.called(instruction, role)):
                    yield inner._replace(times=turns * inner.times)
        elif instruction.opcode == "conditional":
            yield from max(_branches(program, instruction), key=lambda b: _moved(program, b))
        elif instruction.opcode in ("call", "async-start"):
            yield from executed(program, program.called(instruction))
        elif not _is_free(instruction):
            yield Executed(instruction, within, 1)


def bytes_moved(program: Program, found: Executed) -> int:
    """Bytes that one execution of an instruction reads and writes.

    Args:
      found: what `executed` gives.

    Returns:
      The number; of a fusion's operands only the parts that it takes count, and of what it
      overwrites in place only what changes.
    """
    instruction, opcode = found.instruction, found.instruction.opcode
    operands = [_size(found.within, name) for name in instruction.operands]
    results = _in_memory(instruction.results)
    if opcode == "fusion":
        return _fusion_moves(program.called(instruction), operands, instruction.results)
    if opcode in PARTS:
        return min(instruction.bytes, operands[0]) + results + sum(operands[1:])
    if opcode in IN_PLACE:
        return sum(operands[1:]) + operands[IN_PLACE[opcode]]
    if opcode == "slice-start":
        part = instruction.results[1]
        return min(part.bytes, operands[0]) + _in_memory([part])
    if opcode.endswith("-start") and opcode != "all-reduce-start":
        return _in_memory(array for array in instruction.results if array.shape)
    if opcode == "custom-call":
        # Behind the result of a library's call stands its room to work in.
        results = _in_memory(array for array in instruction.results if array.dtype != "u8")
    return results + sum(operands)


def _is_free(instruction: Instruction) -> bool:
    ends = instruction.opcode.endswith(("-done", "-update"))
    return ends or instruction.opcode in FREE or instruction.target in FREE_CALLS


def _moved(program: Program, instructions: list[Executed]) -> int:
    return sum(found.times * bytes_moved(program, found) for found in instructions)


def _branches(program: Program, instruction: Instruction) -> list[list[Executed]]:
    names = instruction.attribute(r"branch_computations=\{([^}]*)\}").split(",")
    names += [instruction.attribute(rf"{w}_computation=%?([\w.\-]+)") for w in ("true", "false")]
    names = [name.strip().lstrip("%") for name in names]
    return [list(executed(program, program.computations.get(name, {}))) for name in names if name]


def _in_memory(arrays: Iterable[Array]) -> int:
    return sum(array.bytes for array in arrays if not array.on_chip)


def _size(computation: Computation, name: str) -> int:
    return _in_memory(computation[name].results) if name in computation else 0


def _fusion_moves(inner: Computation, operands: list[int], results: tuple[Array, ...]) -> int:
    number = {i.name: int(i.argument) for i in inner.values() if i.opcode == "parameter"}
    root = next(i for i in inner.values() if i.is_root)
    outputs = [inner[name] for name in root.operands] if root.opcode == "tuple" else [root]
    read = sum(_read(inner, name, operands[place]) for name, place in number.items())
    if len(outputs) != len(results):
        return read + _in_memory(results)
    pairs = zip(outputs, results, strict=True)
    return read + sum(_written(inner, out) for out, array in pairs if not array.on_chip)


def _read(inner: Computation, name: str, whole: int) -> int:
    """Bytes that a fused computation reads of an array which it takes."""
    total = 0
    for user in inner.values():
        if name not in user.operands:
            continue
        first = user.operands[0] == name and name not in user.operands[1:]
        if user.opcode == "bitcast":
            total += _read(inner, user.name, whole)
        elif first and user.opcode in PARTS:
            total += user.bytes
        elif not (first and user.opcode in IN_PLACE):
            return whole
    return min(total, whole)


def _written(inner: Computation, output: Instruction) -> int:
    while output.opcode == "bitcast":
        output = inner[output.operands[0]]
    if output.opcode in IN_PLACE:
        return _size(inner, output.operands[IN_PLACE[output.opcode]])
    return output.bytes
