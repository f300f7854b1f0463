"""One run a folder: a lock that its owner keeps fresh, and that is recognised when it is stale."""

import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from etils import epath

from transfer_jax.places import in_bucket
from transfer_jax.whole_file import read_json, write_whole

BEAT = 10.0
WATCH = 2.5 * BEAT


class LockError(ValueError):
    """A folder that another process is using."""


class Lock:
    """Held while a run is trained. Its file says who holds it, and changes every ten seconds.

    On the owner's own machine its process is looked up. From another machine a file that does
    not change for 25 s is stale; no clock is compared with another's.

    Args:
      path: the file.
      say: called with a line about what is going on.
    """

    def __init__(self, path: epath.Path, say: Callable[[str], None] = lambda _: None) -> None:
        self.path, self.say = path, say
        self.record = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": _process(os.getpid()),
            "token": uuid.uuid4().hex,
            "beat": 0,
        }
        self.lost = ""
        self._end = threading.Event()

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
          LockError: another process holds it; which one is said.
        """
        while not self._take():
            self._look_at(read_json(self.path))
        self._beats = threading.Thread(target=self._keep_fresh, daemon=True)
        self._beats.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._beats.join()
        if read_json(self.path).get("token") == self.record["token"]:
            self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """See whether the lock is still ours.

        Raises:
          LockError: it is gone, or another process took it while this one slept.
        """
        if self.lost:
            raise LockError(self.lost)

    def _take(self) -> bool:
        with _one_at_a_time(self.path.parent):
            if self.path.exists():
                return False
            write_whole(self.path, json.dumps(self.record))
        return read_json(self.path).get("token") == self.record["token"]

    def _look_at(self, found: dict[str, Any]) -> None:
        """Return where the lock was stale, and is gone."""
        who = f"process {found.get('pid', '?')} on {found.get('host', '?')}"
        if self._is_alive(found, who):
            raise LockError(
                f"{self.path.parent} is in use by {who}; wait for it, stop it, or choose another "
                "--workdir"
            )
        with _one_at_a_time(self.path.parent):
            if read_json(self.path) == found:
                self.path.unlink(missing_ok=True)
                self.say(f"{who} is gone; its lock is taken over")

    def _is_alive(self, found: dict[str, Any], who: str) -> bool:
        if found.get("host") == self.record["host"] and "process" in found:
            return _process(found.get("pid", 0)) == found["process"]
        self.say(f"the lock of {who} is there: watching it for {WATCH:g} s")
        end = time.monotonic() + WATCH
        while time.monotonic() < end:
            time.sleep(min(1.0, WATCH / 10))
            if read_json(self.path) != found:
                return self.path.exists()
        return False

    def _keep_fresh(self) -> None:
        missing = 0
        while not self._end.wait(BEAT):
            held = read_json(self.path)
            missing = 0 if held else missing + 1
            if missing == 1:
                continue  # Network file systems fail now and then.
            if held.get("token") != self.record["token"]:
                who = f"process {held.get('pid')} on {held.get('host')}"
                self.lost = f"{self.path} is {f'held by {who}' if held else 'gone'}; stopped"
                return
            self.record["beat"] += 1
            try:
                write_whole(self.path, json.dumps(self.record))
            except OSError:
                continue  # A full disk is told of where results are written.


def holder(path: epath.Path) -> str:
    """Who holds a lock, as far as its file says.

    Args:
      path: the file.

    Returns:
      `process 12 on host`; empty where nobody does, or a process of this machine that is gone.
    """
    found = read_json(path)
    if not found:
        return ""
    here = found.get("host") == socket.gethostname()
    if here and _process(found.get("pid")) != found.get("process"):
        return ""
    return f"process {found.get('pid')} on {found.get('host')}"


def _process(pid: object) -> str:
    """What tells a process from a later one of the same number; empty if there is none."""
    if not isinstance(pid, int):
        return ""
    if not Path("/proc/self/stat").exists():
        return f"{pid}" if _exists(pid) else ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    # A zombie is a process that has ended and whose parent has not asked.
    return "" if state == "Z" else f"{boot} {rest[18]}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return True


@contextmanager
def _one_at_a_time(folder: epath.Path) -> Iterator[None]:
    """Processes of one machine come here one after the other."""
    if in_bucket(folder):
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
