"""A connection to the coordinator that stays open at this end when the coordinator is gone.

Where its own connection closes, JAX's C++ aborts the process, and Python cannot say why. Behind a
tunnel it only waits, and what has happened is told in one line.
"""

import contextlib
import socket
import threading
import time
from dataclasses import replace

from transfer_jax.engine.cluster import ClusterError
from transfer_jax.engine.hello import Hello, ask

PIECE = 1 << 16
# How long process 0 may take to answer one that it knows.
MOMENT = 30.0


class Tunnel:
    """A port of this machine that leads to the coordinator.

    Args:
      address: host and port of process 0's gate.
      hello: what this process says there.

    Attributes:
      address: `host:port` of this end.
      gone: set when the other end has closed.
      lost: the number of the process there.
    """

    lost = 0

    def __init__(self, address: tuple[str, int], hello: Hello) -> None:
        self.far, self.hello = address, hello
        self.gone = threading.Event()
        self._presence: socket.socket | None = None
        self._entrance = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._entrance.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until all have come.

        Args:
          seconds: how long process 0 may take to be there, and then to have all.

        Raises:
          ClusterError: this process is refused, or not all came.
        """
        at = f"{self.far[0]}:{self.far[1]}"
        try:
            self._presence = connect_soon(self.far, seconds)
        except OSError as error:
            raise ClusterError(
                f"process 0 cannot be reached at {at} within {seconds:g} s: "
                f"{error.strerror or error}"
            ) from None
        try:
            ask(self._presence, self.hello, seconds)
        except ClusterError as refused:
            raise ClusterError(f"{at}: {refused}") from None
        except OSError as error:
            late = isinstance(error, TimeoutError)
            reason = f"not all came within {seconds:g} s" if late else "process 0 went away"
            raise ClusterError(
                f"process {self.hello.process} of {self.hello.processes} waited for the others "
                f"at {at}: {reason}"
            ) from None

    def close(self) -> None:
        """Go away, which process 0 sees."""
        self._entrance.close()
        if self._presence:
            self._presence.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._entrance.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._lead, args=(near,), daemon=True).start()

    def _lead(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self.far, timeout=5)
            ask(far, replace(self.hello, joins=False), MOMENT)
        except (OSError, ClusterError):
            self.gone.set()
        else:
            far.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            carry_both_ways(near, far)
            self.gone.set()
        threading.Event().wait()  # holds `near` open


def connect_soon(address: tuple[str, int], seconds: float) -> socket.socket:
    """Connect to what may listen a moment later.

    Args:
      address: host and port.
      seconds: how long to try.

    Returns:
      The connection.

    Raises:
      OSError: nobody listens there.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(address, timeout=5)
        except OSError:
            if (left := end - time.monotonic()) <= 0:
                raise
            time.sleep(min(0.2, left))


def carry_both_ways(near: socket.socket, far: socket.socket) -> None:
    """Carry what comes on two connections from each to the other, until the far one ends.

    Args:
      near: of this machine.
      far: of the other.
    """
    for end in (near, far):
        end.settimeout(None)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=_carry_all, args=(near, far), daemon=True).start()
    _carry(far, near)


def _carry_all(source: socket.socket, sink: socket.socket) -> None:
    """Carry what comes, and that it has ended."""
    _carry(source, sink)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _carry(source: socket.socket, sink: socket.socket) -> None:
    """Carry what comes until it ends."""
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
