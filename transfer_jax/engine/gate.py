"""Process 0's port: all who come say who they are, and only processes of this run reach JAX.

JAX's own coordinator believes whoever comes: a second process of one number, or one of another run,
aborts all that are there.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from transfer_jax.engine.cluster import ClusterError, Place
from transfer_jax.engine.hello import LOOK, Hello, read_hello, send
from transfer_jax.engine.tunnel import carry_both_ways, connect_soon

# Where one of another run was refused, it may be one of this run that was told another folder.
AFTER_STRANGERS = 30.0
# How long whoever comes may take to say who it is; and what is on its way, to arrive.
MOMENT, ARRIVING = 10.0, 2.0


class Gate:
    """Open for as long as the processes work together.

    Args:
      place: that of process 0.
      port: where the others come.
      own: what process 0 says of itself.

    Attributes:
      address: `host:port` at which JAX's coordinator is to listen, seen from this machine only.
      gone: set when a process that was let in has gone away.
      lost: the number of that process.

    Raises:
      OSError: the port is taken.
    """

    def __init__(self, place: Place, port: int, own: Hello) -> None:
        self.place, self.own = place, own
        self.gone, self.lost = threading.Event(), 0
        self._here = {own.process: own}
        self._fault, self._stranger, self._until = "", "", float("inf")
        self._complete = False
        self._changed = threading.Condition()
        self._sending: set[threading.Thread] = set()
        family = socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET
        self._entrance = socket.create_server(
            ("", port), family=family, backlog=1024, dualstack_ipv6=socket.has_ipv6
        )
        # Bound and not listened at: the port is JAX's, and nobody takes it in the meantime.
        self._inner = socket.socket()
        self._inner.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._inner.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._inner.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self, seconds: float) -> None:
        """Wait until all have come.

        Args:
          seconds: how long.

        Raises:
          ClusterError: not all came, or two do not belong together; they are told, too.
        """
        end = time.monotonic() + seconds
        with self._changed:
            while self._missing() and not self._fault:
                if (left := min(end, self._until) - time.monotonic()) <= 0:
                    self._fault = self._not_all(seconds)
                else:
                    # Not for long: a signal is handled between two looks.
                    self._changed.wait(min(left, LOOK))
            self._complete = not self._fault
            self._changed.notify_all()
        if self._fault:
            raise ClusterError(self._fault)

    def close(self) -> None:
        """Let nobody in any more, when all that is on its way has arrived."""
        with self._changed:
            self._fault = self._fault or "process 0 ended"
            self._changed.notify_all()
        self._entrance.shutdown(socket.SHUT_RDWR)
        self._entrance.close()
        end = time.monotonic() + ARRIVING
        for thread in list(self._sending):
            thread.join(max(0.0, end - time.monotonic()))
        self._inner.close()

    def _missing(self) -> list[int]:
        return [number for number in range(self.own.processes) if number not in self._here]

    def _not_all(self, seconds: float) -> str:
        missing = self._missing()
        named = ", ".join(map(str, missing[:8])) + (", ..." if len(missing) > 8 else "")
        within = f"within {seconds:g} s" if not self._stranger else f"({self._stranger})"
        return (
            f"process 0 waited for the others at {self.place.coordinator}: not all came {within}; "
            f"missing: process {named}"
        )

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._entrance.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # Whoever it was may go at any time.
            connection.settimeout(MOMENT)
            hello = read_hello(connection)
            if hello and hello.joins:
                send(connection, {"heard": 1})
                self._let_in(connection, hello)
            elif hello and self._complete and self._here.get(hello.process) == hello.joining():
                with self._arriving():
                    self._lead(connection)

    @contextmanager
    def _arriving(self) -> Iterator[None]:
        """What this thread does is waited for at the end."""
        this = threading.current_thread()
        self._sending.add(this)
        try:
            yield
        finally:
            self._sending.discard(this)

    def _let_in(self, connection: socket.socket, hello: Hello) -> None:
        """Answer when all have come; then watch whether it is there."""
        with self._arriving():
            if (refused := self._answer(connection, hello)) is None:
                return
            send(connection, {"refused": refused})
        connection.settimeout(None)
        if not refused and not connection.recv(1):
            self.lost = hello.process
            self.gone.set()

    def _answer(self, connection: socket.socket, hello: Hello) -> str | None:
        """Why a process is refused, or empty, when that is known; None where it goes before."""
        with self._changed:
            refused = self._refuse(hello)
            if not refused:
                self._here[hello.process] = hello
            self._changed.notify_all()
            while not (refused := refused or self._fault) and not self._complete:
                self._changed.wait(LOOK)
                if _has_gone(connection):
                    del self._here[hello.process]
                    return None
            return refused

    def _refuse(self, hello: Hello) -> str:
        """Why a process cannot join. Before all have come, what cannot be ends them all."""
        own, here = self.own, self._here.get(hello.process)
        if not own.same_run(hello):
            self._until = time.monotonic() + AFTER_STRANGERS
            self._stranger = f"one of another run was refused: {hello.who}, workdir {hello.real}"
            return (
                f"process 0 at {self.place.coordinator} is of another run: its workdir is "
                f"{own.real}, this one's is {hello.real}"
            )
        fault = ""
        if hello.processes != own.processes:
            fault = (
                f"processes is {own.processes} in process 0 ({own.who}), {hello.processes} in "
                f"process {hello.process} ({hello.who})"
            )
        elif here:
            fault = f"process is {hello.process} in two processes: {here.who}, {hello.who}"
        if not self._complete:
            self._fault = self._fault or fault
        return fault

    def _lead(self, connection: socket.socket) -> None:
        """To JAX's coordinator, which may listen a moment later."""
        inner = connect_soon(self._inner.getsockname(), MOMENT)
        send(connection, {"refused": ""})
        connection.settimeout(None)
        carry_both_ways(connection, inner)
        inner.close()


def _has_gone(connection: socket.socket) -> bool:
    """Whether the other end has closed; one that waits for an answer says nothing more."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(MOMENT)
    return True
