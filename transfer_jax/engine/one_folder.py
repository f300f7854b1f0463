"""Whether all processes see one folder: a path may name another disk on each machine."""

import os
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path

from etils import epath
from jax._src import distributed

from transfer_jax.engine.cluster import ClusterError
from transfer_jax.engine.peers import store
from transfer_jax.engine.sameness import gather
from transfer_jax.folder.places import in_bucket, local, real

# Network file systems show what another machine has made some seconds later.
SECONDS = 20.0
NAME = ".seen-by-all-"


def check_one_folder(folder: epath.Path) -> None:
    """Refuse to work in folders that have one name and are not one; all call this together.

    Buckets are the same everywhere.

    Args:
      folder: it is there in process 0.

    Raises:
      ClusterError: a process does not find there what process 0 writes; raised in each of them.
    """
    if store() is None:
        return
    first = distributed.global_state.process_id == 0
    here = {"path": _named(folder), "token": uuid.uuid4().hex}
    file = _write(folder, here["token"]) if first and not in_bucket(folder) else None
    try:
        said = gather(here)
        # The first look is after it was written: that a name is missing is remembered, too.
        seen = in_bucket(folder) or _finds(local(folder, "workdir"), said[0]["token"])
        found = gather({"seen": str(seen)})
    finally:
        if file:
            file.unlink(missing_ok=True)
    if blind := [number for number, held in found.items() if held["seen"] != str(True)]:
        raise ClusterError(
            f"the processes do not see one folder: what process 0 writes into {said[0]['path']}, "
            f"process {blind[0]} does not find in {said[blind[0]]['path']} within {SECONDS:g} s; "
            "workdir must be a folder that all of them share"
        )


def _named(folder: epath.Path) -> str:
    """The folder, for people."""
    if in_bucket(folder):
        return str(folder)
    return f"{real(local(folder, 'workdir'))} on {socket.gethostname()}"


def _write(folder: epath.Path, token: str) -> Path:
    place = local(folder, "workdir")
    for left in place.glob(f"{NAME}*"):  # of a run that was killed here
        left.unlink(missing_ok=True)
    file = place / f"{NAME}{token}"
    try:
        file.touch()
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(file)) from None
    return file


def _finds(folder: Path, token: str) -> bool:
    end = time.monotonic() + SECONDS
    while True:
        for path in (folder.parent, folder):
            with suppress(OSError):
                os.close(os.open(path, os.O_RDONLY))  # has a network file system look again
        if (folder / f"{NAME}{token}").exists():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
