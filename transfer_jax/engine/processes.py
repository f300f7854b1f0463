"""Several processes that train one grid together."""

import jax
import numpy as np
from jax.experimental import multihost_utils


def is_first() -> bool:
    """Whether this process is the one that writes results.

    Returns:
      True for process 0, and where there is only one.
    """
    return jax.process_index() == 0


def wait_for_all(name: str) -> None:
    """Go on when every process has come here.

    Args:
      name: what is waited for; the same on all processes.
    """
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
