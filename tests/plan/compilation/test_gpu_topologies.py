"""GPUs that are not here: their descriptions, and what XLA's compiler for them says."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from transfer_jax.folder.extras import ExtraError
from transfer_jax.plan.compilation import gpu_topologies
from transfer_jax.plan.compilation.gpu_topologies import GPUS, gpu_topology

# Half precision on tensor cores, in TFLOP/s; operations a multiprocessor does in a cycle there.
DATA_SHEETS = {"a100": (312, 2048), "h100": (989.4, 4096), "h200": (989.4, 4096)}
COMPILE = """
import jax, jax.numpy as jnp, sys
from jax.sharding import SingleDeviceSharding
from transfer_jax.plan.compilation.gpu_topologies import gpu_topology
chip = sys.argv[1]
devices = gpu_topology(chip, 8)
def shape(*sides):
    return jax.ShapeDtypeStruct(sides, jnp.bfloat16, sharding=SingleDeviceSharding(devices[3]))
def conv(x, k):
    return jax.lax.conv(x, k, (1, 1), "SAME")
text = jax.jit(conv).lower(shape(8, 16, 32, 32), shape(64, 16, 3, 3)).compile().as_text()
print(len(devices), devices[0].device_kind, text.count("__cudnn$conv"), sep=";")
"""


@pytest.mark.parametrize("chip", GPUS)
def test_figures_agree_with_the_data_sheets(chip: str):
    """Multiprocessors times clock give the published peak; an H100's is at 1.83 GHz."""
    own, (tera, operations) = GPUS[chip], DATA_SHEETS[chip]
    assert own.cores * operations * own.gigahertz * 1e9 == pytest.approx(tera * 1e12, rel=0.1)
    assert own.shared_block < own.shared


def test_an_unknown_gpu_is_told_with_the_nearest():
    with pytest.raises(ValueError, match=r"^no GPU 'a10'; nearest: a100; GPUs: a100, h100, h200$"):
        gpu_topology("a10")


def test_a_missing_compiler_is_one_line_that_says_what_to_type(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_topologies, "PLUGINS", ("no_jax_plugins.xla_cuda12",))
    with pytest.raises(ExtraError) as told:
        gpu_topology("h100")
    assert str(told.value) == (
        "Compiling for h100 on this machine needs: pip install 'transfer_jax[cuda]' "
        "(No module named 'no_jax_plugins.xla_cuda12')"
    )


@pytest.mark.skipif(find_spec("jax_cuda12_plugin") is None, reason="needs jax[cuda12]")
@pytest.mark.parametrize("chip", GPUS)
def test_programs_are_compiled_where_no_gpu_is(chip: str):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", COMPILE, chip]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"8;{GPUS[chip].kind};1"


@pytest.mark.skipif(find_spec("jax_cuda12_plugin") is None, reason="needs jax[cuda12]")
def test_a_look_for_a_gpu_that_found_none_says_what_to_type():
    code = "import jax; jax.devices()\n" + COMPILE
    environment = {k: v for k, v in os.environ.items() if k != "JAX_PLATFORMS"}
    command = [sys.executable, "-c", code, "h100"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    said = "Compiling for h100 on this machine needs: JAX_PLATFORMS=cpu"
    assert "StreamExecutor" in done.stdout or said in done.stderr.splitlines()[-1]
