"""Several processes that train one grid together."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
from jax.experimental import multihost_utils


def is_first() -> bool:
    """Whether this process is the one that writes results.

    Returns:
      True for process 0, and where there is only one.
    """
    return jax.process_index() == 0


@contextmanager
def all_meet(name: str) -> Iterator[bool]:
    """Work at whose end all processes wait for each other; what the first alone does is in it.

    Args:
      name: what is waited for; the same on all processes.

    Yields:
      Whether this process is the first, which writes.

    Returns:
      A context; who fails in it does not wait.

    Example:
      >>> with all_meet("the folder") as first:
      ...     print(first)
      True
    """
    yield is_first()
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def agree(*values: int) -> tuple[int, ...]:
    """The largest that any process says, of each value; all processes call this together.

    Args:
      values: whole numbers from 0, or truths.

    Returns:
      The same on all processes.

    Example:
      >>> agree(0, True)
      (0, 1)
    """
    if jax.process_count() == 1:
        return tuple(int(value) for value in values)
    said = multihost_utils.process_allgather(np.asarray(values, np.int32))
    return tuple(int(value) for value in np.max(said, axis=0))
