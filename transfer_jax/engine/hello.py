"""What a process says before it may join, and what is answered: one line of JSON each."""

import json
import os
import socket
import time
import uuid
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from transfer_jax.engine.cluster import ClusterError, Place

LONGEST = 1 << 16
# How long is waited at most before signals are handled.
LOOK = 0.2
# What speaks of itself is a process of this package.
GREETING = "transfer-jax"
# How soon process 0 says that it has heard, on a busy machine.
HEARD = 30.0
NOBODY = "what answers is no process 0 of transfer-jax"


@dataclass(frozen=True)
class Hello:
    """Who a process is, and of which run.

    Attributes:
      process: its number.
      processes: how many it was told there are.
      workdir: the run's folder, as this process was told it.
      real: the same from the root of its file system, links followed.
      who: its host and process id, for people.
      key: what no other process has.
      joins: whether it comes to join; or is one that has, with a connection of JAX.
    """

    process: int
    processes: int
    workdir: str
    real: str
    who: str
    key: str
    joins: bool = True

    @classmethod
    def of(cls, place: Place, workdir: str = "", real: str = "") -> Self:
        """What this process says.

        Args:
          place: where it stands.
          workdir: the run's folder, as it was told.
          real: the same, links followed.

        Returns:
          It.
        """
        who = f"process id {os.getpid()} on {socket.gethostname()}"
        return cls(place.process, place.processes, workdir, real, who, uuid.uuid4().hex)

    def same_run(self, other: Self) -> bool:
        """Whether both speak of one folder: `runs/a` and its whole path are one.

        Args:
          other: what the other says.

        Returns:
          Whether they do.
        """
        return self.workdir == other.workdir or self.real == other.real

    def joining(self) -> Self:
        """What it said when it came.

        Returns:
          It.
        """
        return replace(self, joins=True)


def read_hello(connection: socket.socket) -> Hello | None:
    """What another process says.

    Args:
      connection: to it.

    Returns:
      It; None where something else speaks.
    """
    said = receive(connection) or {}
    kinds = {field.name: field.type for field in fields(Hello)}
    if said.keys() != kinds.keys() or any(type(said[n]) is not kind for n, kind in kinds.items()):
        return None
    return Hello(**said)


def ask(connection: socket.socket, hello: Hello, seconds: float) -> None:
    """Ask process 0 to be let in, and wait until it does.

    Args:
      connection: to it.
      hello: who asks.
      seconds: how long to wait for its answer.

    Raises:
      ClusterError: it refuses, and says why; or it is no process 0.
      OSError: it does not answer.
    """
    connection.settimeout(seconds)
    send(connection, asdict(hello))
    if hello.joins:
        _be_heard(connection, min(seconds, HEARD))
    _wait_until_it_speaks(connection, seconds)
    if (answer := receive(connection)) is None:
        raise ClusterError(NOBODY)
    if refused := str(answer.get("refused", "")):
        raise ClusterError(refused)
    connection.settimeout(None)


def _be_heard(connection: socket.socket, seconds: float) -> None:
    """Process 0 says at once that it has heard; what it answers may come when all are there."""
    try:
        _wait_until_it_speaks(connection, seconds)
    except TimeoutError:
        raise ClusterError(f"what listens there says nothing in {seconds:g} s: {NOBODY}") from None
    if receive(connection) is None:
        raise ClusterError(NOBODY)


def _wait_until_it_speaks(connection: socket.socket, seconds: float) -> None:
    """Not in one long look: a signal is handled between two."""
    end = time.monotonic() + seconds
    while True:
        connection.settimeout(max(min(LOOK, end - time.monotonic()), 1e-3))
        try:
            connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            if time.monotonic() >= end:
                raise
        else:
            break
    connection.settimeout(seconds)


def send(connection: socket.socket, content: dict[str, Any]) -> None:
    """Say something.

    Args:
      connection: to whom.
      content: what.
    """
    connection.sendall(f"{json.dumps({GREETING: 1} | content)}\n".encode())


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """Hear one line, and nothing of what comes after it.

    Args:
      connection: from whom.

    Returns:
      What it says; None where it is no line of this package.

    Raises:
      ConnectionError: the other end is gone.
    """
    line = b""
    while not line.endswith(b"\n") and line[:1] in (b"", b"{") and len(line) < LONGEST:
        if not (letter := connection.recv(1)):
            raise ConnectionResetError("it went away")
        line += letter
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or said.pop(GREETING, None) != 1:
        return None
    return said
