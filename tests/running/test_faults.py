"""What goes wrong around a run: each ends in one clear line or goes on, and nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from etils import epath

from transfer_jax.folder import lock
from transfer_jax.folder.lock import Lock, LockError
from transfer_jax.running import column_checkpoints

from .commands import SMALL, assert_same, run, start, wait_for


def stopped_at(workdir: Path, checkpoint: str, *flags: str) -> None:
    """A run that is killed when this checkpoint is there."""
    process = start(workdir, *SMALL, *flags)
    wait_for(
        checkpoint, (workdir / "checkpoints" / checkpoint / "about" / "metadata").exists, process
    )
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


COLUMN = "distant.seed0.A-A"


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    "damage, part",
    [
        (flip, "data"),
        (cut, "about"),
        pytest.param(cut, "data", marks=pytest.mark.slow),
        pytest.param(flip, "about", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_checkpoint_is_seen_and_the_one_before_is_used(damage, part, whole, tmp_path):
    workdir = tmp_path / "run"
    stopped_at(workdir, f"{COLUMN}/8")
    folder = workdir / "checkpoints" / COLUMN / "8"
    if part == "about":
        damage(folder / "about" / "metadata")
    else:
        for path in (folder / "state").rglob("*"):
            if path.parent.name == "d":
                damage(path)
    output = run(workdir, *SMALL)
    assert f"{COLUMN}/8 is damaged" in output and "going on from step 4" in output
    assert "Traceback" not in output
    assert_same(workdir, whole)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_ends_in_one_line_and_the_run_goes_on_when_there_is_room(whole, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk])
    if mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        process = start(disk / "run", *SMALL)
        tables = disk / "run" / "columns"
        wait_for("a finished column", lambda: len(list(tables.glob("*.csv"))) >= 2, process)
        (disk / "filler").touch()
        with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
            while filler.write(bytes(4096)):
                pass
        output = process.communicate(timeout=200)[0]
        assert process.returncode == 1, output
        assert "No space left on device" in output and "Traceback" not in output
        finished = {p.name: p.read_bytes() for p in tables.glob("*.csv")}
        assert len(finished) >= 2
        (disk / "filler").unlink()
        run(disk / "run", *SMALL)
        for name, content in finished.items():
            assert (tables / name).read_bytes() == content
        assert_same(disk / "run", whole)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_workdir_that_vanishes_ends_in_one_line(tmp_path):
    process = start(tmp_path / "run", *SMALL)
    wait_for("a column", lambda: any((tmp_path / "run" / "columns").glob("*.csv")), process)
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 1, output
    assert "transfer-jax: " in output and "Traceback" not in output
    assert not (tmp_path / "run" / "results.csv").exists()


@pytest.mark.slow
def test_a_workdir_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    process = start(tmp_path / "file" / "run", *SMALL)
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 1
    assert "is a file, or lies in one; a run needs a folder" in output and "Traceback" not in output


@pytest.mark.slow
def test_a_clock_that_is_set_back_changes_nothing(whole, tmp_path, monkeypatch):
    """Checkpoints and locks measure time by a clock that nobody sets."""
    stopped_at(tmp_path / "run", f"{COLUMN}/4")
    for path in (tmp_path / "run").rglob("*"):
        os.utime(path, (2e9, 2e9))  # in 2033, as a clock that went wrong would have it
    run(tmp_path / "run", *SMALL)
    assert_same(tmp_path / "run", whole)


def test_the_lock_of_another_machine_is_stale_when_it_does_not_change(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WATCH", 0.5)
    path = epath.Path(tmp_path / "lock.json")
    theirs = {"host": "elsewhere", "pid": 1, "process": "x", "token": "t", "beat": 5}
    path.write_text(json.dumps(theirs))
    said: list[str] = []
    with Lock(path, said.append):
        assert json.loads(path.read_text())["pid"] == os.getpid()
    assert said[0].startswith("the lock of process 1 on elsewhere is there: watching")
    assert "is gone" in said[1]
    assert not path.exists()


def test_the_lock_of_another_machine_holds_while_it_changes(tmp_path, monkeypatch):
    path = epath.Path(tmp_path / "lock.json")
    theirs = {"host": "elsewhere", "pid": 1, "process": "x", "token": "t", "beat": 5}
    path.write_text(json.dumps(theirs))
    real = time.sleep
    monkeypatch.setattr(lock, "WATCH", 1.0)

    def beat(seconds: float) -> None:
        real(seconds)
        path.write_text(json.dumps({**theirs, "beat": 6}))

    monkeypatch.setattr(lock.time, "sleep", beat)
    with pytest.raises(LockError, match="is in use by process 1 on elsewhere"), Lock(path):
        pass


def test_who_was_asleep_while_another_took_the_lock_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.05)
    path = epath.Path(tmp_path / "lock.json")
    with Lock(path) as ours:
        ours.check()
        path.write_text(json.dumps({"host": "b", "pid": 2, "process": "y", "token": "other"}))
        time.sleep(0.5)
        with pytest.raises(LockError, match="held by process 2 on b"):
            ours.check()
    assert json.loads(path.read_text())["token"] == "other"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"host": 3, "pid": 1e99}'])
def test_a_damaged_lock_is_no_lock(content, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "WATCH", 0.2)
    path = epath.Path(tmp_path / "lock.json")
    path.write_text(content)
    with Lock(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.slow
def test_two_checkpoints_of_a_column_are_kept(tmp_path):
    stopped_at(tmp_path / "run", f"{COLUMN}/6", "--config.checkpoint.steps=2")
    kept = column_checkpoints.ColumnCheckpoints(
        epath.Path(tmp_path / "run" / "checkpoints" / COLUMN), {}
    )
    assert set(kept.steps()) <= {2, 4, 6, 8, 10}
    assert 1 <= len(kept.steps()) <= 3  # a third is there until it is removed
