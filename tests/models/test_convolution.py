"""Every lowering of a convolution equals the sums written out, in value and in gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.convolution import LOWERINGS, choose_lowering, convolve

# As a share of the largest value, against float64. Winograd's F(4x4, 3x3) multiplies and divides
# by up to 24, which costs about a decimal digit of float32's seven.
TOLERANCE = {"xla": 2e-6, "patches": 2e-6, "winograd": 2e-5, "space_to_depth": 2e-6}


def in_float64(x, kernel, stride, pad, groups=1):
    """Sums over the kernel's pixels, in NumPy."""
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    parts = []
    for a, k in zip(np.split(x, groups, -1), np.split(kernel, groups, -1), strict=True):
        padded = np.pad(a, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[:2], (1, 2))
        parts.append(np.einsum("bhwcij,ijck->bhwk", windows[:, ::stride, ::stride], k))
    return np.concatenate(parts, -1)


def close(found, expected, lowering):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found / scale, expected / scale, atol=TOLERANCE[lowering])


SHAPES = [
    (3, 1, 1, 8, 32, 16),
    (3, 1, 1, 7, 40, 24),
    (3, 1, 1, 4, 3, 5),
    (3, 1, 1, 1, 33, 2),
    (5, 2, 2, 28, 1, 8),
    (11, 4, 0, 27, 3, 4),
    (4, 4, 0, 19, 3, 5),
    (2, 2, 0, 9, 8, 5),
    (1, 1, 0, 5, 8, 5),
    (1, 2, 0, 5, 8, 5),
]


# Those of depthwise convolution have a file of their own.
@pytest.mark.parametrize("lowering", sorted({*LOWERINGS} - {"shifted"}))
@pytest.mark.parametrize(("size", "stride", "pad", "side", "channels", "features"), SHAPES)
def test_a_lowering_equals_the_sums(lowering, size, stride, pad, side, channels, features):
    if lowering == "winograd" and (size, stride) != (3, 1):
        pytest.skip("for 3x3 kernels of stride 1")
    x = jax.random.normal(jax.random.key(0), (2, side, side, channels))
    kernel = jax.random.normal(jax.random.key(1), (size, size, channels, features))
    out, gradients = jax.vjp(
        lambda x, k: convolve(x, k, stride, padding=pad, lowering=lowering), x, kernel
    )
    close(out, in_float64(x, kernel, stride, pad), lowering)
    # The sum of out * cotangent is linear in x and in the kernel: its gradients, by differences.
    cotangent = jax.random.normal(jax.random.key(2), out.shape)
    found_x, found_kernel = gradients(cotangent)
    weights = np.asarray(cotangent, np.float64)
    for argument, found in ((0, found_x), (1, found_kernel)):
        direction = np.asarray(jax.random.normal(jax.random.key(3), found.shape))
        moved = [x, kernel]
        moved[argument] = direction
        along = (in_float64(*moved, stride, pad) * weights).sum()
        size_of_terms = np.linalg.norm(direction) * np.linalg.norm(np.asarray(found, np.float64))
        slope = (np.asarray(found, np.float64) * direction).sum()
        assert abs(slope - along) < TOLERANCE[lowering] * size_of_terms


def test_groups_are_convolved_apart():
    x = jax.random.normal(jax.random.key(0), (2, 6, 6, 8))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 4, 6))
    close(convolve(x, kernel, groups=2), in_float64(x, kernel, 1, 1, 2), "xla")
    plain = jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=2,
    )  # fmt: skip
    np.testing.assert_allclose(convolve(x, kernel, groups=2), plain, atol=1e-5)


def test_a_strided_convolution_keeps_the_first_pixel():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    centre = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0)
    np.testing.assert_array_equal(convolve(x, centre, 2)[0, :, :, 0], [[0, 2], [8, 10]])


def test_a_gpu_gets_strided_first_layers_with_more_channels():
    """Only there, and only where kernels are large and images have few channels."""
    first = [((11, 11, 3, 96), 4, 0), ((7, 7, 3, 64), 2, 3), ((16, 16, 3, 768), 16, 0)]
    for dtype in ("float32", "bfloat16"):
        assert {choose_lowering(*s, dtype, "gpu") for s in first} == {"space_to_depth"}
        assert {choose_lowering(*s, dtype, "tpu") for s in first} == {"xla"}
    others = [((3, 3, 3, 32), 2, 1), ((5, 5, 3, 32), 1, 2), ((7, 7, 64, 64), 2, 3)]
    assert {choose_lowering(*s, "float32", "gpu") for s in others} == {"xla"}
    assert choose_lowering((3, 3, 3, 3), 2, 1, "float32", "gpu", groups=3) == "xla"


def test_images_that_are_less_than_a_tile_take_no_transformed_kernels():
    """Those are four times as large as the kernels, and save no product there."""
    chosen = [choose_lowering((3, 3, 64, 64), 1, 1, "float32", "cpu", side=n) for n in (2, 3, 4)]
    assert chosen == ["patches", "patches", "winograd"]
    x, kernel = jnp.ones((2, 3, 3, 512)), jax.ShapeDtypeStruct((3, 3, 512, 512), jnp.float32)
    step = jax.jit(jax.grad(lambda k: convolve(x, k).sum()))
    held = step.lower(kernel).compile().memory_analysis()
    if held is not None:
        assert held.temp_size_in_bytes < 2 * 4 * 9 * 512 * 512


def test_only_float32_on_cpu_is_lowered_by_hand():
    shapes = [(3, 3, 64, 64), (5, 5, 1, 8), (3, 3, 8, 8)]
    found = [choose_lowering(shape, 1, shape[0] // 2, "float32", "cpu") for shape in shapes]
    assert found == ["winograd", "patches", "xla"]
    side_by_side = [((16, 16, 3, 8), 16, 0), ((2, 2, 64, 8), 2, 0), ((1, 1, 64, 8), 1, 0)]
    assert {choose_lowering(*shape, "float32", "cpu") for shape in side_by_side} == {"patches"}
    for dtype, backend in (("float32", "gpu"), ("bfloat16", "gpu"), ("bfloat16", "cpu")):
        assert {choose_lowering(s, 1, 1, dtype, backend) for s in shapes} == {"xla"}
    assert choose_lowering((3, 3, 64, 64), 2, 1, "float32", "cpu") == "xla"
    assert choose_lowering((3, 3, 64, 64), 1, 0, "float32", "cpu") == "xla"


@pytest.mark.parametrize(("side", "stride", "size"), [(8, 2, 3), (7, 2, 3), (9, 2, 5), (6, 1, 5)])
@pytest.mark.parametrize("lowering", ["xla", "patches", "space_to_depth", "shifted"])
def test_same_padding_is_that_of_tensorflow(side, stride, size, lowering):
    """Sides get other numbers of zeros: rows and columns too, in images that are not square."""
    groups = 8 if lowering == "shifted" else 1
    x = jax.random.normal(jax.random.key(0), (2, side, side + 1, 8))
    kernel = jax.random.normal(jax.random.key(1), (size, size, 8 // groups, 8))

    def ours(x, kernel):
        return convolve(x, kernel, stride, padding="same", groups=groups, lowering=lowering)

    def xlas(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )  # fmt: skip

    (found, back), (expected, right) = jax.vjp(ours, x, kernel), jax.vjp(xlas, x, kernel)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    cotangent = jax.random.normal(jax.random.key(2), expected.shape)
    for own, other in zip(back(cotangent), right(cotangent), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-3)


def test_kernels_that_are_not_square_are_convolved_by_each_lowering():
    x = jax.random.normal(jax.random.key(0), (2, 7, 8, 6))
    for lowering, groups in (("xla", 1), ("patches", 1), ("space_to_depth", 1), ("shifted", 6)):
        kernel = jax.random.normal(jax.random.key(1), (3, 5, 6 // groups, 6))
        expected = in_float64(x, kernel, 1, 0, groups)
        found = convolve(x, kernel, padding=0, groups=groups, lowering=lowering)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_lowering_for_other_kernels_is_refused():
    x, kernel = jnp.ones((1, 8, 8, 4)), jnp.ones((3, 3, 4, 4))
    for stride, padding in ((2, 1), (1, 0)):
        with pytest.raises(ValueError, match="winograd"):
            convolve(x, kernel, stride, padding=padding, lowering="winograd")
