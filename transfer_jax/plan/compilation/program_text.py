"""The text of a compiled program, read: what a device executes, in order, and why."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

ITEM_BITS = {"pred": 8, "token": 0, "opaque": 0, "bf16": 16}
# Sources of instructions that are found by their last line within this package.
PACKAGE = "transfer_jax/"
ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,<=]*)\](\{[^}]*\})?")


@dataclass(frozen=True)
class Array:
    """An array's dtype and shape, as a program's text names them.

    Attributes:
      dtype: such as "bf16" or "f32".
      shape: its sides.
      on_chip: whether it lies on the chip, as a TPU's compiler may have it, and not in memory.
    """

    dtype: str
    shape: tuple[int, ...]
    on_chip: bool = False

    @property
    def bytes(self) -> int:
        """Its size; items of less than a byte are packed."""
        bits = ITEM_BITS.get(self.dtype)
        if bits is None:
            found = re.match(r"[a-z]+(\d+)", self.dtype)
            bits = int(found[1]) if found else 0
        return -(-prod(self.shape) * bits // 8)


@dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
      name: its name, unique within the computation.
      opcode: such as "fusion".
      results: the arrays that it gives, those of a tuple one after the other.
      operands: names of the instructions whose results it takes.
      attributes: the rest of the line.
      is_root: whether its result is the computation's.
      argument: what stands in its parentheses: a parameter's number.
    """

    name: str
    opcode: str
    results: tuple[Array, ...]
    operands: tuple[str, ...]
    attributes: str
    is_root: bool
    argument: str

    @property
    def bytes(self) -> int:
        """Size of its results."""
        return sum(array.bytes for array in self.results)

    def attribute(self, pattern: str) -> str:
        """What the first group of a pattern finds in its attributes; "" for nothing."""
        found = re.search(pattern, self.attributes)
        return found[1] if found else ""

    @property
    def target(self) -> str:
        """What a custom call calls, such as "__cudnn$convForward"."""
        return self.attribute(r'custom_call_target="([^"]*)"')

    @property
    def op_name(self) -> str:
        """What JAX calls the operation that it was made from."""
        return self.attribute(r'op_name="([^"]*)"')


Computation = dict[str, Instruction]


@dataclass(frozen=True)
class Program:
    """A program's computations.

    Attributes:
      computations: name to instructions, in the order in which they run where that is known.
      entry: name of the one that the program begins with.
      aliases: number of results that are written where an argument lies.
      frames: number of a stack frame to (file, line, number of the frame that called it).
    """

    computations: dict[str, Computation]
    entry: str
    aliases: int
    frames: dict[int, tuple[str, int, int]] = field(repr=False, default_factory=dict)

    def called(self, instruction: Instruction, role: str = "calls|to_apply") -> Computation:
        """The computation that an instruction calls; none for one that calls none."""
        name = instruction.attribute(rf"\b(?:{role})=%?([\w.\-]+)")
        return self.computations.get(name, {})

    def everywhere(self) -> Iterator[Instruction]:
        """The instructions of all computations."""
        for computation in self.computations.values():
            yield from computation.values()

    def source(self, instruction: Instruction) -> str:
        """The line of this package that an instruction was made from, as "room/file.py:line"."""
        frame, last = int(instruction.attribute(r"stack_frame_id=(\d+)") or 0), None
        while frame in self.frames and frame != last:
            file, line, parent = self.frames[frame]
            if PACKAGE in file:
                return f"{file.rpartition(PACKAGE)[2]}:{line}"
            frame, last = parent, frame
        return ""


def read_program(text: str) -> Program:
    """A compiled program from its text.

    Args:
      text: what `jax.jit(f).lower(...).compile().as_text()` gives.

    Returns:
      The program.

    Raises:
      ValueError: the text is no program's.

    Example:
      >>> import jax
      >>> text = jax.jit(lambda x: x @ x).lower(jax.numpy.ones((2, 2))).compile().as_text()
      >>> [i.opcode for i in read_program(text).everywhere() if i.is_root]
      ['dot']

    Source: XLA's HLO text; https://openxla.org/xla/operation_semantics has its operations.
    """
    computations: dict[str, Computation] = {}
    entry, current = "", {}
    for line in text.splitlines():
        heading = re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\{$", line)
        if heading:
            current = computations.setdefault(heading[2], {})
            entry = heading[2] if heading[1] else entry
        elif instruction := _instruction(line):
            current[instruction.name] = instruction
    if not entry:
        raise ValueError(f"no compiled program's text: it begins with '{text[:40]}'")
    head = text.partition("\n")[0]
    return Program(computations, entry, len(re.findall(r"(?:may|must)-alias", head)), _frames(text))


def _instruction(line: str) -> Instruction | None:
    head = re.match(r"\s+(ROOT )?%?([\w.\-]+) = (?=\S)", line)
    if not head:
        return None
    rest = line[head.end() :]
    end = _closing(rest) if rest[0] == "(" else re.match(r"\S+", rest).end()  # pyright: ignore
    opcode = re.match(r" ([\w\-]+)(?=\()", rest[end:])
    if not opcode:
        return None
    after = rest[end + opcode.end() :]
    close = _closing(after)
    return Instruction(
        name=head[2],
        opcode=opcode[1],
        results=tuple(map(_array, ARRAY.findall(rest[:end]))),
        operands=tuple(re.findall(r"%([\w.\-]+)", after[:close])),
        attributes=after[close:],
        is_root=bool(head[1]),
        argument=after[1 : close - 1],
    )


def _closing(text: str) -> int:
    """The place behind the parenthesis that closes the one at the beginning."""
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if not depth:
            return place + 1
    return len(text)


def _array(found: tuple[str, str, str]) -> Array:
    dtype, sides, layout = found
    shape = tuple(int(side.strip("<=")) for side in sides.split(",") if side)
    return Array(dtype, shape, bool(re.search(r"S\([1-4]\)", layout)))


def _frames(text: str) -> dict[int, tuple[str, int, int]]:
    """The tables of the text's head; frames there have the number of their parent plus one."""
    files = dict(re.findall(r'^(\d+) "(.*\.py)"$', text, re.MULTILINE))
    lines = {
        number: (files.get(file, ""), int(line))
        for number, file, line in re.findall(
            r"^(\d+) \{file_name_id=(\d+) .*?\bline=(\d+)", text, re.MULTILINE
        )
    }
    found = re.findall(
        r"^(\d+) \{file_location_id=(\d+)(?: parent_frame_id=(\d+))?", text, re.MULTILINE
    )
    return {
        int(number): (*lines.get(place, ("", 0)), int(parent or 1) - 1)
        for number, place, parent in found
    }
