"""What a lock promises where its owner cannot be looked up, and where folders are odd."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from etils import epath

from transfer_jax.folder import lock, lock_file, whereabouts
from transfer_jax.folder.lock import Lock, LockError, holder
from transfer_jax.folder.whereabouts import fate, this_process

HOLD = """
import sys, time
from etils import epath
from transfer_jax.folder import lock, lock_file
lock.BEAT, lock.WATCH, lock.SETTLE = 0.5, 2.5, 1.0
{before}
try:
    with lock.Lock(epath.Path({path!r}), print) as held:
        print("holds", flush=True)
        time.sleep(float(sys.argv[1]))
        print("lost" if held.lost else "kept", flush=True)
except lock.LockError:
    print("refused", flush=True)
"""
NO_FLOCK = """
def missing(*_): raise OSError(37, "No locks available")
lock_file.fcntl.flock = missing
"""


def hold(path: Path, seconds: float, *within: str, before: str = "") -> subprocess.Popen[str]:
    code = HOLD.format(path=str(path), before=before)
    command = [*within, sys.executable, "-c", code, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> list[str]:
    return process.communicate(timeout=60)[0].split("\n")


def written(path: Path, **fields: object) -> dict[str, object]:
    record = {**this_process(), "token": "theirs", "beat": 1, **fields}
    path.write_text(json.dumps(record))
    return record


CONTAINER = ("unshare", "--pid", "--fork")


def needs_containers() -> None:
    if os.geteuid() or subprocess.run([*CONTAINER, "--mount-proc", "true"]).returncode:
        pytest.skip("a namespace of processes takes root")


@pytest.mark.slow_but_first
@pytest.mark.parametrize("own_proc", [True, False], ids=["its own /proc", "the /proc of all"])
def test_two_containers_with_one_host_name_respect_each_other(own_proc, tmp_path):
    needs_containers()
    container = (*CONTAINER, "--mount-proc") if own_proc else CONTAINER
    first = hold(tmp_path / "lock.json", 8, *container)
    assert first.stdout and first.stdout.readline() == "holds\n"
    assert "refused" in said(hold(tmp_path / "lock.json", 1, *container))
    assert "refused" in said(hold(tmp_path / "lock.json", 1))
    assert "kept" in said(first)
    assert not (tmp_path / "lock.json").exists()


def test_the_lock_of_a_container_that_is_gone_is_taken_over(tmp_path):
    needs_containers()
    first = hold(tmp_path / "lock.json", 60, *CONTAINER, "--kill-child", "--mount-proc")
    assert first.stdout and first.stdout.readline() == "holds\n"
    first.kill()
    first.communicate()
    assert "kept" in said(hold(tmp_path / "lock.json", 1, *CONTAINER, "--mount-proc"))


def test_a_process_is_told_from_others_of_its_number(monkeypatch):
    assert fate(this_process()) == "alive"
    child = subprocess.Popen(["sleep", "60"])
    record = {**this_process(), "pid": child.pid, "began": whereabouts._began(str(child.pid))}
    assert fate(record) == "alive"
    assert fate({**record, "began": "1"}) == "gone"  # a later process of that number
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert fate(record) == "gone"  # a zombie
    child.wait()
    assert fate(record) == "gone"


@pytest.mark.parametrize(
    "change",
    [
        {"home": ""},
        {"home": None},
        {"home": "another-boot pid:[4026531836] time:[4026531834]"},
        {"pid": "1"},
        {"pid": -1},
        {"pid": None},
    ],
)
def test_what_cannot_be_looked_up_is_not_presumed_gone(change):
    assert fate({**this_process(), **change}) == "unknown"


def test_a_process_that_the_system_hides_is_not_presumed_gone(monkeypatch):
    """As of another user, where /proc is mounted with hidepid=2."""
    monkeypatch.setattr(whereabouts, "_began", lambda pid: "")
    assert fate({**this_process(), "began": "5"}) == "unknown"


def test_where_namespaces_cannot_be_read_nothing_is_looked_up(monkeypatch):
    theirs = this_process()
    monkeypatch.setattr(whereabouts, "_home", lambda: "")
    assert fate(theirs) == fate(this_process()) == "unknown"


def test_who_was_killed_is_replaced_at_once(tmp_path):
    first = hold(tmp_path / "lock.json", 60)
    assert first.stdout and first.stdout.readline() == "holds\n"
    assert holder(epath.Path(tmp_path / "lock.json")).startswith(f"process {first.pid} on ")
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert holder(epath.Path(tmp_path / "lock.json")) == ""
    second = said(hold(tmp_path / "lock.json", 0))
    assert "is gone; its lock is taken over" in second[0] and "kept" in second


@pytest.mark.slow_but_first
@pytest.mark.parametrize("stale", [True, False], ids=["a stale lock", "no lock"])
@pytest.mark.parametrize("before", ["", NO_FLOCK], ids=["flock", "no flock"])
def test_of_many_starts_at_once_one_holds(stale, before, tmp_path):
    path = tmp_path / "lock.json"
    if stale:
        written(path, began="1")
    # All are ready before the first one begins.
    wait = f"import os\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.001)\n"
    several = [hold(path, 6, before=before + wait) for _ in range(5)]
    time.sleep(6)
    (tmp_path / "go").touch()
    ends = [said(process) for process in several]
    assert sum("kept" in end for end in ends) == 1, ends
    assert sum("refused" in end or "lost" in end for end in ends) == 4, ends


def test_in_a_bucket_of_two_starts_at_once_one_holds(tmp_path, monkeypatch):
    """There both may make it; the last one's stays. A folder stands for the bucket."""
    for module in (lock, lock_file):
        monkeypatch.setattr(module, "in_bucket", lambda _: True)
    monkeypatch.setattr(lock, "SETTLE", 0.5)
    monkeypatch.setattr(lock, "WATCH", 0.5)
    path, both, held = epath.Path(tmp_path / "lock.json"), threading.Barrier(2), []
    real = lock_file.write_whole

    def together(*arguments) -> None:
        both.wait(5)
        real(path.parent / f"{threading.get_ident()}", arguments[1])
        (path.parent / f"{threading.get_ident()}").replace(path)

    monkeypatch.setattr(lock_file, "write_whole", together)

    def take() -> None:
        try:
            with Lock(path) as own:
                held.append(own)
                time.sleep(1)
        except LockError:
            pass

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1


def test_a_lock_that_is_missing_for_a_moment_is_not_stale(tmp_path, monkeypatch):
    """As where a rename comes late: the old file is gone before the new one is there."""
    path = tmp_path / "lock.json"
    written(path, home="elsewhere")
    monkeypatch.setattr(lock, "WATCH", 2.0)
    steps = iter([lambda: path.rename(tmp_path / "late"), lambda: None,
                  lambda: written(path, home="elsewhere", beat=2)])  # fmt: skip
    monkeypatch.setattr(lock.time, "sleep", lambda _: next(steps)())
    with pytest.raises(LockError, match="is in use by"), Lock(epath.Path(path)):
        pass
    assert json.loads(path.read_text())["beat"] == 2


def test_a_lock_that_cannot_be_read_but_changes_is_not_stale(tmp_path, monkeypatch):
    path = tmp_path / "lock.json"
    path.write_text("?")
    monkeypatch.setattr(lock, "WATCH", 2.0)
    monkeypatch.setattr(lock.time, "sleep", lambda _: os.utime(path, (5, 5)))
    with pytest.raises(LockError, match="is in use by"), Lock(epath.Path(path)):
        pass
    assert path.read_text() == "?"


def test_an_owner_never_writes_over_the_lock_of_another(tmp_path):
    path = epath.Path(tmp_path / "lock.json")
    theirs = written(tmp_path / "lock.json")
    ours = {**theirs, "token": "ours", "beat": 7}
    assert lock_file.renew(path, ours) == theirs
    assert json.loads(path.read_text()) == theirs
    path.unlink()
    assert lock_file.renew(path, ours) == {}
    assert not path.exists()


def test_a_beat_changes_the_file_in_its_place(tmp_path, monkeypatch):
    """So it is never missing, and a full disk has room for it."""
    monkeypatch.setattr(lock, "BEAT", 0.02)
    path = tmp_path / "lock.json"
    with Lock(epath.Path(path)) as held:
        number = path.stat().st_ino
        end = time.monotonic() + 20
        while held.record["beat"] < 12 and time.monotonic() < end:
            time.sleep(0.05)
        assert held.record["beat"] >= 12
        assert json.loads(path.read_text())["beat"] >= 11
        assert path.stat().st_ino == number
        assert list(tmp_path.iterdir()) == [path]
        held.check()


def test_clocks_that_jump_change_nothing(tmp_path, monkeypatch):
    jumps = iter(range(10**9, 0, -1000))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    monkeypatch.setattr(lock, "BEAT", 0.1)
    path = tmp_path / "lock.json"
    with Lock(epath.Path(path)) as held:
        time.sleep(0.5)
        os.utime(path, (2e9, 2e9))
        time.sleep(0.5)
        held.check()
        with pytest.raises(LockError), Lock(epath.Path(path)):
            pass


def test_who_slept_looks_before_going_on(tmp_path):
    """The thread that keeps the lock fresh slept too, and may come to it ten seconds later."""
    path = tmp_path / "lock.json"
    with Lock(epath.Path(path)) as ours:
        written(path, host="b", pid=2)
        ours.check()
        ours._renewed -= 3 * lock.BEAT
        with pytest.raises(LockError, match="held by process 2 on b"):
            ours.check()
    assert json.loads(path.read_text())["token"] == "theirs"


def test_a_lock_that_cannot_be_written_is_not_left_half_made(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lock_file.os, "write", full)
    with pytest.raises(OSError, match=r"No space left on device.*lock\.json"):
        Lock(epath.Path(tmp_path / "lock.json")).__enter__()
    assert not (tmp_path / "lock.json").exists()


def beside(path: Path, monkeypatch, steps: list[str]) -> None:
    """Let something happen to a lock at each look of the one who watches it."""
    late = path.with_name("late")
    happen = {
        "goes": lambda: path.rename(late),
        "stays": lambda: None,
        "comes": lambda: late.rename(path),
        "beats": lambda: written(path, home="elsewhere", beat=2),
    }
    left = iter(steps)
    monkeypatch.setattr(lock.time, "sleep", lambda _: happen[next(left)]())


def test_a_lock_may_be_missing_twice_in_a_row_and_again_later(tmp_path, monkeypatch):
    path = tmp_path / "lock.json"
    written(path, home="elsewhere")
    steps = ["goes", "stays", "comes", "goes", "stays", "beats"]
    beside(path, monkeypatch, steps)
    with pytest.raises(LockError, match="is in use by"), Lock(epath.Path(path)):
        pass


def test_a_lock_that_is_missing_three_times_in_a_row_is_gone(tmp_path, monkeypatch):
    path = tmp_path / "lock.json"
    written(path, home="elsewhere")
    beside(path, monkeypatch, ["goes", "stays", "stays"])
    with Lock(epath.Path(path)) as held:
        assert json.loads(path.read_text())["token"] == held.record["token"]


def test_an_owner_who_misses_its_file_for_half_a_beat_has_lost_it(tmp_path, monkeypatch):
    clock, path = [100.0], epath.Path(tmp_path / "lock.json")
    monkeypatch.setattr(lock, "_now", lambda: clock[0])
    with Lock(path) as held:
        for seconds, there, lost in (
            (0, False, False),
            (lock.BEAT / 2, False, False),
            (0, True, False),
            (1, False, False),
            (lock.BEAT / 2, False, False),
            (0.1, False, True),
        ):
            clock[0] += seconds
            (written(path, **held.record) if there else path.unlink(missing_ok=True))
            assert held._renew() == there
            assert bool(held.lost) == lost
        with pytest.raises(LockError, match=r"lock\.json is gone; stopped"):
            held.check()


@pytest.mark.parametrize(("watch", "pause"), [(25.0, 1.0), (2.0, 0.2)])
def test_a_lock_is_looked_at_ten_times_or_every_second(watch, pause, tmp_path, monkeypatch):
    path, slept = tmp_path / "lock.json", []
    written(path, home="elsewhere")
    monkeypatch.setattr(lock, "WATCH", watch)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        path.unlink(missing_ok=True)

    monkeypatch.setattr(lock.time, "sleep", sleep)
    said = []
    with Lock(epath.Path(path), said.append):
        assert slept == [pause] * 3
    assert said[0].endswith(f"is there: watching it for {watch:g} s")
