"""The file of a lock, by itself: looked at, made, renewed and removed."""

import errno
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from etils import epath

from transfer_jax.folder import lock_file, whereabouts
from transfer_jax.folder.lock import Lock, LockError, holder
from transfer_jax.folder.lock_file import Look, look, make, remove, renew
from transfer_jax.folder.whereabouts import fate, this_process

OURS = {"token": "ours", "beat": 1}


@pytest.fixture
def path(tmp_path) -> epath.Path:
    return epath.Path(tmp_path) / "lock.json"


@pytest.fixture
def bucket(monkeypatch):
    """A folder stands for a bucket."""
    monkeypatch.setattr(lock_file, "in_bucket", lambda _: True)


def test_a_look_tells_what_it_says_and_when_it_changed(path):
    assert look(path) is None
    path.write_text(json.dumps(OURS))
    os.utime(path, ns=(5, 1_700_000_000_123_456_789))
    assert look(path) == Look(OURS, 1_700_000_000_123_456_789)
    path.write_text("[")
    os.utime(path, ns=(5, 7_000_000_000))
    assert look(path) == Look({}, 7_000_000_000)


def test_in_a_bucket_no_time_is_told(path, bucket):
    assert look(path) is None
    path.write_text(json.dumps(OURS))
    assert look(path) == Look(OURS, 0)


def test_a_lock_is_made_once(path):
    assert make(path, OURS)
    assert json.loads(path.read_text()) == OURS
    assert path.stat().mode & 0o111 == 0
    assert not make(path, {"token": "theirs"})
    assert json.loads(path.read_text()) == OURS
    with pytest.raises(FileNotFoundError):
        make(path.parent / "none" / "lock.json", OURS)


def test_in_a_bucket_it_is_made_where_none_is(path, bucket):
    assert make(path, OURS) and not make(path, {"token": "theirs"})
    assert json.loads(path.read_text()) == OURS


def test_what_cannot_be_written_leaves_no_lock(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lock_file.os, "write", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        make(path, OURS)
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(path))
    assert not path.exists()
    monkeypatch.undo()
    assert make(path, OURS)


@pytest.mark.parametrize("where", ["disk", "bucket"])
def test_ones_own_lock_is_renewed_and_told_as_it_was(where, path, request):
    if where == "bucket":
        request.getfixturevalue("bucket")
    assert renew(path, OURS) == {} and not path.exists()
    path.write_text(json.dumps(OURS))
    later = {**OURS, "beat": 2}
    assert renew(path, later) == OURS
    assert json.loads(path.read_text()) == later
    theirs = {"token": "theirs", "beat": 9}
    path.write_text(json.dumps(theirs))
    assert renew(path, later) == theirs
    assert json.loads(path.read_text()) == theirs


@pytest.mark.parametrize("text", ["", "[1]", "{", "3"])
def test_what_is_no_record_is_left_alone(text, path):
    path.write_text(text)
    assert renew(path, OURS) == {}
    assert path.read_text() == text


def test_in_a_bucket_that_does_not_answer_a_lock_is_still_told(path, bucket, monkeypatch):
    path.write_text(json.dumps(OURS))

    def refuse(*_):
        raise OSError("no answer")

    monkeypatch.setattr(lock_file, "write_whole", refuse)
    assert renew(path, {**OURS, "beat": 2}) == OURS


def test_a_lock_is_removed_as_it_was_found_or_not_at_all(path):
    path.write_text(json.dumps(OURS))
    found = look(path)
    os.utime(path, ns=(5, 5))
    assert not remove(path, found) and path.exists()
    assert remove(path, look(path)) and not path.exists()
    assert not remove(path, found)


def test_in_a_bucket_too(path, bucket):
    path.write_text(json.dumps(OURS))
    assert not remove(path, Look({"token": "theirs"}, 0)) and path.exists()
    assert remove(path, Look(OURS, 0)) and not path.exists()


def test_only_one_process_removes_at_a_time(path, monkeypatch):
    """The folder is held while a lock is compared and removed, and let go afterwards."""
    path.write_text(json.dumps(OURS))
    real, held = lock_file.look, []

    def looking(where):
        other = os.open(path.parent, os.O_RDONLY)
        try:
            lock_file.fcntl.flock(other, lock_file.fcntl.LOCK_EX | lock_file.fcntl.LOCK_NB)
        except BlockingIOError:
            held.append(True)
        finally:
            os.close(other)
        return real(where)

    found = real(path)
    monkeypatch.setattr(lock_file, "look", looking)
    assert remove(path, found) and held == [True]
    looking(path)
    assert held == [True]


def test_who_holds_a_lock_is_told_unless_it_is_gone(path):
    me = this_process()
    assert holder(path) == ""
    for record, told in (
        (me, f"process {os.getpid()} on {me['host']}"),
        ({**me, "began": "1"}, ""),
        ({**me, "home": "elsewhere", "pid": 7}, f"process 7 on {me['host']}"),
        ({"token": "x"}, "process ? on ?"),
    ):
        path.write_text(json.dumps(record))
        assert holder(path) == told
    path.write_text("{")
    assert holder(path) == ""


def test_a_lock_says_who_holds_it_and_goes_with_it(path):
    with Lock(path) as held:
        found = json.loads(path.read_text())
        me = this_process()
        assert found == held.record == {**me, "token": found["token"], "beat": 0}
        assert len(found["token"]) == 32 and held.lost == ""
        message = (
            f"^{path.parent} is in use by process {os.getpid()} on {me['host']}; wait for it, "
            "stop it, or choose another --workdir$"
        )
        with pytest.raises(LockError, match=message), Lock(path):
            pass
        held.check()
    assert not path.exists()


def test_the_lock_of_another_is_not_removed_at_the_end(path):
    with Lock(path):
        path.write_text(json.dumps({"token": "theirs"}))
    assert json.loads(path.read_text()) == {"token": "theirs"}


def test_the_lock_of_who_is_gone_is_taken_over_and_said(path):
    path.write_text(json.dumps({**this_process(), "began": "1", "pid": os.getpid()}))
    said = []
    with Lock(path, said.append) as held:
        assert json.loads(path.read_text())["token"] == held.record["token"]
    who = f"process {os.getpid()} on {this_process()['host']}"
    assert said == [f"{who} is gone; its lock is taken over"]


def test_a_process_is_known_by_when_it_began():
    """By the 22nd field of its line in /proc, counted from 1."""
    me = this_process()
    fields = (epath.Path("/proc/self/stat").read_text().rpartition(")")[2]).split()
    assert me["began"] == fields[22 - 3]
    assert me["pid"] == os.getpid() and me["host"] == os.uname().nodename
    boot = epath.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert me["home"].split()[:2] == [boot, str(Path("/proc/self/ns/pid").readlink())]
    assert fate({**me, "pid": 2**22 + 1}) == "gone"
    assert fate({**me, "pid": 2**70}) == "gone"
    assert fate({**me, "pid": 0}) == "unknown" and fate({**me, "pid": True}) != "alive"
    assert whereabouts._began("no-such-process") == ""


def test_of_another_users_process_it_is_known_whether_it_is_there(monkeypatch):
    def forbidden(*_):
        raise PermissionError

    monkeypatch.setattr(whereabouts.os, "kill", forbidden)
    assert fate(this_process()) == "alive"
    assert fate({**this_process(), "began": "1"}) == "gone"


def test_a_name_with_brackets_hides_nothing(tmp_path):
    """The line of a process holds its name in brackets, as it is."""
    program = tmp_path / "a) Z 1"
    program.write_bytes(Path(shutil.which("sleep") or "/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program, "60"]) as child:
        line = Path(f"/proc/{child.pid}/stat")
        until = time.monotonic() + 10
        while "a) Z 1" not in line.read_text() and time.monotonic() < until:
            time.sleep(0.01)
        began = line.read_text().rsplit(") ", 1)[1].split()[22 - 3]
        assert whereabouts._began(str(child.pid)) == began
        assert fate({**this_process(), "pid": child.pid, "began": began}) == "alive"
        child.kill()
