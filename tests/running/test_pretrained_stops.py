"""A pretrained run that is stopped, spread over devices or processes, or swept: the same bits."""

import os
import signal
import socket
from pathlib import Path

import pytest

import transfer_jax as tj
from transfer_jax.folder.results import read_rows
from transfer_jax.plan.config import load_config
from transfer_jax.running.sweep import Axis, run_sweep

from .commands import assert_same, run, start, wait_for, what_it_made
from .pretrained import FLAGS, weights

# Two seeds: two columns of a program. All families that wait for others, or change on their way.
OWN = [
    *(flag for flag in FLAGS if not flag.startswith("--config.seeds")),
    "--config.seeds=2",
    "--config.cuts=('block1',)",
    "--config.families=('scratch','probe','freeze','lp-ft','gradual')",
    "--config.devices_per_column=1",
    "--config.checkpoint.steps=2",
    "--config.checkpoint.networks=all",
    "--config.logs.every=2",
]


@pytest.fixture(scope="module")
def flags(tmp_path_factory) -> list[str]:
    file = tmp_path_factory.mktemp("file") / "weights.safetensors"
    tj.save_tree(file, weights())
    return [*OWN, f"--config.network.weights={file}"]


@pytest.fixture(scope="module")
def straight(flags, tmp_path_factory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("straight") / "run"
    run(folder, *flags)
    found = what_it_made(folder)
    assert {"results.csv"} < set(found) and any(name.startswith("networks") for name in found)
    return found


@pytest.mark.slow
def test_stopped_by_a_scheduler_on_one_device_it_ends_on_two(flags, straight, tmp_path):
    workdir = tmp_path / "run"
    process = start(workdir, *flags)
    checkpoints = workdir / "checkpoints"
    wait_for("a checkpoint", lambda: len(list(checkpoints.glob("*/*"))) > 0, process)
    os.kill(process.pid, signal.SIGTERM)
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 143 and "the same command goes on" in output, output
    assert not (workdir / "results.csv").exists()
    run(workdir, *flags, devices=2)
    assert_same(workdir, straight)


@pytest.mark.slow
def test_two_processes_give_what_one_does(flags, straight, tmp_path):
    workdir: Path = tmp_path / "run"
    with socket.socket() as free:
        free.bind(("localhost", 0))
        where = f"--coordinator=localhost:{free.getsockname()[1]}"
    both = [
        start(workdir, *flags, where, "--processes=2", f"--process={i}", JAX_PLATFORMS="cpu")
        for i in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert_same(workdir, straight)


def test_each_run_of_a_sweep_is_what_it_is_alone(flags, tmp_path):
    own = [*flags, "--config.families=('probe','full')"]
    run_sweep(
        "fashion_mnist", own, [Axis("optimizer.learning_rate", (0.01, 0.1))], tmp_path / "all"
    )
    alone = load_config("fashion_mnist", [*own, "--config.optimizer.learning_rate=0.01"])
    rows = tj.run(alone, tmp_path / "alone").rows
    found = {
        rate: tuple(read_rows(tmp_path / "all" / f"learning_rate={rate}" / "results.csv"))
        for rate in ("0.01", "0.1")
    }
    assert found["0.01"] == rows and found["0.1"] != rows
