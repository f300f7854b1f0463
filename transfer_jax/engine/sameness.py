"""Whether all processes of a run are about the same: what each says is compared before any work."""

import hashlib
import itertools
import json
from collections.abc import Mapping

from jax._src import distributed

from transfer_jax.engine.cluster import ClusterError
from transfer_jax.engine.peers import ROOT, store

# The longest that a process may take until it says what it is about: it may read its data first.
MINUTES = 30
SHOWN, LETTERS = 8, 60
_calls = itertools.count()


def check_same(own: Mapping[str, object]) -> None:
    """Compare something of all processes; all call this together.

    Args:
      own: fields and their values, as this process has them.

    Raises:
      ClusterError: processes differ; raised in each of them.
    """
    if store() is None:
        return
    held = gather({name: str(value) for name, value in own.items()})
    if odd := differences_between(held):
        raise ClusterError(f"the processes of a run must be alike: {'; '.join(odd)}")


def gather(own: Mapping[str, str]) -> dict[int, dict[str, str]]:
    """What all processes say; all call this together.

    Args:
      own: what this one says.

    Returns:
      The number of each process to what it says.
    """
    folder = f"{ROOT}/said/{next(_calls)}"
    store().key_value_set(f"{folder}/{distributed.global_state.process_id}", json.dumps(own))
    store().wait_at_barrier(f"{folder} is said", MINUTES * 60_000)
    said = store().key_value_dir_get(f"{folder}/")
    return {int(name.rpartition("/")[2]): json.loads(text) for name, text in said}


def differences_between(held: Mapping[int, Mapping[str, str]]) -> list[str]:
    """In what processes differ.

    Args:
      held: the number of each process to its fields.

    Returns:
      A phrase for each field.

    Example:
      >>> differences_between({0: {"steps": "5", "seeds": "1"}, 1: {"steps": "6", "seeds": "1"}})
      ['steps is 5 in process 0, 6 in process 1']
    """
    fields = dict.fromkeys(name for said in held.values() for name in said)
    found = [_difference(name, held) for name in fields]
    odd = [phrase for phrase in found if phrase]
    return odd[:SHOWN] + ([f"{len(odd) - SHOWN} more fields differ"] if len(odd) > SHOWN else [])


def _difference(name: str, held: Mapping[int, Mapping[str, str]]) -> str:
    """A field's values and the processes that have each; empty where all have one."""
    having: dict[str, list[int]] = {}
    for process, said in sorted(held.items()):
        having.setdefault(said.get(name, "absent"), []).append(process)
    if len(having) == 1:
        return ""
    told = [f"{_short(value)} in {_named(processes)}" for value, processes in having.items()]
    return f"{name} is {', '.join(told)}"


def _named(processes: list[int]) -> str:
    listed = ", ".join(map(str, processes[:SHOWN]))
    more = f" and {len(processes) - SHOWN} more" if len(processes) > SHOWN else ""
    return f"process{'es' if len(processes) > 1 else ''} {listed}{more}"


def _short(value: str) -> str:
    """What fits a line; long values that begin alike still differ."""
    if len(value) <= LETTERS:
        return value
    return f"{value[:LETTERS]}... ({hashlib.sha256(value.encode()).hexdigest()[:8]})"
