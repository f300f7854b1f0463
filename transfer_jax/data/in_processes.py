"""Parts of a dataset worked on in processes of their own."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from transfer_jax.data.manifest import RecordsError

Result = TypeVar("Result")


def in_processes(
    function: Callable[..., Result],
    calls: Sequence[tuple[Any, ...]],
    folder: Path,
    workers: int | None,
) -> Iterator[Result]:
    """The results of calls, as they come; the first error is told when all that began end.

    Args:
      function: what to call; of a module's top level.
      calls: its arguments.
      folder: where it writes, for errors.
      workers: processes; None for one a core; 0 for threads of this process, which need no script
        that can be run again.

    Returns:
      The results, in any order.

    Raises:
      RecordsError: a process was ended, or a file cannot be read or written.
    """
    count = min(workers or os.cpu_count() or 1, max(1, len(calls)))
    with _pool(count, threads=workers == 0) as pool:
        jobs = [pool.submit(function, *arguments) for arguments in calls]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BrokenProcessPool:
            raise RecordsError(
                "a worker process was ended, perhaps for want of memory; the same command goes on, "
                "with fewer --workers if it happens again"
            ) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise RecordsError(
                f"{error.filename or folder}: {reason}; finished parts are kept, the same command "
                "goes on"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _pool(count: int, *, threads: bool) -> Executor:
    if threads:
        return ThreadPoolExecutor(count)
    # A fresh interpreter: a fork of one that has started JAX may hang.
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))
