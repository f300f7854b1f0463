"""A workdir in a bucket, served by an emulator of Google's storage; the real command line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from etils import epath

from .commands import SMALL, run, start, wait_for

ONE_SEED = [*(flag for flag in SMALL if not flag.startswith("--config.splits")),
            "--config.splits=('distant',)"]  # fmt: skip


@pytest.fixture(scope="module")
def bucket() -> Iterator[tuple[str, dict[str, str]]]:
    """The emulator's address, and the environment in which libraries find it."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    address = f"http://localhost:{port}"
    command = [sys.executable, str(Path(__file__).with_name("bucket_server.py")), str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as server:
        wait_for("the emulator", lambda: _answers(address), server)  # pyright: ignore
        yield (
            address,
            {
                "STORAGE_EMULATOR_HOST": address,
                "TENSORSTORE_GCS_HTTP_URL": address,
                "GCE_METADATA_HOST": "127.0.0.1:1",
                "NO_GCE_CHECK": "true",
            },
        )
        server.kill()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/storage/v1/b/bucket") as answer:
            return answer.status == 200
    except OSError:
        time.sleep(0.1)
        return False


def _names(address: str, prefix: str) -> list[str]:
    # The emulator does one thing at a time, and the run needs it too.
    time.sleep(0.5)
    with urllib.request.urlopen(f"{address}/storage/v1/b/bucket/o?prefix={prefix}") as answer:
        return [item["name"] for item in json.load(answer).get("items", [])]


def _objects(address: str, prefix: str) -> dict[str, bytes]:
    found = {}
    for name in _names(address, prefix):
        path = f"{address}/download/storage/v1/b/bucket/o/{name.replace('/', '%2F')}?alt=media"
        with urllib.request.urlopen(path) as answer:
            found[name.removeprefix(prefix)] = answer.read()
    return found


@pytest.mark.slow
def test_a_run_in_a_bucket_is_killed_and_goes_on_as_one_on_a_disk(bucket, tmp_path):
    address, environment = bucket
    run(tmp_path / "run", *ONE_SEED)
    workdir = epath.Path("gs://bucket/run")
    process = start(workdir, *ONE_SEED, **environment)  # pyright: ignore
    wait_for("columns", lambda: len(_names(address, "run/columns/")) >= 3, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert "run/results.csv" not in _names(address, "run/")
    output = run(workdir, *ONE_SEED, **environment)  # pyright: ignore
    assert "is gone; its lock is taken over" in output
    assert "Next: open gs://bucket/run/report.html" in output
    for folder in ("columns/", "curves/", "metrics/", "correct/"):
        ours = _objects(address, f"run/{folder}")
        theirs = {path.name: path.read_bytes() for path in (tmp_path / "run" / folder).iterdir()}
        assert ours == theirs, folder
    held = _objects(address, "run/")
    assert held["results.csv"] == (tmp_path / "run" / "results.csv").read_bytes()
    assert not [name for name in held if name.startswith("checkpoints/") or "lock" in name]
