"""The paper's grid, compiled for GPUs on a machine that has none: memory, bytes, FLOP, kernels.

    JAX_PLATFORMS=cpu python experiments/benchmarks/gpu_compile.py

It needs `pip install -e '.[cuda]'`. A column of 14 CaffeNets at batch 256 is what is compiled, as
the training loop calls it; the grid's 56 are four such columns, held at once and trained in turn.
It ends with 1 where a bound is broken. `--tiny` compiles a narrow network; `--sources` lists the
lines of the package whose kernels move the most.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any

import jax
from timing import arguments, show, write

from transfer_jax.models.backend import made_for
from transfer_jax.plan.accelerators import Accelerator, accelerator
from transfer_jax.plan.compilation.calls import Call, planned_calls
from transfer_jax.plan.compilation.compiled import Compiled, compiled_call
from transfer_jax.plan.compilation.gpu_topologies import gpu_topology
from transfer_jax.plan.compilation.program_flop import grouped_convolutions
from transfer_jax.plan.compilation.program_kernels import counted
from transfer_jax.plan.compilation.program_text import Program, read_program
from transfer_jax.plan.compilation.program_traffic import Executed, bytes_moved, executed
from transfer_jax.plan.config import load_config
from transfer_jax.plan.plan import make_plan

GIB, GB = 2**30, 1e9
CONFIG = "imagenet_random"
TINY = ["--config.network.width=0.125", "--config.batch_size=8"]
# What was reached, and is held: GB that a step of 14 networks moves; FLOP over the least.
MOST_MOVED = {"bfloat16": 64.0, "float32": 97.0}
# Of a narrow network the first layer, whose kernel is filled up to whole squares, is a larger part.
MOST_FLOP, MOST_FLOP_TINY = 1.02, 1.08


@dataclass(frozen=True)
class Case:
    """The step of a column, compiled for a chip in a precision."""

    chip: Accelerator
    precision: str
    call: Call
    found: Compiled
    program: Program

    @property
    def name(self) -> str:
        return f"{self.chip.name}, {self.precision}"

    @property
    def memory_of_four(self) -> int:
        """Bytes while four columns are held and one of them is trained."""
        return self.found.memory + 3 * self.found.overwritten


def compiled_case(chip: str, precision: str, tiny: bool) -> Case:
    """The step of the column with the most networks, as the loop calls it on one GPU."""
    overrides = [f"--config.precision={precision}", *(TINY if tiny else [])]
    plan = make_plan(load_config(CONFIG, overrides))
    with made_for("gpu"):
        calls = planned_calls(plan, gpu_topology(chip))
        steps = [call for call in calls if call.name.endswith("step")]
        call = max(steps, key=lambda call: call.least)
        found, text = compiled_call(call.fn, call.arguments, call.mesh)
    return Case(accelerator(chip), precision, call, found, read_program(text))


def weights_moved(case: Case) -> float:
    """Bytes of arrays as large as a trained parameter, or as the half of one with two groups."""
    sizes = {prod(leaf.shape) for leaf in jax.tree.leaves(case.call.arguments[0])}

    def share(found: Executed) -> float:
        names = [name for name in found.instruction.operands if name in found.within]
        arrays = [a for name in names for a in found.within[name].results]
        arrays += found.instruction.results
        own = [a.bytes for a in arrays if {prod(a.shape), 2 * prod(a.shape)} & sizes]
        return sum(own) / max(1, sum(array.bytes for array in arrays))

    every = executed(case.program)
    return sum(own.times * bytes_moved(case.program, own) * share(own) for own in every)


def step_row(case: Case) -> dict[str, Any]:
    """What a step takes, and how long at least."""
    found, weights = case.found, weights_moved(case)
    return {
        "chip, precision": case.name,
        "14, GiB": found.memory / GIB,
        "56, GiB": case.memory_of_four / GIB,
        "TFLOP": found.flop / 1e12,
        "over least": found.flop / case.call.least,
        "moved, GB": found.moved / GB,
        "of weights": weights / GB,
        "of activations": (found.moved - weights) / GB,
        "arithmetic, ms": 1e3 * found.arithmetic_seconds(case.chip, case.precision),
        "memory, ms": 1e3 * found.memory_seconds(case.chip),
        "compiled, s": found.seconds,
    }


def kernel_rows(case: Case) -> list[dict[str, Any]]:
    """What the kernels are for; convolutions by what cuDNN is asked."""
    rows = [
        {"chip, precision": case.name, "kernels": kind, "number": own.kernels,
         "moved, GB": own.bytes / GB, "TFLOP": own.flop / 1e12}
        for kind, own in counted(case.program).items()
    ]  # fmt: skip
    asked = Counter(own.instruction.target for own in executed(case.program))
    calls = {name.removeprefix("__cudnn$conv"): n for name, n in asked.items() if "__cudnn" in name}
    told = ", ".join(f"{n} {name}" for name, n in sorted(calls.items()))
    return [{**row, "calls": told if row["kernels"] == "cuDNN" else ""} for row in rows]


def source_rows(case: Case, most: int = 20) -> list[dict[str, Any]]:
    """The lines whose kernels move the most; a kernel of several lines counts for its last."""
    moved: Counter[tuple[str, str]] = Counter()
    number: Counter[tuple[str, str]] = Counter()
    for own in executed(case.program):
        line = case.program.source(own.instruction)
        key = line, own.instruction.op_name.rpartition("/")[2]
        moved[key] += own.times * bytes_moved(case.program, own)
        number[key] += own.times
    return [
        {"line": line, "operation": name, "kernels": number[line, name], "moved, GB": size / GB}
        for (line, name), size in moved.most_common(most)
    ]


def broken(case: Case, tiny: bool) -> list[str]:
    """The bounds that a program does not keep, a line each."""
    found, opcodes = case.found, Counter(i.opcode for i in case.program.everywhere())
    leaves = len(jax.tree.leaves(case.call.arguments[0]))
    most = MOST_FLOP_TINY if tiny else MOST_FLOP
    checks = {
        f"{found.flop / case.call.least:.3f} of the least FLOP": found.flop
        > most * case.call.least,
        f"{found.moved / GB:.1f} GB moved": not tiny
        and found.moved / GB > MOST_MOVED[case.precision],
        f"{case.memory_of_four / GIB:.1f} GiB": case.memory_of_four > case.chip.memory,
        f"{case.program.aliases} of {leaves} arrays of the state overwritten": case.program.aliases
        < leaves,
        f"collectives: {found.collectives}": bool(found.collectives),
        "grouped convolutions": grouped_convolutions(case.program) > 0,
        "select-and-scatter": opcodes["select-and-scatter"] > 0,
        "convolutions that cuDNN does not compute": opcodes["convolution"] > 0,
    }
    return [f"{case.name}: {told}" for told, is_broken in checks.items() if is_broken]


def main() -> None:
    parser = arguments(__doc__, rounds=None)
    parser.add_argument("--tiny", action="store_true", help="a narrow network and a small batch")
    parser.add_argument("--sources", action="store_true", help="lines that move the most")
    parser.add_argument("--chips", nargs="+", default=["h100", "a100"])
    parser.add_argument("--precisions", nargs="+", default=list(MOST_MOVED))
    options = parser.parse_args()
    cases = [
        compiled_case(chip, precision, options.tiny)
        for chip in options.chips
        for precision in options.precisions
    ]
    steps = [step_row(case) for case in cases]
    kernels = [row for case in cases for row in kernel_rows(case)]
    networks = "narrow CaffeNets" if options.tiny else "CaffeNets at batch 256"
    show(f"one step of 14 {networks}, compiled", steps)
    show("its kernels", kernels)
    for case in cases if options.sources else ():
        show(f"lines that move the most: {case.name}", source_rows(case))
    write([*steps, *kernels], options.json)
    if told := [line for case in cases for line in broken(case, options.tiny)]:
        sys.exit("\n".join(told))


if __name__ == "__main__":
    main()
