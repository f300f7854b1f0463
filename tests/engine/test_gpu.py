"""What the command line does for a GPU; what a GPU does with it is only seen on one."""

import os
import subprocess
import sys

import pytest

from transfer_jax.commands.machine import prepare_devices
from transfer_jax.engine import gpu

MINE = "--xla_gpu_deterministic_ops=false"
OTHER = "--xla_force_host_platform_device_count=2"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "--xla_gpu_deterministic_ops=true"),
        (OTHER, f"{OTHER} --xla_gpu_deterministic_ops=true"),
        (f"{OTHER} {MINE}", f"{OTHER} {MINE}"),
    ],
)
def test_numbers_repeat_unless_it_is_said_otherwise(before, after, monkeypatch):
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    if before:
        monkeypatch.setenv("XLA_FLAGS", before)
    for _ in range(2):
        prepare_devices()
        assert os.environ["XLA_FLAGS"] == after


def test_xla_knows_what_it_is_told():
    """It ends a process that has a flag of another name."""
    code = "import jax; jax.devices(); jax.numpy.ones(2).block_until_ready()"
    for name, is_known in ((gpu.SAME_BITS, True), ("xla_gpu_no_such_flag", False)):
        told = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": f"--{name}=true"}
        done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True)
        assert (done.returncode == 0) == is_known, done.stderr
