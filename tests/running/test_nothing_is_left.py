"""Of a run that reads with workers nothing is left, however it ends: no process, no memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transfer_jax.cli import main

from .commands import trains, wait_for


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Prepared images of four classes."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for name in "abcd":
        (root / name).mkdir()
        for i in range(20):
            pixels = rng.integers(0, 255, (28, 28, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    folder = root.with_name("prepared")
    assert not main(["prepare", "--config=cifar100", "--config.data.source=folder",
                     f"--config.data.folder={folder}", f"--manual_dir={root}",
                     "--workers=1"])  # fmt: skip
    return folder


def streamed(data: Path, steps: int, workers: int = 2) -> list[str]:
    return ["--config=cifar100", "--config.data.source=folder", f"--config.data.folder={data}",
            "--config.data.stream=True", f"--config.reading.workers={workers}", "--config.seeds=1",
            "--config.cuts=(1,)", "--config.splits=('random-0',)", "--config.treatments=('AnB',)",
            "--config.network.widths=(2,2,2,2)", "--config.network.dense_widths=(4,)",
            "--config.optimizer.warmup_steps=1", f"--config.steps={steps}",
            "--config.batch_size=4", "--config.test_batch_size=4",
            "--config.checkpoint.minutes=0.0"]  # fmt: skip


class Room:
    """Shared memory of its own, and all processes that have it."""

    def __init__(self) -> None:
        mount = "mount -t tmpfs tmpfs /dev/shm && echo there && exec sleep 1000"
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", mount], stdout=subprocess.PIPE, text=True
        )
        assert self.keeper.stdout is not None
        self.works = self.keeper.stdout.readline() == "there\n"

    def start(self, *command: str) -> subprocess.Popen[str]:
        enter = ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", f"--wd={Path.cwd()}"]
        return subprocess.Popen(
            [*enter, sys.executable, "-m", "transfer_jax", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def processes(self) -> list[int]:
        own = Path(f"/proc/{self.keeper.pid}/ns/mnt").readlink()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "ns" / "mnt").readlink() == own:
                    found.append(int(process.name))
            except OSError:
                continue
        return [pid for pid in found if pid != self.keeper.pid]

    def memory(self) -> list[str]:
        return [f.name for f in Path(f"/proc/{self.keeper.pid}/root/dev/shm").iterdir()]


@pytest.fixture
def room() -> Iterator[Room]:
    if os.geteuid():
        pytest.skip("shared memory of its own takes root")
    room = Room()
    try:
        if not room.works:
            pytest.skip("a tmpfs cannot be mounted here")
        yield room
    finally:
        for pid in room.processes():
            os.kill(pid, signal.SIGKILL)
        room.keeper.kill()
        room.keeper.communicate()


def to_group(number: int) -> Callable[[int], None]:
    return lambda pid: os.killpg(pid, number)


def to_process(number: int) -> Callable[[int], None]:
    return lambda pid: os.kill(pid, number)


ENDS = {
    "SIGTERM to the group": (to_group(signal.SIGTERM), 143, []),
    "SIGINT to the group": (to_group(signal.SIGINT), 130, []),
    "SIGHUP to the process": (to_process(signal.SIGHUP), 129, []),
    "the end of the grace": (to_group(signal.SIGTERM), 143, ["--config.checkpoint.grace=0.0001"]),
    "SIGKILL to the process": (to_process(signal.SIGKILL), -9, []),
    "SIGKILL to the group": (to_group(signal.SIGKILL), -9, []),
}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_left_of_a_run_that_reads_with_workers(end, data, room, tmp_path):
    signalled, status, flags = ENDS[end]
    workdir = tmp_path / "run"
    process = room.start("run", *streamed(data, 60_000), f"--workdir={workdir}", *flags)
    wait_for("training", trains(workdir), process)
    wait_for("batches in shared memory", room.memory, process)
    assert len(room.processes()) >= 3
    signalled(process.pid)
    output = process.communicate(timeout=200)[0]
    assert process.returncode == status, output
    assert "Traceback" not in output and "Warning" not in output, output
    patient = time.monotonic() + 60
    while (room.processes() or room.memory()) and time.monotonic() < patient:
        time.sleep(0.1)
    assert not room.processes() and not room.memory()
    if status > 0 and not flags:
        assert list(workdir.glob("checkpoints/*/*")), output
        assert "the same command goes on" in output


@pytest.mark.slow
def test_nothing_is_left_of_a_run_that_ends_by_itself(data, room, tmp_path):
    process = room.start("run", *streamed(data, 30, workers=1), f"--workdir={tmp_path / 'run'}")
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 0, output
    assert "Warning" not in output
    assert not room.processes() and not room.memory()
