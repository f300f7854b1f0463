"""The benchmarks run; what they claim without a clock is checked."""

import importlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import pytest

BENCHMARKS = Path(__file__).parents[1] / "experiments" / "benchmarks"


def test_a_step_needs_no_more_multiply_adds_than_the_mathematics(tmp_path):
    """All 40 conditions of the ConvNet, all 56 of the full CaffeNet."""
    numbers = tmp_path / "flops.json"
    command = [sys.executable, str(BENCHMARKS / "flops.py"), "--json", str(numbers)]
    subprocess.run(command, check=True, capture_output=True)
    rows = json.loads(numbers.read_text())["rows"]
    assert [row["grid"].split(",")[0] for row in rows] == ["40 x ConvNet", "56 x CaffeNet"]
    for row in rows:
        assert 1 <= row["ratio"] <= 1.02
        assert row["as lowered here"] <= 1.02
    # The paper's grid: 38.9 TFLOP at batch 256, two to a multiply-add.
    assert 38 < 2 * 256 * rows[1]["least, G"] / 1e3 < 40


def test_a_report_stays_small(tmp_path):
    """Seconds are for a quiet machine; memory and the page's size are not."""
    numbers = tmp_path / "report.json"
    command = [sys.executable, str(BENCHMARKS / "report.py"), "--examples=2000"]
    subprocess.run([*command, "--json", str(numbers)], check=True, capture_output=True)
    (row,) = json.loads(numbers.read_text())["rows"]
    assert row["networks"] == 290
    assert row["memory, GiB"] < 1 and row["page, MiB"] < 3


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The GPU's benchmark, whose steps do nothing."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    module = importlib.import_module("gpu")
    monkeypatch.setattr(module, "engine_step", lambda grid, way, columns: lambda: None)
    monkeypatch.setattr(module, "torch_step", lambda grid, *asked: lambda: None)
    return module


@pytest.mark.slow
def test_the_gpus_benchmark_has_a_row_a_way(
    gpu: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    numbers = tmp_path / "gpu.json"
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--tiny", "--rounds=1", "--json", str(numbers)])
    gpu.main()
    rows = json.loads(numbers.read_text())["rows"]
    assert [row["networks"] for row in rows] == [14] * 6 + [56] * 6
    assert [row["way"] for row in rows] == 2 * [*["engine"] * 5, "PyTorch, eager"]
    first, others = rows[0], rows[1:5]
    differing = [
        [key for key in first if key in CHOICES and row[key] != first[key]] for row in others
    ]
    assert differing == [[key] for key in CHOICES]
    assert first["over the first"] == 1
    assert "14 x CaffeNet, width 0.125, 67x67, batch 4" in capsys.readouterr().out


CHOICES = ("precision", "packing", "command buffers", "same bits twice")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["--rounds=1"], "no accelerator here: this grid needs one; --tiny tries the script"),
        (["--tiny", "--columns=5"], "--columns are [5]; allowed: 1 to 4"),
        (["--tiny", "--ways=vmp"], "invalid choice: 'vmp'"),
    ],
)
def test_the_gpus_benchmark_refuses_what_it_cannot_do(
    asked: list[str],
    told: str,
    gpu: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(sys, "argv", ["gpu.py", *asked])
    with pytest.raises(SystemExit) as stopped:
        gpu.main()
    assert told in f"{stopped.value} {capsys.readouterr().err}"


@pytest.mark.skipif(find_spec("jax_cuda12_plugin") is None, reason="needs jax[cuda12]")
def test_a_step_compiled_for_a_gpu_keeps_its_bounds(tmp_path: Path):
    """A narrow one; the script itself ends with 1 where a bound is broken."""
    numbers = tmp_path / "gpu.json"
    script = [sys.executable, str(BENCHMARKS / "gpu_compile.py"), "--tiny", "--chips=h100"]
    command = [*script, "--precisions=bfloat16", "--json", str(numbers)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    step, *kernels = json.loads(numbers.read_text())["rows"]
    # The first layer of a narrow network, filled up to whole squares, is a larger part of it.
    assert 1 <= step["over least"] < 1.08
    assert sum(row["moved, GB"] for row in kernels) == pytest.approx(step["moved, GB"])
    assert kernels[0]["kernels"] == "cuDNN" and kernels[0]["number"] == 216


def test_flaxs_rival_has_convolutions_of_its_own(monkeypatch: pytest.MonkeyPatch):
    """A ResNet-18 has 20; traces that the zoo kept of its own are not taken for the rival's."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    rival, grids = (importlib.import_module(n) for n in ("pretrained_flax", "pretrained_grid"))
    ours = grids.grid_of("resnet18", "full", 32, 2).stack
    x = jax.numpy.zeros((2, 32, 32, 3))
    variables = ours.init(jax.random.key(0), x)

    def program(net: Any) -> str:
        return str(jax.make_jaxpr(lambda v, x: net.apply(v, x)[0])(variables, x))

    assert program(ours).count("conv_general_dilated[") < 20
    with rival.plain():
        assert program(rival.unkept(ours)).count("conv_general_dilated[") == 20
