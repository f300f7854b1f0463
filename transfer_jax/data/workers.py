"""Reading workers leave signals to the process that they read for, and nothing is left of them."""

import contextlib
import multiprocessing
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing import connection, resource_tracker, shared_memory, synchronize, util

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
        with _semaphores_told_first():
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


@contextlib.contextmanager
def _semaphores_told_first() -> Iterator[None]:
    usual = synchronize.SemLock.__dict__["_make_name"]
    first = staticmethod(partial(_told_first, "/mp-", "semaphore"))
    try:
        setattr(synchronize.SemLock, "_make_name", first)  # noqa: B010
        yield
    finally:
        setattr(synchronize.SemLock, "_make_name", usual)  # noqa: B010


def _tell_memory_first() -> None:
    first = partial(_told_first, "/psm_", "shared_memory")
    setattr(shared_memory, "_make_filename", first)  # noqa: B010


def _told_first(prefix: str, kind: str) -> str:
    """A name that the tracker knows before there is anything of that name.

    Python tells it afterwards: whoever is killed in between leaves a file that nobody frees. A
    name that is told twice, or that there is nothing of in the end, does no harm.
    """
    # So long that it is never another process's, whose memory would be freed with ours.
    name = prefix + secrets.token_hex(12)
    resource_tracker.register(name, kind)
    return name


def end_with_parent(_index: int, _count: int) -> None:
    """Begin a worker: it ends when its parent does, in whatever way, and nothing is left of it.

    Args:
      _index: its number among the workers.
      _count: how many there are.
    """
    _tell_memory_first()
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
