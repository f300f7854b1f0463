"""Columns over devices and processes, in processes of their own with forced CPU devices."""

import csv
import json
import os
import re
import socket
import subprocess
import sys

import jax
import pytest

from tests.conftest import TINY
from transfer_jax.engine.mesh import MeshError, check_processes, column_mesh, devices_per_column

RUN = """
import jax, sys
from etils import epath
from transfer_jax import run
from transfer_jax.plan.config import load_config
assert len(jax.devices()) == int(sys.argv[1])
run(load_config("fashion_mnist", sys.argv[3:]), sys.argv[2])
"""

PROGRAM = """
import json, sys
import jax, numpy as np
from transfer_jax.plan.config import load_config
from transfer_jax.grid.grid import columns
from transfer_jax.engine.inputs import place_inputs
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, place, replicate
from transfer_jax.engine.feeds import on_device
from transfer_jax.plan.estimate import _untrained_start
from transfer_jax.plan.plan import make_plan
plan = make_plan(load_config("fashion_mnist", sys.argv[2:]))
column = columns(plan.grid)[0]
compiled = CompiledProgram(plan.program(column.cuts), column_mesh(data=int(sys.argv[1])))
start = _untrained_start(plan, compiled.program, column)
state = place([compiled.program.init(start.networks)], compiled.mesh)
args = (compiled.place_base([start]), replicate(on_device(plan.recipe.images), compiled.mesh))
inputs = place_inputs([start.inputs], compiled.mesh)
print(json.dumps(compiled.train.lower(state, *args, inputs).compile().as_text()))
"""


def environment(devices: int) -> dict[str, str]:
    """Eight threads whatever the devices: the CPU's convolutions sum by their number of threads,
    which is that of the cores, or of the devices if these are more."""
    flags = f"--xla_force_host_platform_device_count={devices}"
    return {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "NPROC": "8"}


def run_on(devices: int, folder, *overrides: str) -> list[dict[str, str]]:
    subprocess.run(
        [sys.executable, "-c", RUN, str(devices), str(folder), *TINY, *overrides],
        env=environment(devices),
        check=True,
    )
    return list(csv.DictReader((folder / "results.csv").read_text().splitlines()))


def compiled_text(data: int) -> str:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(data), *TINY],
        env=environment(8),
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(found.stdout)


@pytest.fixture(scope="module")
def one_device(tmp_path_factory):
    return run_on(1, tmp_path_factory.mktemp("mesh") / "one", "--config.data.mirror=True")


def test_one_device_and_eight_give_the_same_results_to_the_bit(one_device, tmp_path):
    """Eight columns of conditions on eight devices, four base networks on four of them."""
    options = ("--config.data.mirror=True", "--config.devices_per_column=1")
    eight = run_on(8, tmp_path / "eight", *options)
    assert len(eight) == 4 + 2 * (8 * 2 + 2 * 2) + 4  # scratch
    assert one_device == eight


@pytest.mark.slow
def test_a_batch_over_several_devices_gives_the_same_but_for_rounding(one_device, tmp_path):
    """Two devices a column: each sums over half of the batch, and the halves are added up.

    Seen: 2e-7 in a loss after five steps; no test example changes its class."""
    shared = run_on(8, tmp_path / "shared", "--config.data.mirror=True",
                    "--config.devices_per_column=2")  # fmt: skip
    for a, b in zip(one_device, shared, strict=True):
        assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=3e-6)
        assert a["top1"] == b["top1"]


@pytest.mark.slow
def test_columns_never_talk_to_each_other():
    words = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
    alone = compiled_text(1)
    assert "convolution" in alone or "ynn_fusion" in alone
    assert not any(word in alone for word in words)
    shared = compiled_text(2)
    # [rows of the mesh, devices a row] of all devices in order: sums stay within a row.
    assert set(re.findall(r"replica_groups=(\[[\d,]+\]<=\[[\d,]+\])", shared)) == {"[4,2]<=[8]"}
    assert "replica_groups={" not in shared


@pytest.mark.slow
def test_two_processes_give_the_results_of_one(one_device, tmp_path):
    """One device each, over gloo; the first process writes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    workdir = tmp_path / "two"
    command = [
        *(sys.executable, "-m", "transfer_jax", "run", f"--workdir={workdir}"),
        *(f"--coordinator={coordinator}", "--processes=2"),
        *TINY,
        *("--config.data.mirror=True", "--config.devices_per_column=1"),
    ]
    processes = [
        subprocess.Popen(
            [*command, f"--process={i}"],
            env=environment(1),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "Written to" in outputs[0]
    assert "step" not in outputs[1] and "Written" not in outputs[1]
    assert list(csv.DictReader((workdir / "results.csv").read_text().splitlines())) == one_device


def test_devices_to_spare_share_a_batch():
    assert devices_per_column(columns=16, devices=8, batch_size=64) == 1
    assert devices_per_column(columns=4, devices=16, batch_size=64) == 4
    assert devices_per_column(columns=3, devices=8, batch_size=64) == 2
    assert devices_per_column(columns=1, devices=8, batch_size=6) == 2
    assert devices_per_column(columns=1, devices=7, batch_size=64) == 1


@pytest.mark.parametrize("asked", [3, 16, 64])
def test_a_batch_that_does_not_divide_is_told_with_what_would(asked):
    message = rf"devices_per_column is {asked}; .*16 devices .*batch of 40: allowed: 1, 2, 4, 8"
    with pytest.raises(MeshError, match=message):
        devices_per_column(columns=2, devices=16, batch_size=40, asked=asked)


def test_more_processes_than_columns_can_use_are_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    monkeypatch.setattr(jax, "devices", lambda: [jax.local_devices()[0]] * 4)
    mesh = column_mesh()
    check_processes(4, mesh)
    with pytest.raises(MeshError, match=r"4 processes of 1 devices .* 3 columns x 1 .* start 3"):
        check_processes(3, mesh)


def test_a_process_of_several_devices_may_be_needed_for_one_column_more(monkeypatch):
    """Four processes of two devices: three columns keep two of them busy, seven all four."""
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    monkeypatch.setattr(jax, "devices", lambda: [jax.local_devices()[0]] * 8)
    check_processes(7, column_mesh())
    with pytest.raises(MeshError, match="start 2 or fewer"):
        check_processes(3, column_mesh())
    check_processes(4, column_mesh(data=2))
    with pytest.raises(MeshError, match=r"3 columns x 2 devices .* start 3 or fewer"):
        check_processes(3, column_mesh(data=2))
