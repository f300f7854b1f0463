"""A kernel's gradient is one matrix product on a CPU: what it sums over is not turned round.

Reference: Flax's own dense layer, and the product of images with a matrix, whose program has such a
transposition. It took 40% of a step of a vision transformer, 20% of an EfficientNet's.
"""

import math
import re
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.convolution import convolve
from transfer_jax.models.zoo.modules import dense

CHANNELS, FEATURES = 16, 96
KERNEL = jax.random.normal(jax.random.key(0), (CHANNELS, FEATURES))
IMAGES = jax.random.normal(jax.random.key(1), (8, 12, 12, CHANNELS))


def by_patches(kernel, x):
    return convolve(x, kernel[None, None], lowering="patches")


def by_dense(kernel, x):
    params = {"kernel": kernel, "bias": jnp.zeros(FEATURES)}
    return dense(FEATURES, "fc").apply({"params": params}, x)


def by_flax(kernel, x) -> Any:
    return nn.Dense(FEATURES, use_bias=False).apply({"params": {"kernel": kernel}}, x)


def loss_of(fn):
    return lambda kernel: jnp.sum(jnp.sin(fn(kernel, jnp.cos(IMAGES))))


MOVES = r"= f32\[([\d,]+)\]\S* (?:copy|transpose)\("


def test_what_is_looked_for_is_found():
    text = (
        "%copy.1 = f32[96,8]{1,0} copy(%transpose.5)\n%transpose.5 = f32[96,8]{0,1} transpose(%a)"
    )
    assert re.findall(MOVES, text) == ["96,8", "96,8"]


def turned_round(fn):
    """Instructions of the gradient's program that only move as much as the images hold."""
    text = jax.jit(jax.grad(loss_of(fn))).lower(KERNEL).compile().as_text()
    assert text is not None
    moved = re.findall(MOVES, text)
    return [own for own in moved if math.prod(map(int, own.split(","))) >= IMAGES.size]


@pytest.mark.parametrize("fn", [by_patches, by_dense])
def test_nothing_large_is_turned_round(fn):
    if jax.default_backend() != "cpu":
        pytest.skip("of a CPU's programs")
    if not turned_round(by_flax):
        pytest.skip("Flax's own is as good by now")
    assert not turned_round(fn)


@pytest.mark.parametrize("fn", [by_patches, by_dense])
def test_values_and_gradients_are_those_of_flax(fn):
    expected = by_flax(KERNEL, IMAGES)
    np.testing.assert_allclose(fn(KERNEL, IMAGES), expected, atol=1e-4)
    expected = jax.grad(loss_of(by_flax))(KERNEL)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(jax.grad(loss_of(fn))(KERNEL) / scale, expected / scale, atol=1e-5)
