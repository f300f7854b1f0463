"""What a compiled program computes, counted in its text: matrix products and convolutions."""

import re
from math import prod

import numpy as np

from transfer_jax.plan.compilation.program_text import Computation, Instruction, Program
from transfer_jax.plan.compilation.program_traffic import Executed


def flop(program: Program, found: Executed) -> int:
    """Floating-point operations of the matrix products and convolutions of an instruction.

    Args:
      found: what `executed` gives.

    Returns:
      Two a multiply-add. Of cuDNN's convolutions zeros at the borders count, as they do in
      `engine.cost`; of XLA's own only what meets a pixel, as in its analysis.
    """
    instruction, within = found.instruction, found.within
    if instruction.opcode == "fusion":
        inner = program.called(instruction)
        return sum(flop(program, Executed(i, inner, 1)) for i in inner.values())
    target = instruction.target
    if instruction.opcode == "dot":
        return _product_flop(instruction, within, r"lhs_contracting_dims=\{([\d,]*)\}")
    if target.startswith("__cublas"):
        return _product_flop(instruction, within, r'"lhs_contracting_dimensions":\[([\d",]*)\]')
    if instruction.opcode == "convolution" or target.startswith("__cudnn$conv"):
        return _convolution_flop(instruction, within)
    return 0


def grouped_convolutions(program: Program) -> int:
    """How many convolutions have groups of features or of examples."""
    pattern = r"(?:feature|batch)_group_count=(\d+)"
    return sum(int(i.attribute(pattern) or 1) > 1 for i in program.everywhere())


def _shape(within: Computation, name: str) -> tuple[int, ...]:
    return within[name].results[0].shape


def _product_flop(instruction: Instruction, within: Computation, contracted: str) -> int:
    left = _shape(within, instruction.operands[0])
    axes = instruction.attribute(contracted).replace('"', "").split(",")
    summed = prod(left[int(axis)] for axis in axes if axis)
    return 2 * prod(instruction.results[0].shape) * summed


def _convolution_flop(instruction: Instruction, within: Computation) -> int:
    first, second = (_shape(within, name) for name in instruction.operands[:2])
    labels = instruction.attribute(r"dim_labels=([\w>\-]+)")
    image_axes, kernel_axes, out_axes = re.split("_|->", labels)
    result = instruction.results[0].shape
    if instruction.opcode == "custom-call":
        # cuDNN's backward calls have the labels of the forward one, its arrays in other places.
        kernel, out = {
            "__cudnn$convBackwardInput": (second, first),
            "__cudnn$convBackwardFilter": (result, second),
        }.get(instruction.target, (second, result))
        return 2 * prod(out) * prod(kernel) // kernel[kernel_axes.index("o")]
    windows = instruction.attribute(r"window=\{([^}]*)\}")
    spatial = [axis for axis in out_axes if axis.isdigit()]
    total = 2 * result[out_axes.index("b")] * result[out_axes.index("f")]
    total *= second[kernel_axes.index("i")]
    for place, axis in enumerate(sorted(spatial)):
        sides = first[image_axes.index(axis)], second[kernel_axes.index(axis)]
        total *= _pairs(*sides, result[out_axes.index(axis)], windows, place)
    return total


def _pairs(size: int, kernel: int, out: int, windows: str, place: int) -> int:
    """Pairs of an output and an item of the kernel, along one side, that meet a pixel.

    A backward convolution is written as one with zeros around and between its pixels.
    """

    def of_side(name: str, default: str) -> str:
        found = re.search(rf"\b{name}=(\S+)", windows)
        return found[1].split("x")[place] if found else default

    stride, between, apart = (
        int(of_side(name, "1")) for name in ("stride", "lhs_dilate", "rhs_dilate")
    )
    before = int(of_side("pad", "0_0").split("_")[0])
    places = np.arange(out)[:, None] * stride - before + np.arange(kernel) * apart
    inside = (places >= 0) & (places <= (size - 1) * between) & (places % between == 0)
    return int(inside.sum())
