"""One run a folder: a lock that its owner keeps fresh, and that is recognised when it is stale."""

import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Self

from etils import epath

from transfer_jax.folder.lock_file import Look, look, make, remove, renew
from transfer_jax.folder.places import in_bucket
from transfer_jax.folder.whereabouts import fate, this_process
from transfer_jax.folder.whole_file import read_json

BEAT = 10.0
WATCH = 2.5 * BEAT
# Two that take over the same stale lock at once have both written theirs within this time.
SETTLE = 1.0
# A file is gone if it is missing so often in a row: network file systems fail now and then.
MISSING = 3


class LockError(ValueError):
    """A folder that another process is using."""


class Lock:
    """Held while a run is trained. Its file says who holds it, and changes every ten seconds.

    A process that can be looked up is looked up. Of any other, as of another machine or another
    container, a file that does not change for 25 s is stale; no clock is compared with another's.

    Args:
      path: the file.
      say: called with a line about what is going on.
    """

    def __init__(self, path: epath.Path, say: Callable[[str], None] = lambda _: None) -> None:
        self.path, self.say = path, say
        self.record = {**this_process(), "token": uuid.uuid4().hex, "beat": 0}
        self.lost = ""
        self._renewed, self._missing_since = _now(), float("inf")
        self._renewing = threading.Lock()
        self._end = threading.Event()

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
          LockError: another process holds it; which one is said.
        """
        # In a bucket two may make it at once.
        contested = in_bucket(self.path)
        while not self._take(contested):
            contested |= self._is_stale()
        self._renewed = _now()
        self._beats = threading.Thread(target=self._keep_fresh, daemon=True)
        self._beats.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._beats.join()
        if self._is_ours(read_json(self.path)):
            self.path.unlink(missing_ok=True)

    def check(self) -> None:
        """See whether the lock is still ours.

        Raises:
          LockError: it is gone, or another process took it while this one slept.
        """
        # The thread that keeps it fresh slept too, with the machine or in a stopped process.
        while not self.lost and _now() - self._renewed > 2 * BEAT:
            if not self._renew():
                time.sleep(BEAT / 10)
        if self.lost:
            raise LockError(self.lost)

    def _take(self, contested: bool) -> bool:
        if not make(self.path, self.record):
            return False
        if contested:
            time.sleep(SETTLE)
            return self._is_ours(read_json(self.path))
        return True

    def _is_ours(self, found: dict[str, Any]) -> bool:
        return found.get("token") == self.record["token"]

    def _is_stale(self) -> bool:
        """Whether a lock was there, and was removed since its owner is gone."""
        found = look(self.path)
        if found is None:
            return False
        who = _who(found.record)
        known = fate(found.record)
        if known == "unknown":
            self.say(f"the lock of {who} is there: watching it for {WATCH:g} s")
        if known == "alive" or (known == "unknown" and self._changes(found)):
            now = look(self.path) or found
            raise LockError(
                f"{self.path.parent} is in use by {_who(now.record)}; wait for it, stop it, or "
                "choose another --workdir"
            )
        if removed := remove(self.path, found):
            self.say(f"{who} is gone; its lock is taken over")
        return removed

    def _changes(self, found: Look) -> bool:
        end, missing = time.monotonic() + WATCH, 0
        while time.monotonic() < end and missing < MISSING:
            time.sleep(min(1.0, WATCH / 10))
            now = look(self.path)
            if now is not None and now != found:
                return True
            missing = missing + 1 if now is None else 0
        return False

    def _keep_fresh(self) -> None:
        while not self.lost and not self._end.wait(BEAT):
            self._renew()

    def _renew(self) -> bool:
        """Whether the file could be read; it is lost if another's, or if missing for a while."""
        with self._renewing:
            self.record["beat"] += 1
            held, now = renew(self.path, self.record), _now()
            self._missing_since = float("inf") if held else min(self._missing_since, now)
            if held and not self._is_ours(held):
                self.lost = f"{self.path} is held by {_who(held)}; stopped"
            elif now - self._missing_since > BEAT / 2:
                self.lost = f"{self.path} is gone; stopped"
            elif held:
                self._renewed = now
            return bool(held)


def holder(path: epath.Path) -> str:
    """Who holds a lock, as far as its file says.

    Args:
      path: the file.

    Returns:
      `process 12 on host`; empty where nobody does, or a process that is known to be gone.
    """
    found = read_json(path)
    return "" if not found or fate(found) == "gone" else _who(found)


def _who(record: dict[str, Any]) -> str:
    return f"process {record.get('pid', '?')} on {record.get('host', '?')}"


def _now() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
