"""Compiled programs, read: bytes and FLOP counted by hand, and by XLA itself."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from transfer_jax.plan.compilation.program_flop import grouped_convolutions
from transfer_jax.plan.compilation.program_kernels import Counts, counted, total
from transfer_jax.plan.compilation.program_text import Array, read_program
from transfer_jax.plan.compilation.program_traffic import executed

# As XLA writes programs for GPUs: a column's step in small, one kernel of each kind.
GPU = """HloModule jit_step, is_scheduled=true, input_output_alias={ {0}: (0, {}, may-alias), \
{1}: (3, {}, must-alias) }, entry_computation_layout={(f32[1,3,3,4,8]{4,3,2,1,0})->f32[]}

FileNames
1 "/home/me/transfer_jax/engine/step.py"
2 "/usr/lib/optax/update.py"

FunctionNames
1 "train"

FileLocations
1 {file_name_id=1 function_name_id=1 line=155 end_line=155 column=15 end_column=66}
2 {file_name_id=2 function_name_id=1 line=7 end_line=7 column=1 end_column=6}

StackFrames
1 {file_location_id=1 parent_frame_id=1}
2 {file_location_id=2 parent_frame_id=2}

%cast (p: f32[1,3,3,4,8]) -> bf16[8,3,3,4] {
  %p = f32[1,3,3,4,8]{4,3,2,1,0} parameter(0)
  %turned = f32[1,8,3,3,4]{4,3,2,1,0} transpose(%p), dimensions={0,4,1,2,3}
  %low = bf16[1,8,3,3,4]{4,3,2,1,0} convert(%turned)
  ROOT %b = bf16[8,3,3,4]{3,2,1,0} bitcast(%low)
}

%halves (p.1: bf16[2,6,6,8]) -> (bf16[2,6,6,4], bf16[2,6,6,4]) {
  %p.1 = bf16[2,6,6,8]{3,2,1,0} parameter(0)
  %s.0 = bf16[2,6,6,4]{3,2,1,0} slice(%p.1), slice={[0:2], [0:6], [0:6], [0:4]}
  %s.1 = bf16[2,6,6,4]{3,2,1,0} slice(%p.1), slice={[0:2], [0:6], [0:6], [4:8]}
  ROOT %t = (bf16[2,6,6,4]{3,2,1,0}, /*index=1*/bf16[2,6,6,4]{3,2,1,0}) tuple(%s.0, %s.1)
}

%product (a: bf16[2,288], b: bf16[288,10]) -> f32[2,10] {
  %a = bf16[2,288]{1,0} parameter(0)
  %b.1 = bf16[288,10]{1,0} parameter(1)
  ROOT %dot = f32[2,10]{1,0} dot(%a, %b.1), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%row (x: f32[100,10], u: f32[2,10], i: s32[]) -> f32[100,10] {
  %x = f32[100,10]{1,0} parameter(0)
  %u = f32[2,10]{1,0} parameter(1)
  %i = s32[] parameter(2)
  %zero = s32[] constant(0)
  %more = f32[2,10]{1,0} add(%u, %u)
  ROOT %put = f32[100,10]{1,0} dynamic-update-slice(%x, %more, %i, %zero)
}

%body (c: (s32[], f32[100,10])) -> (s32[], f32[100,10]) {
  %c = (s32[], f32[100,10]{1,0}) parameter(0)
  %n = s32[] get-tuple-element(%c), index=0
  %v = f32[100,10]{1,0} get-tuple-element(%c), index=1
  %w = f32[100,10]{1,0} negate(%v)
  ROOT %next = (s32[], f32[100,10]{1,0}) tuple(%n, %w)
}

%goes_on (c.1: (s32[], f32[100,10])) -> pred[] {
  %c.1 = (s32[], f32[100,10]{1,0}) parameter(0)
  %n.1 = s32[] get-tuple-element(%c.1), index=0
  ROOT %less = pred[] compare(%n.1, %n.1), direction=LT
}

ENTRY %main (k: f32[1,3,3,4,8], image: bf16[2,6,6,4], w: bf16[288,10], big: f32[100,10]) -> f32[] {
  %k = f32[1,3,3,4,8]{4,3,2,1,0} parameter(0), metadata={op_name="state[\\'k\\']"}
  %image = bf16[2,6,6,4]{3,2,1,0} parameter(1)
  %w.1 = bf16[288,10]{1,0} parameter(2)
  %big = f32[100,10]{1,0} parameter(3)
  %cast.1 = bf16[8,3,3,4]{3,2,1,0} fusion(%k), kind=kInput, calls=%cast, \
metadata={op_name="jit(step)/convert_element_type" stack_frame_id=2}
  %conv = (bf16[2,6,6,8]{3,2,1,0}, u8[4096]{0}) custom-call(%image, %cast.1), \
window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, \
custom_call_target="__cudnn$convForward", backend_config={"cudnn_conv_backend_config":{}}
  %out = bf16[2,6,6,8]{3,2,1,0} get-tuple-element(%conv), index=0
  %dx = (bf16[2,6,6,4]{3,2,1,0}, u8[0]{0}) custom-call(%out, %cast.1), \
window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, \
custom_call_target="__cudnn$convBackwardInput"
  %dk = (bf16[8,3,3,4]{3,2,1,0}, u8[0]{0}) custom-call(%image, %out), \
window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, \
custom_call_target="__cudnn$convBackwardFilter"
  %split = (bf16[2,6,6,4]{3,2,1,0}, bf16[2,6,6,4]{3,2,1,0}) fusion(%out), kind=kLoop, calls=%halves
  %flat = bf16[2,288]{1,0} bitcast(%out)
  %logits = f32[2,10]{1,0} fusion(%flat, %w.1), kind=kCustom, calls=%product
  %c7 = s32[] constant(7)
  %written = f32[100,10]{1,0} fusion(%big, %logits, %c7), kind=kLoop, calls=%row
  %t.1 = (s32[], f32[100,10]{1,0}) tuple(%c7, %written)
  %loop = (s32[], f32[100,10]{1,0}) while(%t.1), condition=%goes_on, body=%body, \
backend_config={"known_trip_count":{"n":"5"}}
  ROOT %again = f32[100,10]{1,0} get-tuple-element(%loop), index=1
}
"""
# Items: the kernel 288, the image 288, its convolution 576, half of that 288, logits 20.
KERNEL, IMAGE, OUT, HALF, LOGITS, BIG = 288, 288, 576, 288, 20, 1000
# Every output takes 3 x 3 x 4 multiply-adds.
CONVOLUTION = 2 * OUT * 36


def test_bytes_and_flop_of_a_gpus_program_are_those_counted_by_hand():
    found = counted(read_program(GPU))
    forward = 2 * (IMAGE + KERNEL + OUT)
    assert found == {
        "cuDNN": Counts(3, 3 * forward, 3 * CONVOLUTION),
        "product": Counts(1, 2 * (OUT + 2880) + 4 * LOGITS, 2 * LOGITS * 288),
        "conversion": Counts(1, (4 + 2) * KERNEL),
        "slice": Counts(1, 2 * (OUT + 2 * HALF)),
        # Two rows of a hundred are written; then five turns of a loop, each with its condition.
        "other": Counts(1 + 5 + 5, 4 * (LOGITS + 1 + LOGITS) + 5 * (8 * BIG + 4 + 4 + 1)),
    }
    assert total(found).kernels == 17


def test_aliases_and_source_lines_are_read():
    program = read_program(GPU)
    cast = program.computations["main"]["cast.1"]
    assert program.aliases == 2
    assert program.source(cast) == "engine/step.py:155"
    assert cast.op_name == "jit(step)/convert_element_type"
    assert program.source(program.computations["main"]["conv"]) == ""


def test_a_loop_whose_turns_are_an_argument_counts_as_one():
    known = '"known_trip_count":{"n":"5"}'
    once = total(counted(read_program(GPU.replace(known, ""))))
    assert total(counted(read_program(GPU))).bytes - once.bytes == 4 * (8 * BIG + 9)


@pytest.mark.parametrize(
    ("dtype", "shape", "size"),
    [("f32", (2, 3), 24), ("bf16", (5,), 10), ("pred", (3,), 3), ("s4", (3,), 2), ("f32", (), 4),
     ("f8e4m3fn", (7,), 7), ("c64", (2,), 16), ("token", (), 0)],
)  # fmt: skip
def test_sizes_of_arrays(dtype: str, shape: tuple[int, ...], size: int):
    assert Array(dtype, shape).bytes == size


# A TPU's program: its memory on the chip is S(1), into which arrays are brought beforehand.
TPU = """HloModule jit_f, is_scheduled=true

ENTRY %main (a: f32[64,128], b: f32[64,128]) -> f32[64,128] {
  %a = f32[64,128]{1,0:T(8,128)} parameter(0)
  %b = f32[64,128]{1,0:T(8,128)} parameter(1)
  %copy-start = (f32[64,128]{1,0:T(8,128)S(1)}, f32[64,128]{1,0:T(8,128)}, u32[]{:S(2)}) \
copy-start(%a)
  %slice-start = ((f32[64,128]{1,0:T(8,128)}), f32[8,128]{1,0:T(8,128)S(1)}, s32[]{:S(2)}) \
slice-start(%b), slice={[0:8], [0:128]}
  %copy-done = f32[64,128]{1,0:T(8,128)S(1)} copy-done(%copy-start)
  %slice-done = f32[8,128]{1,0:T(8,128)S(1)} slice-done(%slice-start)
  %joined = f32[8,128]{1,0:T(8,128)S(1)} custom-call(%slice-done), \
custom_call_target="ConcatBitcast"
  ROOT %sum = f32[64,128]{1,0:T(8,128)} add(%copy-done, %b)
}
"""


def test_what_lies_on_a_tpus_chip_is_not_memory():
    whole, part = 4 * 64 * 128, 4 * 8 * 128
    found = counted(read_program(TPU))
    assert found == {
        "transpose": Counts(1, whole),
        "slice": Counts(1, part),
        "other": Counts(1, 2 * whole),
    }


def test_a_text_that_is_no_program_is_refused():
    with pytest.raises(ValueError, match="no compiled program's text: it begins with 'def f'"):
        read_program("def f")


def convolution(x: jax.Array, k: jax.Array, stride: int, groups: int = 1) -> jax.Array:
    return lax.conv_general_dilated(
        x, k, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )  # fmt: skip


X, K, Y = jnp.ones((4, 9, 9, 6)), jnp.ones((3, 3, 6, 8)), jnp.ones((4, 5, 5, 8))
SIMPLE = {
    "product": (jnp.matmul, jnp.ones((5, 7)), jnp.ones((7, 3))),
    "products": (jnp.matmul, jnp.ones((2, 64, 32)), jnp.ones((2, 32, 16))),
    "convolution": (lambda x, k: convolution(x, k, 1), X, K),
    "strided": (lambda x, k: convolution(x, k, 2), X, K),
    "grouped": (lambda x, k: convolution(x, k, 1, 2), X, K[:, :, :3]),
    "of its input": (
        lambda y, k: jax.linear_transpose(lambda x: convolution(x, k, 2), X)(y)[0], Y, K,
    ),
    "of its kernel": (
        lambda x, y: jax.linear_transpose(lambda k: convolution(x, k, 2), K)(y)[0], X, Y,
    ),
}  # fmt: skip
MOVING = {
    "sum": (jnp.add, jnp.ones((5, 7)), jnp.ones((5, 7))),
    "part": (lambda x: 2 * x[10:20], jnp.ones((100, 7))),
    "part somewhere": (lambda x, i: 2 * lax.dynamic_slice(x, (i, 0), (9, 7)), jnp.ones((99, 7)), 3),
    "transpose": (lambda x: x.T.copy(), jnp.ones((32, 64))),
    "column sums": (lambda x: x.sum(0), jnp.ones((32, 64))),
    "joined": (lambda x, y: jnp.concatenate([x, y]), jnp.ones(64), jnp.ones(32)),
}


@pytest.mark.parametrize("name", [*SIMPLE, *MOVING])
def test_counts_are_those_of_xla(name: str):
    """Its analysis of the same program, which counts sums and products beside, and loops once."""
    fn, *arguments = {**SIMPLE, **MOVING}[name]
    compiled = jax.jit(fn).lower(*arguments).compile()
    found, own = total(counted(read_program(compiled.as_text()))), compiled.cost_analysis()
    assert found.bytes == own["bytes accessed"]
    assert name in MOVING or found.flop == own["flops"]


def test_groups_are_found():
    def text(groups: int) -> str:
        def fn(x: jax.Array, k: jax.Array) -> jax.Array:
            return convolution(x, k, 1, groups)

        return jax.jit(fn).lower(X, K[:, :, : 6 // groups]).compile().as_text()

    assert [grouped_convolutions(read_program(text(groups))) for groups in (1, 2)] == [0, 1]


def test_a_loops_products_count_as_often_as_it_turns():
    def powers(x: jax.Array) -> jax.Array:
        return lax.scan(lambda c, _: (jnp.tanh(c @ x), None), x, None, length=6)[0]

    program = read_program(jax.jit(powers).lower(jnp.ones((32, 32))).compile().as_text())
    assert total(counted(program)).flop == 6 * 2 * 32**3
    assert {found.times for found in executed(program)} == {1, 6}


def test_overwriting_in_place_moves_only_what_changes():
    """Donated rows are not read; where they are not donated they are copied before."""

    def put(x: jax.Array, u: jax.Array) -> jax.Array:
        return x.at[3:5].set(u)

    arguments, rows = (jnp.ones((100, 7)), jnp.ones((2, 7))), 4 * 2 * 7
    places = 2 * 4
    for donated, before in (((0,), 0), ((), 2 * 4 * 700)):
        compiled = jax.jit(put, donate_argnums=donated).lower(*arguments).compile()
        program = read_program(compiled.as_text())
        assert total(counted(program)).bytes == 2 * rows + places + before
        assert program.aliases == len(donated)
