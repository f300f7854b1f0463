"""The other processes of a run: each is heard of every second; one that is gone ends the others."""

import atexit
import os
import re
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import active_children, util
from types import TracebackType
from typing import Any, Self

from jax._src import distributed

from transfer_jax.engine.cluster import ClusterError, Place
from transfer_jax.engine.gate import Gate
from transfer_jax.engine.tunnel import Tunnel

BEAT = 1.0
# A process that has not been heard of for so long is gone.
SILENCE = 30.0
# How long a process may take to end by itself when another is gone.
GRACE = 10.0
# How long one that stops waits for the others to stop, too.
TOGETHER = 5.0
ROOT = "transfer_jax"
KEPT = "what is finished is kept, and the same command goes on"
# What libraries say where a neighbour is gone, in errors of several kinds.
LOST = re.compile(r"gloo|nccl|coordination|unavailable|deadline_exceeded|connection|aborted", re.I)


def store() -> Any:
    """The texts that all processes of a run share.

    Returns:
      JAX's client of them.
    """
    return distributed.global_state.client


class Peers:
    """Held while the processes of a run work together.

    Args:
      place: where this process stands.
      way: how it reaches the coordinator; the gate, for process 0, which is it.
    """

    def __init__(self, place: Place, way: Tunnel | Gate) -> None:
        self.place, self.way = place, way
        self.coordinates = place.process == 0
        self.reason = ""
        self.answered = time.monotonic()
        self.seen: dict[str, tuple[str, float]] = {}
        self._left, self._found = threading.Event(), threading.Event()

    def __enter__(self) -> Self:
        for work in (self._beat, self._watch):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Leave together with the others, or tell them why not.

        Raises:
          ClusterError: another process is gone.
        """
        if error is None:
            self._leave(3600)
            return
        # A stop is agreed on, so the others come here too; but for one that is asked for twice.
        stopped = kind is not None and kind.__name__ == "Stopped"
        if stopped:
            with suppress(ClusterError):
                self._leave(TOGETHER)
                return
        end_without_goodbye(128 + getattr(error, "signal", 0) if stopped else 1)
        if not stopped and LOST.search(str(error)) and self._found.wait(SILENCE + 5 * BEAT):
            raise ClusterError(self.reason) from None
        self._tell(f"process {self.place.process} ended: {' '.join(str(error).split())}")
        self._left.set()

    def _leave(self, seconds: float) -> None:
        try:
            store().wait_at_barrier(f"{ROOT}/left", int(1000 * seconds))
        except Exception as error:
            end_without_goodbye()
            self._found.wait(5 * BEAT)
            raise ClusterError(self.reason or f"the others did not end: {error}") from None
        self._left.set()
        distributed.shutdown()

    def _tell(self, reason: str) -> None:
        with suppress(Exception):  # There may be nobody left to tell.
            key = f"{ROOT}/ended/{self.place.process}"
            store().key_value_set(key, reason, allow_overwrite=True)
        if self.coordinates:
            time.sleep(3 * BEAT)  # The coordinator goes last, so that all can read it.

    def _beat(self) -> None:
        """Be heard of, and hear of the others; process 0 does so for all."""
        count = 0
        while not self._left.wait(BEAT) and not self.reason:
            count += 1
            try:
                mine = f"{ROOT}/beats/{self.place.process}"
                store().key_value_set(mine, str(count), allow_overwrite=True)
                ended = store().key_value_dir_get(f"{ROOT}/ended/")
                beats = store().key_value_dir_get(f"{ROOT}/beats/") if self.coordinates else []
            except Exception:
                continue  # `_watch` counts how long there was no answer.
            self.answered = time.monotonic()
            if ended:
                self._find(min(ended)[1])
            elif silent := self._silent(beats):
                self._lose(silent)

    def _silent(self, beats: list[tuple[str, str]]) -> str:
        """A process whose count has stood still for too long."""
        now = time.monotonic()
        for name, count in beats:
            if self.seen.get(name, ("", 0.0))[0] != count:
                self.seen[name] = (count, now)
        return next(
            (name.rpartition("/")[2] for name, (_, t) in self.seen.items() if now - t > SILENCE), ""
        )

    def _watch(self) -> None:
        """See whether the coordinator is there; end this process where it does not end itself."""
        while not self._found.wait(BEAT) and not self._left.is_set():
            # Who ended by an error has said so before it went.
            if self.way.gone.is_set() and not self._found.wait(2 * BEAT):
                self._lose(str(self.way.lost))
            if time.monotonic() - self.answered > SILENCE:
                self._find(
                    f"process 0 ({self.place.coordinator}) has not answered for {SILENCE:g} s"
                )
        if self._left.wait(GRACE):
            return
        print(f"transfer-jax: {self.reason}", file=sys.stderr, flush=True)
        end_now()

    def _lose(self, process: str) -> None:
        if self.coordinates:
            self._find(f"process {process} is gone")
            self._tell(f"process {process} is gone")
        else:
            self._find(f"process {process} ({self.place.coordinator}) is gone")

    def _find(self, reason: str) -> None:
        self.reason = self.reason or f"{reason}; {KEPT}"
        self._found.set()


def end_without_goodbye(status: int = 1) -> None:
    """At its end, this process waits for no other: JAX would, and abort where they are gone.

    Args:
      status: the exit status of this process.
    """
    atexit.register(end_now, status)


def end_now(status: int = 1) -> None:
    """End this process and those that it started.

    Args:
      status: its exit status.
    """
    try:
        for child in active_children():
            child.kill()
        util._run_finalizers(0)  # pyright: ignore
        sys.stdout.flush()
    finally:
        os._exit(status)
