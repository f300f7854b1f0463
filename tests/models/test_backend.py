"""Programs that are made for devices of another machine."""

import jax
import jax.numpy as jnp
import optax
import pytest

from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.grid.conditions import Cut
from transfer_jax.models.backend import made_for, target_backend
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.convolution import convolve

IMAGES, KERNEL = jnp.ones((1, 8, 8, 32)), jnp.ones((3, 3, 32, 32))


def convolutions(text: str) -> int:
    return text.count("stablehlo.convolution")


@pytest.mark.parametrize("kind", ["tpu", "gpu"])
def test_what_was_traced_for_one_kind_serves_no_other(kind):
    """3x3 kernels of 32 channels are matrix products on a CPU, and convolutions elsewhere."""
    jitted = jax.jit(convolve)
    counts = [convolutions(jitted.lower(IMAGES, KERNEL).as_text())]
    with made_for(kind):
        counts.append(convolutions(jitted.lower(IMAGES, KERNEL).as_text()))
    counts.append(convolutions(jitted.lower(IMAGES, KERNEL).as_text()))
    assert counts == [0, 1, 0]


def test_all_who_ask_are_told_and_afterwards_all_is_as_before():
    program = ColumnProgram(ConvNet(2), (Cut(1, False),), optax.sgd(0.1))
    found = []
    for kind in (jax.default_backend(), "tpu"):
        with made_for(kind):
            compiled = CompiledProgram(program, column_mesh(1))
            found.append((target_backend(), compiled.in_chunks))
    assert found == [("cpu", False), ("tpu", True)]
    assert target_backend() == jax.default_backend() == "cpu"


def test_an_error_inside_ends_it():
    with pytest.raises(ZeroDivisionError), made_for("tpu"):
        raise ZeroDivisionError
    assert target_backend() == jax.default_backend()
