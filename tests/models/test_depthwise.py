"""Depthwise convolution by shifted multiply-adds against XLA's own in float64."""

import json
import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.convolution import choose_lowering, convolve

# Side of the images, of the kernel, stride, padding.
SHAPES = [
    (8, 3, 1, 1), (7, 3, 2, 1), (8, 3, 2, 1), (8, 3, 2, 0), (9, 5, 2, 2), (6, 5, 1, 2),
    (8, 7, 1, 3), (1, 3, 2, 1), (2, 7, 1, 3), (11, 3, 3, 0),
]  # fmt: skip


def of_xla(x, kernel, stride, padding):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


def drawn(side, size, batch=2, channels=5):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, side, side + 1, channels), np.float32)
    return x, rng.standard_normal((size, size, 1, channels), np.float32)


def close(found, expected):
    found, expected = np.asarray(found, np.float64), np.asarray(expected)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-6 * np.abs(expected).max()


@pytest.mark.parametrize(("side", "size", "stride", "padding"), SHAPES)
def test_values_and_gradients_are_those_of_float64(side, size, stride, padding):
    x, kernel = drawn(side, size)
    out, back = jax.vjp(
        lambda x, k: convolve(x, k, stride, padding=padding, groups=5, lowering="shifted"),
        x,
        kernel,
    )
    cotangent = np.random.default_rng(1).standard_normal(out.shape, np.float32)
    gradients = back(cotangent)
    with jax.enable_x64(True):
        wide = [jnp.asarray(value, jnp.float64) for value in (x, kernel, cotangent)]
        right, right_back = jax.vjp(lambda x, k: of_xla(x, k, stride, padding), *wide[:2])
        expected = [right, *right_back(wide[2])]
        for found, value in zip([out, *gradients], expected, strict=True):
            close(found, value)


def test_conditions_side_by_side_give_what_each_gives_alone():
    x, kernel = drawn(6, 3)
    kernels = np.stack([kernel, 2 * kernel])
    mapped = jax.vmap(lambda k: convolve(x, k, groups=5, lowering="shifted"))(kernels)
    for found, own in zip(mapped, kernels, strict=True):
        close(found, of_xla(x, own, 1, 1))


def test_other_machines_and_dtypes_take_that_of_xla():
    shape = (3, 3, 1, 96)
    assert choose_lowering(shape, 1, 1, "float32", "cpu", groups=96) == "shifted"
    assert choose_lowering(shape, 1, 1, "float32", "gpu", groups=96) == "xla"
    assert choose_lowering(shape, 1, 1, "bfloat16", "cpu", groups=96) == "xla"
    x, kernel = drawn(6, 3)
    close(convolve(x, kernel, groups=5, lowering="xla"), of_xla(x, kernel, 1, 1))


def test_it_has_no_part_that_xla_convolves():
    x, kernel = drawn(6, 3)
    program = jax.make_jaxpr(lambda x, k: jax.vjp(lambda *a: convolve(*a, groups=5), x, k)[1](x))
    assert "conv_general_dilated" not in str(program(x, kernel))


# On a number of devices that share a batch of eight: a program's text, and how far its gradients
# are from those of one device.
SHARED = """
import json, sys
import jax, jax.numpy as jnp, numpy as np
from transfer_jax.engine.mesh import column_mesh, over_columns, place
from transfer_jax.models.convolution import convolve

def loss(x, kernel):
    return jnp.sum(jnp.sin(convolve(x, kernel, groups=5, lowering="shifted")))

def on(mesh):
    program = over_columns(jax.grad(loss, (0, 1)), mesh)
    arguments = place([x], mesh, batch_axis=1), place([kernel], mesh)
    return program.lower(*arguments).compile().as_text(), jax.device_get(program(*arguments))

rng = np.random.default_rng(0)
x, kernel = (rng.standard_normal(shape, np.float32) for shape in ((8, 6, 7, 5), (3, 3, 1, 5)))
text, shared = on(column_mesh(data=jax.device_count()))
_, alone = on(column_mesh(1))
far = [abs(a - b).max() / abs(b).max() for a, b in zip(shared, alone)]
print(json.dumps([text, float(max(far))]))
"""


@pytest.mark.parametrize("devices", [2, 4])
def test_devices_that_share_a_batch_each_take_their_own_images(devices):
    """A loop over the batch would be run on each of them for all images, gathered before."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    done = subprocess.run(
        [sys.executable, "-c", SHARED],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        check=True,
        capture_output=True,
        text=True,
    )
    text, far = json.loads(done.stdout)
    assert "all-reduce" in text and "all-gather" not in text
    assert f'"known_trip_count":{{"n":"{8 // devices}"}}' in text
    # Images go into the loop as they lie.
    assert not re.findall(r"f32\[[0-9,]*6,7,5\]\S* (?:copy|transpose)\(", text)
    assert far < 2e-6
