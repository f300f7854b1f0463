"""Reading workers leave signals to the process that they read for, and end with it."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import connection, resource_tracker, util

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Kept, since Python warns of a process that is forgotten while it runs.
_apart: list[subprocess.Popen[bytes]] = []


@contextlib.contextmanager
def signals_left_to_this_process() -> Iterator[None]:
    """Processes started in here never hear what stops a run.

    A scheduler, a container or a terminal signals a whole group. A worker that ended would take
    the batches with it that the run needs until its checkpoint. What is blocked here stays
    blocked in a new process, from its first instruction on; other threads of this one hear on.

    Returns:
      A context.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        _start_tracker()
        # Starting it has unblocked what it ignores.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_tracker() -> None:
    """Start the process that frees shared memory and semaphores when all others have ended.

    In a session of its own it is still there when the whole group is killed.
    """
    usual = util.spawnv_passfds
    util.spawnv_passfds = _spawn_apart
    try:
        resource_tracker.ensure_running()
    finally:
        util.spawnv_passfds = usual


def _spawn_apart(path: bytes, arguments: Sequence[str], files: Sequence[int]) -> int:
    # That a run which was stopped left something is no news.
    command = [arguments[0], "-Wignore::UserWarning", *arguments[1:]]
    _apart.append(
        subprocess.Popen(command, executable=path, pass_fds=files, start_new_session=True)
    )
    return _apart[-1].pid


def end_with_parent(_index: int, _count: int) -> None:
    """Begin a worker: it ends when its parent does, in whatever way.

    Args:
      _index: its number among the workers.
      _count: how many there are.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
