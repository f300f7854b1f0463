"""A connection to the coordinator that stays open at this end when the coordinator is gone.

Where its own connection closes, JAX's C++ aborts the process, and Python cannot say why. Behind a
tunnel it only waits, and what has happened is told in one line.
"""

import socket
import threading
import time

PIECE = 1 << 16


class Tunnel:
    """A port of this machine that leads to the coordinator.

    Args:
      host: the coordinator's machine.
      port: its port.

    Attributes:
      address: `host:port` of this end.
      gone: set when the other end has closed.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.gone = threading.Event()
        self.entrance = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.entrance.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def reach(self, seconds: float) -> str:
        """Wait until somebody listens at the other end.

        Args:
          seconds: how long at most.

        Returns:
          Why nobody does; empty where somebody does.
        """
        end = time.monotonic() + seconds
        while True:
            try:
                socket.create_connection((self.host, self.port), timeout=5).close()
            except OSError as error:
                if time.monotonic() >= end:
                    return error.strerror or str(error)
                time.sleep(min(1.0, max(0.0, end - time.monotonic())))
            else:
                return ""

    def _accept(self) -> None:
        while True:
            near, _ = self.entrance.accept()
            threading.Thread(target=self._lead, args=(near,), daemon=True).start()

    def _lead(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection((self.host, self.port), timeout=5)
        except OSError:
            self.gone.set()
            threading.Event().wait()  # holds `near` open
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        threading.Thread(target=_carry, args=(near, far), daemon=True).start()
        _carry(far, near)
        self.gone.set()
        threading.Event().wait()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    """Carry what comes until it ends."""
    try:
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    except OSError:
        return
