"""Several processes that train one grid together."""

import itertools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from transfer_jax.engine.peers import ROOT, store

# How soon a process that waits hears that the first one is done, or tells it of a signal.
LOOK = 0.1
# How long process 0 may take to find something; one that is gone ends the others before.
HOUR = 3_600_000
_calls = itertools.count()


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


def said_by_first(find: Callable[[], Any]) -> Any:
    """What process 0 finds, in all processes; all of them call this together.

    For what is decided by what lies on disk: a disk that several machines share may show each of
    them something else, and a name that was once missing stays so for a while.

    Args:
      find: what process 0 alone does; it gives what JSON holds.

    Returns:
      What it gave, as JSON has it: lists for tuples.

    Raises:
      ValueError: what process 0 could not do, in all processes.

    Example:
      >>> said_by_first(lambda: (True, "a"))
      [True, 'a']
    """
    if jax.process_count() == 1:
        return json.loads(json.dumps(find()))
    key = f"{ROOT}/found/{next(_calls)}"
    if is_first():
        try:
            store().key_value_set(key, json.dumps({"found": find()}))
        except (ValueError, OSError) as error:
            store().key_value_set(key, json.dumps({"error": str(error)}))
            raise
    said = json.loads(store().blocking_key_value_get(key, HOUR))
    if "error" in said:
        raise ValueError(said["error"])
    return said["found"]


def first_alone(work: Callable[[], None], asked: Callable[[], int]) -> int:
    """Have process 0 do something; the others wait, and hear of signals meanwhile.

    While a process waits in compiled code, no signal is seen, and none is told to the others. All
    processes call this together.

    Args:
      work: what process 0 does; it breaks off by an error with a `signal` where `asked_of_any`.
      asked: the number of the signal that this process was asked to stop by, or 0.

    Returns:
      The signal that process 0 broke off for; 0 where it did its work.

    Example:
      >>> first_alone(lambda: print("working"), lambda: 0)
      working
      0
    """
    if jax.process_count() == 1:
        work()
        return 0
    ended = f"{ROOT}/alone/{next(_calls)}"
    if not is_first():
        return _wait_for_first(ended, asked)
    try:
        work()
    except BaseException as error:
        if number := getattr(error, "signal", 0):
            store().key_value_set(f"{ended}/0", str(number))
        raise
    store().key_value_set(f"{ended}/0", "0")
    return 0


def _wait_for_first(ended: str, asked: Callable[[], int]) -> int:
    told = 0
    while not (said := store().key_value_dir_get(f"{ended}/")):
        if (number := asked()) and not told:
            store().key_value_set(f"{ROOT}/asked/{jax.process_index()}", str(number))
            told = number
        time.sleep(LOOK)
    return int(said[0][1])


def asked_of_any(own: int) -> int:
    """Whether any process was asked to stop, while the others wait for process 0.

    Args:
      own: the number of the signal that process 0 was asked to stop by, or 0.

    Returns:
      That of any; 0 where none was.
    """
    if own or jax.process_count() == 1:
        return own
    return max((int(text) for _, text in store().key_value_dir_get(f"{ROOT}/asked/")), default=0)
