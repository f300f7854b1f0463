"""Several processes, placed by the environment; one that dies ends the others."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from .commands import SMALL, assert_same, run, start, wait_for, what_it_made

FLAGS = [*SMALL, "--config.devices_per_column=1"]


def two(workdir: Path, *flags: str) -> list[subprocess.Popen[str]]:
    """Two processes of one device each, placed as Slurm would place them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    job = {
        "SLURM_JOB_ID": str(port),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_STEP_NUM_NODES": "1",
    }
    places = [{"SLURM_PROCID": str(i), "SLURM_LOCALID": "0"} for i in range(2)]
    return [start(workdir, *FLAGS, *flags, **job, **p, JAX_PLATFORMS="cpu") for p in places]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, object]:
    workdir = tmp_path_factory.mktemp("alone") / "run"
    run(workdir, *FLAGS)
    return what_it_made(workdir)


@pytest.mark.parametrize("killed", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_process_that_dies_ends_the_other_and_the_restart_goes_on(killed, alone, tmp_path):
    workdir = tmp_path / "run"
    processes = two(workdir)
    checkpoints = workdir / "checkpoints"
    wait_for("both columns", lambda: len(list(checkpoints.glob("*-?/8"))) == 2, processes[0])
    os.killpg(processes[killed].pid, signal.SIGKILL)
    died = time.monotonic()
    output = processes[1 - killed].communicate(timeout=90)[0]
    assert processes[1 - killed].returncode != 0, output
    assert time.monotonic() - died < 60
    processes[killed].communicate()
    again = two(workdir)
    outputs = [process.communicate(timeout=200)[0] for process in again]
    assert [process.returncode for process in again] == [0, 0], outputs
    assert_same(workdir, alone)


def test_a_signal_to_one_process_stops_both(alone, tmp_path):
    workdir = tmp_path / "run"
    processes = two(workdir)
    checkpoints = workdir / "checkpoints"
    wait_for("both columns", lambda: len(list(checkpoints.glob("*-?/4"))) == 2, processes[1])
    os.kill(processes[1].pid, signal.SIGTERM)
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [143, 143], outputs
    run(workdir, *FLAGS)
    assert_same(workdir, alone)
