"""Machines that schedulers give and take away: workers of a TPU pod, tasks of Slurm, SkyPilot."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from transfer_jax.commands.launchers.job import Job
from transfer_jax.commands.launchers.skypilot import task
from transfer_jax.engine.cluster import place_in_cluster

from .commands import ENDLESS, SMALL, assert_same, start, wait_for
from .joined import free_port
from .test_processes import two

FLAGS = [*SMALL, "--config.devices_per_column=1"]


def pod(workdir: Path, *flags: str) -> list[subprocess.Popen[str]]:
    """The two machines of a TPU pod, placed as their variables say; what computes are CPUs."""
    hosts = {"TPU_WORKER_HOSTNAMES": "localhost,other", "JAX_COORDINATOR_PORT": str(free_port())}
    started = []
    for worker in ("0", "1"):
        place = place_in_cluster({**hosts, "TPU_WORKER_ID": worker}, on_tpu=True)
        assert place
        placed = [f"--coordinator={place.coordinator}", f"--processes={place.processes}",
                  f"--process={place.process}"]  # fmt: skip
        started.append(start(workdir, *flags, *placed, JAX_PLATFORMS="cpu"))
    return started


@pytest.mark.slow
def test_a_pod_whose_first_machine_dies_goes_on_when_it_is_back(alone, tmp_path):
    workdir = tmp_path / "run"
    first, second = pod(workdir, *FLAGS)
    checkpoints = workdir / "checkpoints"
    wait_for("both columns", lambda: len(list(checkpoints.glob("*-?/4"))) == 2, second)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    said = second.communicate(timeout=200)[0]
    assert second.returncode == 1 and "Traceback" not in said, said
    assert [line for line in said.splitlines() if "process 0" in line and "is gone" in line], said
    again = pod(workdir, *FLAGS)
    outputs = [process.communicate(timeout=200)[0] for process in again]
    assert [process.returncode for process in again] == [0, 0], outputs
    assert_same(workdir, alone)


def test_of_two_jobs_of_slurm_in_one_folder_the_second_is_refused(tmp_path):
    workdir = tmp_path / "run"
    first = two(workdir, ENDLESS)
    try:
        wait_for("the lock", (workdir / "lock.json").exists, first[0])
        second = two(workdir, ENDLESS)
        outputs = [process.communicate(timeout=200)[0] for process in second]
        assert [process.returncode for process in second] == [1, 1], outputs
        assert f"is in use by process {first[0].pid} on " in outputs[0]
        assert "process 0" in outputs[1] and "Traceback" not in "".join(outputs), outputs
        assert [process.poll() for process in first] == [None, None]
    finally:
        for process in first:
            process.kill()
            process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("patience", [200, 0], ids=["in time", "too late"])
def test_a_skypilot_job_goes_on_where_it_is_started_again(patience, alone, tmp_path):
    """The machine is told by SIGTERM, and taken away; SkyPilot runs the task's lines elsewhere."""
    workdir = tmp_path / "run"
    job = Job("a", "fashion_mnist", tuple(FLAGS), str(workdir), "h100:1")
    script = task(job)["run"].replace("transfer-jax", f"{sys.executable} -m transfer_jax", 1)
    machine = {"SKYPILOT_NODE_IPS": "localhost", "SKYPILOT_NUM_NODES": "1",
               "SKYPILOT_NODE_RANK": "0", "JAX_PLATFORMS": "cpu", "NPROC": "8"}  # fmt: skip

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(["bash", "-c", script], env={**os.environ, **machine}, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                start_new_session=True)  # fmt: skip

    process = begin()
    wait_for("a checkpoint", lambda: any((workdir / "checkpoints").glob("*/4")), process)
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    said = process.communicate()[0]
    assert process.returncode == (143 if patience else -9), said
    again = begin()
    said = again.communicate(timeout=200)[0]
    assert again.returncode == 0, said
    assert_same(workdir, alone)
