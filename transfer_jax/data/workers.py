"""Reading workers leave signals to the process that they read for, and end with it."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from multiprocessing import connection, resource_tracker, shared_memory

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# More arrays than a worker has in memory at a time.
REMEMBERED = 50_000


@contextlib.contextmanager
def signals_left_to_this_process() -> Iterator[None]:
    """Processes started in here never hear what stops a run.

    A scheduler, a container or a terminal signals a whole group. A worker that ended would take
    the batches with it that the run needs until its checkpoint. What is blocked here stays
    blocked in a new process, from its first instruction on; other threads of this one hear on.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        # It frees shared memory that nobody else freed. Starting it unblocks what it ignores.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(_index: int, _count: int) -> None:
    """Begin a worker: however its parent ends, it ends too, and so does its shared memory.

    In a group of its own it is there to see to that when the whole group is killed.
    """
    os.setsid()
    made: deque[str] = deque(maxlen=REMEMBERED)
    register = resource_tracker.register

    def remember(name: str, kind: str) -> None:
        if kind == "shared_memory":
            made.append(name)
        register(name, kind)

    resource_tracker.register = remember
    threading.Thread(target=_wait_for_parent, args=(made,), daemon=True).start()


def _wait_for_parent(made: deque[str]) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    for name in list(made):
        # Most were freed when their batch had been used.
        with contextlib.suppress(OSError):
            shared_memory.SharedMemory(name.lstrip("/")).unlink()
    os._exit(1)
