"""Which process a record speaks of, and whether that process can be looked up from here."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

Fate = Literal["alive", "gone", "unknown"]

# Of these the number of a process and the time at which it began are told.
_SPACES = ("pid", "time")


def this_process() -> dict[str, Any]:
    """What tells this process from all others, on whatever machine and at whatever time.

    Returns:
      `host` and `pid`, for people; `home`, where numbers of processes mean the same, empty where
      that cannot be told; `began`, when it began, in ticks since its machine did.

    Example:
      >>> fate(this_process())
      'alive'
    """
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "home": _home(),
        "began": _began("self"),
    }


def fate(record: Mapping[str, Any]) -> Fate:
    """What became of a process.

    Two containers may have one host name, and the same number is another process in each.

    Args:
      record: what `this_process` said there.

    Returns:
      `unknown` where the process cannot be looked up: it is of another machine, another boot of
      this one, another container; or this system does not show it.

    Example:
      >>> fate(this_process() | {"home": "elsewhere"})
      'unknown'
      >>> fate(this_process() | {"began": "0"})
      'gone'
    """
    home, pid = record.get("home"), record.get("pid")
    if not home or home != _home() or not isinstance(pid, int) or pid < 1:
        return "unknown"
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return "gone"
    except PermissionError:
        pass  # another user's
    began = _began(str(pid))
    if not began:
        return "unknown"
    return "alive" if began == record.get("began") else "gone"


def _home() -> str:
    """The machine since its boot, and the namespaces of this process in it."""
    try:
        if str(Path("/proc/self").readlink()) != str(os.getpid()):
            return ""  # These are the processes of another namespace.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        links = [Path(f"/proc/self/ns/{kind}") for kind in _SPACES if _has_space(kind)]
        return " ".join([boot, *(str(link.readlink()) for link in links)])
    except OSError:
        return ""


def _has_space(kind: str) -> bool:
    # Kernels before 5.6 have one time for all; numbers of processes they all divide.
    return kind == "pid" or os.path.lexists(f"/proc/self/ns/{kind}")


def _began(pid: str) -> str:
    """When a process began; empty where this is not shown."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    # A zombie is a process that has ended and whose parent has not asked.
    return "ended" if state in "ZX" else rest[18]
