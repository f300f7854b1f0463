"""SIGTERM and SIGINT: the run stops at its next pause, after a checkpoint, within a grace time."""

import os
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(Exception):
    """A run that was asked to stop, and did.

    Attributes:
      signal: the number of the signal.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.signal = number


class StopRequest:
    """Whether the process was asked to stop; without `listen` it never is.

    A second signal, or the end of the grace time, ends the process at once: what is on disk then
    is what the run goes on from.

    Args:
      grace: seconds from the signal to the end at the latest.
    """

    def __init__(self, grace: float = 25.0) -> None:
        self.grace = grace
        self.signal = 0
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        """Listen, in the main thread."""
        self._heard, self._written = socket.socketpair()
        self._written.setblocking(False)
        # A handler in Python waits for compiled code to return; a byte in a socket does not.
        self._previous_fd = signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
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
        if self.signal:
            raise Stopped(number, "stopped at once")
        self.signal = number
        name = signal.Signals(number).name
        # Not print: the signal may have come in the middle of one.
        text = f"\n{name}: stopping after a checkpoint; once more stops at once\n"
        os.write(sys.stderr.fileno(), text.encode())

    def _watch_grace(self) -> None:
        heard = 0
        while heard not in SIGNALS:
            received = self._heard.recv(1)
            if not received:
                return
            heard = received[0]
        self._heard.settimeout(self.grace)
        try:
            while self._heard.recv(1):
                pass
        except TimeoutError:
            print(
                f"{signal.Signals(heard).name}: no pause within {self.grace:g} s; stopped; "
                "the same command goes on from the last checkpoint",
                file=sys.stderr,
                flush=True,
            )
            os._exit(128 + heard)
