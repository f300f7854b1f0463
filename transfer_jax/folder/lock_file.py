"""The file of a lock: made once, changed in its place by its owner, removed if it is stale."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from etils import epath

from transfer_jax.folder.places import in_bucket
from transfer_jax.folder.whole_file import read_json, write_whole

Record = dict[str, Any]


class Look(NamedTuple):
    """A file as it was found; whatever its owner does to it changes one of these."""

    record: Record
    changed: int


def look(path: epath.Path) -> Look | None:
    """Look at a lock.

    Args:
      path: the file.

    Returns:
      What it says, and when it was changed by the clock of whoever keeps it; None if it is not
      there. Of a file that cannot be read the record is empty.
    """
    if in_bucket(path):
        return Look(read_json(path), 0) if path.exists() else None
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError:
        return None
    return Look(read_json(path), changed)


def make(path: epath.Path, record: Record) -> bool:
    """Make a lock if there is none.

    In a bucket two may make it at once, and the last one's stays.

    Args:
      path: the file.
      record: who makes it.

    Returns:
      Whether it was made.

    Raises:
      OSError: the folder cannot be written.
    """
    if in_bucket(path):
        if path.exists():
            return False
        write_whole(path, json.dumps(record))
        return True
    try:
        # That only one succeeds holds on network file systems too, where a look may be outdated.
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(file, json.dumps(record).encode())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(file)
    return True


def renew(path: epath.Path, record: Record) -> Record:
    """Change a lock that is ours.

    It is changed in its place: it is never missing for a moment, a full disk has room for it,
    and a lock that another has made in the meantime is not overwritten.

    Args:
      path: the file.
      record: what it is to say; `token` says whose it is.

    Returns:
      What it said before; nothing where it cannot be read.
    """
    if in_bucket(path):
        found = read_json(path)
        with contextlib.suppress(OSError):
            if found.get("token") == record["token"]:
                write_whole(path, json.dumps(record))
        return found
    found: Record = {}
    with contextlib.suppress(OSError, ValueError), Path(path).open("r+") as file:
        read = json.load(file)
        found = read if isinstance(read, dict) else {}
        if found.get("token") == record["token"]:
            file.seek(0)
            # Never shorter than before, since only a count in it grows.
            file.write(json.dumps(record))
    return found


def remove(path: epath.Path, found: Look) -> bool:
    """Remove a lock that has not changed since it was looked at.

    Args:
      path: the file.
      found: how it was found.

    Returns:
      Whether it was removed.
    """
    with _one_at_a_time(path.parent):
        if look(path) != found:
            return False
        path.unlink(missing_ok=True)
        return True


@contextlib.contextmanager
def _one_at_a_time(folder: epath.Path) -> Iterator[None]:
    """Processes of one machine come here one after the other, where the folder can be locked."""
    if in_bucket(folder):
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no such locks; who removed it looks again later.
        with contextlib.suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
