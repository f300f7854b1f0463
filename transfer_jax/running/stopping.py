"""Signals that stop a run: it stops at its next pause, after a checkpoint, within a grace time."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# A scheduler signals the whole group and a launcher passes it on: that is one request.
SAME = 0.5
# What a second request leaves for tidying up.
AT_ONCE = 5.0
# What last words may take beyond the end.
LAST = 1.0


class Stopped(BaseException):
    """A run that was asked to stop, and did; like Ctrl-C, no error that a library might handle.

    Attributes:
      signal: the number of the signal.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.signal = number


class StopRequest:
    """Whether the process was asked to stop; without `listen` it never is.

    A second signal, or the end of the grace time, ends the process at once: what is on disk then
    is what the run goes on from. A signal that was ignored before, as by `nohup`, still is.

    Args:
      grace: seconds from the signal to the end at the latest.

    Attributes:
      last_words: lines that are said where the process is ended at once, in another thread than
        the main one: what is known until then.
    """

    def __init__(self, grace: float = 25.0) -> None:
        self.grace = grace
        self.last_words: Callable[[], Iterable[str]] = tuple
        self.signal = 0
        self._heard_at = float("inf")
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Listen, in the main thread."""
        self._heard, self._written = socket.socketpair()
        self._written.setblocking(False)
        # A handler in Python waits for compiled code to return; a byte in a socket does not.
        self._previous_fd = signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._handle)
        self._watch = threading.Thread(target=self._watch_grace, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # pyright: ignore
        signal.set_wakeup_fd(self._previous_fd)
        self._written.close()
        self._watch.join()
        self._heard.close()

    def _handle(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if not self.signal:
            self.signal, self._heard_at = number, now
            name = signal.Signals(number).name
            _say(f"\n{name}: stopping after a checkpoint; once more stops at once")
        elif now - self._heard_at > SAME:
            raise Stopped(number, "stopped at once")

    def _watch_grace(self) -> None:
        """End the process where the main thread does not come to it."""
        if not (number := self._hear(None)):
            return
        asked = time.monotonic()
        ends, why = asked + self.grace, f"no pause within {self.grace:g} s"
        try:
            while again := self._hear(ends):
                if time.monotonic() - asked > SAME:
                    ends, why = min(ends, time.monotonic() + AT_ONCE), "asked twice"
                    number = again
        except TimeoutError:
            name = signal.Signals(number).name
            _say(f"{name}: {why}; stopped; the same command goes on from the last checkpoint")
            try:
                # Not here: who reads files for them must not keep the process from its end.
                speaker = threading.Thread(target=self._say_last_words, daemon=True)
                speaker.start()
                speaker.join(LAST)
            finally:
                os._exit(128 + number)

    def _say_last_words(self) -> None:
        try:
            for line in self.last_words():
                _say(line)
        except (ValueError, OSError) as error:
            _say(f"What is known so far cannot be read: {error}")

    def _hear(self, until: float | None) -> int:
        """The next signal that stops; 0 where none is to come."""
        while True:
            left = None if until is None else max(until - time.monotonic(), 1e-6)
            self._heard.settimeout(left)
            received = self._heard.recv(1)
            if not received or received[0] in SIGNALS:
                return received[0] if received else 0


def _say(line: str) -> None:
    """Not by print: a signal may come in the middle of one, and its reader may be gone."""
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode())
