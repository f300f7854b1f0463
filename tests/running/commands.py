"""The real command line, started, watched and killed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import transfer_jax as tj
from tests.conftest import TINY

# Two seeds of one split: 16 columns; a checkpoint every four steps.
SMALL = [
    *(flag for flag in TINY if not flag.startswith(("--config.steps", "--config.seeds"))),
    "--config.seeds=1",
    "--config.steps=12",
    "--config.test_every=5",
    "--config.checkpoint.steps=4",
    "--config.checkpoint.networks=all",
]


# Far more steps than a test waits for; batches of many more would take seconds to draw.
ENDLESS = "--config.steps=20000"


def start(
    workdir: Path, *flags: str, devices: int = 1, command: str = "run", **environment: str
) -> subprocess.Popen[str]:
    """The command in a process group of its own, in which signals have their usual meaning."""
    return subprocess.Popen(
        [sys.executable, "-m", "transfer_jax", command, f"--workdir={workdir}", *flags],
        env={
            **os.environ,
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
            "NPROC": "8",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(workdir: Path, *flags: str, devices: int = 1, **environment: str) -> str:
    """The command, run to its end; its output."""
    process = start(workdir, *flags, devices=devices, **environment)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output
    return output


def wait_for(what: str, condition, process: subprocess.Popen[str], seconds: float = 300) -> None:
    """Wait until something has come about, while the process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"{what}: the process ended: {process.communicate()[0]}"
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.005)


def trains(workdir: Path) -> Callable[[], bool]:
    """Whether a run has told of its first steps."""
    told = workdir / "progress.json"
    return lambda: told.exists() and '"loss"' in told.read_text()


def what_it_made(workdir: Path) -> dict[str, object]:
    """Everything in a workdir that a stop must not change: tables byte by byte, networks."""
    found: dict[str, object] = {
        str(path.relative_to(workdir)): path.read_bytes()
        for pattern in (
            "results.csv",
            "columns/*",
            "curves/*",
            "metrics/*",
            "correct/*",
            "validated/*",
            "data.json",
            "filters/*",
        )
        for path in workdir.glob(pattern)
    }
    for folder in [*workdir.glob("bases/*"), *workdir.glob("networks/*")]:
        found[str(folder.relative_to(workdir))] = tj.load_tree(folder)
    return found


def assert_same(workdir: Path, expected: dict[str, object]) -> None:
    """The workdir holds exactly this, to the bit."""
    found = what_it_made(workdir)
    assert found.keys() == expected.keys()
    for name, ours in found.items():
        if isinstance(ours, dict):
            theirs = expected[name]
            assert isinstance(theirs, dict)
            assert not tj.diff(ours, theirs), name
        else:
            assert ours == expected[name], name
    assert not list((workdir / "checkpoints").glob("*")), "checkpoints are left"
    assert not (workdir / "lock.json").exists()
    assert np.all([path.stat().st_size > 0 for path in workdir.glob("*.html")])
