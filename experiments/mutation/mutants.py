"""Small faults put into one file at a time, by mutmut's operators."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, CodeSpan, MetadataWrapper
from mutmut.mutation.mutators import mutation_operators  # pyright: ignore[reportMissingImports]

# zip(..., strict=True) states what holds already: without it nothing changes.
STATED = re.compile(r",\s*strict=\w+")


@dataclass(frozen=True)
class Mutant:
    """A file with one fault.

    Attributes:
      file: the file's path in the repository.
      before: what it holds.
      code: what it holds with the fault.
    """

    file: str
    before: str
    code: str

    @cached_property
    def change(self) -> tuple[tuple[int, ...], str, str]:
        """Numbers of the lines that differ, these lines as they were, and as they are now."""
        old, new = self.before.splitlines(), self.code.splitlines()
        differ = (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
        start = next(differ, min(len(old), len(new)))
        end = 0
        while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
            end += 1
        removed, added = old[start : len(old) - end], new[start : len(new) - end]
        lines = tuple(range(start + 1, start + 1 + max(len(removed), 1)))
        return lines, _dedented(removed), _dedented(added)

    @property
    def key(self) -> str:
        """What tells mutants apart, wherever in the file the lines have moved."""
        _, removed, added = self.change
        return f"{Path(self.file).name}\n- {removed}\n+ {added}"

    def __str__(self) -> str:
        lines, removed, added = self.change
        old = "\n".join(f"- {line}" for line in removed.splitlines())
        new = "\n".join(f"+ {line}" for line in added.splitlines())
        return f"{self.file}:{lines[0]}\n{old}\n{new}"


def mutants_of(file: str, code: str) -> Iterator[Mutant]:
    """Every fault that the operators put into the functions of a file.

    Args:
      file: the file's path in the repository.
      code: what it holds.

    Yields:
      The mutants in the order of the file, each change once.
    """
    wrapper = MetadataWrapper(cst.parse_module(code), unsafe_skip_copy=True)
    finder = _Finder()
    wrapper.visit(finder)
    seen = {STATED.sub("", code)}
    for start, node, new in finder.found:
        mutated = _spliced(code.encode(), start, *map(wrapper.module.code_for_node, (node, new)))
        bare = STATED.sub("", mutated)
        if bare not in seen and _compiles(mutated):
            seen.add(bare)
            yield Mutant(file, code, mutated)


def statement_lines(code: str, lines: Iterable[int]) -> set[int]:
    """Lines that run when some lines' statement runs.

    Args:
      code: what the file holds.
      lines: line numbers.

    Returns:
      The lines of the innermost statements; of a function's head, those of its body.
    """
    statements = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.stmt)]
    found: set[int] = set()
    for line in lines:
        around = [s for s in statements if s.lineno <= line <= (s.end_lineno or s.lineno)]
        inner = max(around, key=lambda s: (s.lineno, -(s.end_lineno or 0)), default=None)
        if inner is not None:
            found |= set(range(inner.lineno, (inner.end_lineno or inner.lineno) + 1))
    return found


class _Finder(cst.CSTVisitor):
    """The nodes inside functions, with what the operators make of each."""

    METADATA_DEPENDENCIES = (ByteSpanPositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, cst.CSTNode, cst.CSTNode]] = []
        self.functions = 0

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom):
            return False
        self.functions += isinstance(node, cst.FunctionDef)
        if self.functions:
            for kind, operator in mutation_operators:
                if isinstance(node, kind):
                    start = cast(CodeSpan, self.get_metadata(ByteSpanPositionProvider, node)).start
                    self.found += [(start, node, new) for new in operator(node)]
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        self.functions -= isinstance(original_node, cst.FunctionDef)


def _spliced(code: bytes, start: int, old: str, new: str) -> str:
    """The code with a node's text replaced.

    Its text may begin with brackets before its start, and does not have the indentation that its
    statement has.
    """
    for depth in range(10):
        text, other = (part.replace("\n", "\n" + "    " * depth).encode() for part in (old, new))
        for begin in range(start, max(start - len(text), -1), -1):
            if code.startswith(text, begin):
                return (code[:begin] + other + code[begin + len(text) :]).decode()
    raise ValueError(f"{old!r} is not where it was read")


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def _dedented(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines)
