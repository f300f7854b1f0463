"""Several processes, placed by the environment; one that dies ends the others."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from .commands import SMALL, assert_same, run, start, wait_for

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


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_dies_ends_the_other_and_the_restart_goes_on(killed, alone, tmp_path):
    workdir = tmp_path / "run"
    processes = two(workdir)
    checkpoints = workdir / "checkpoints"
    wait_for("both columns", lambda: len(list(checkpoints.glob("*-?/8"))) == 2, processes[0])
    os.killpg(processes[killed].pid, signal.SIGKILL)
    died = time.monotonic()
    output = processes[1 - killed].communicate(timeout=200)[0]
    assert processes[1 - killed].returncode == 1, output
    told = [line for line in output.splitlines() if line.startswith("transfer-jax: ")]
    assert len(told) == 1 and f"process {killed}" in told[0] and "is gone" in told[0], output
    assert "Traceback" not in output and "***" not in output
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
    outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [143, 143], outputs
    run(workdir, *FLAGS)
    assert_same(workdir, alone)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("signalled", [0, 1])
def test_a_signal_while_controls_are_measured_stops_both(signalled, tmp_path):
    workdir = tmp_path / "run"
    processes = two(workdir, "--config.controls=('cka',)")
    assert processes[0].stdout is not None
    for line in processes[0].stdout:
        if line.startswith("measuring"):
            break
    finished = len(list((workdir / "columns").glob("*.csv")))
    os.kill(processes[signalled].pid, signal.SIGTERM)
    outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [143, 143], outputs
    for output in outputs:
        assert "stopped by SIGTERM while controls were measured; the same command" in output
        assert "Traceback" not in output
    assert len(list((workdir / "columns").glob("*.csv"))) <= finished + 1


def test_processes_of_other_configs_refuse_each_other(tmp_path):
    workdir = tmp_path / "run"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = [f"--coordinator=localhost:{free.getsockname()[1]}", "--processes=2"]
    # `logs.every` changes no number, but the processes would pause at other steps.
    own = [[], ["--config.optimizer.learning_rate=0.3", "--config.logs.every=7"]]
    processes = [
        start(workdir, *FLAGS, *place, f"--process={i}", *more, JAX_PLATFORMS="cpu")
        for i, more in enumerate(own)
    ]
    outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [1, 1], outputs
    for output in outputs:
        assert "logs.every is 20 in process 0, 7 in process 1" in output
        assert "optimizer.learning_rate is 0.03 in process 0, 0.3 in process 1" in output
        assert output.count("\n") == 1, output
    assert not workdir.exists()
