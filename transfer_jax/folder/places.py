"""Where files lie: on this machine or in a bucket, and never in a folder named like an address."""

import importlib.util
import os
import re
from pathlib import Path

from etils import epath

# Of an address, also with the one slash that pathlib leaves of two; a drive has one letter.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_BUCKET = "gs://"


class PlaceError(ValueError):
    """A place that files cannot be read from or written to."""


def place(path: epath.PathLike, name: str) -> epath.Path:
    """A folder of this machine, or of a bucket of Google's storage.

    Args:
      path: the folder.
      name: what it is called where it was asked for.

    Returns:
      The folder.

    Raises:
      PlaceError: it is some other address, or buckets cannot be reached from here.

    Example:
      >>> place("gs://bucket/run", "workdir"), place("runs/a", "workdir")
      (PosixGPath('gs://bucket/run'), PosixGPath('runs/a'))
      >>> place("s3://bucket/run", "workdir")
      Traceback (most recent call last):
      ...
      transfer_jax.folder.places.PlaceError: workdir is 's3://bucket/run'; allowed: a folder of \
this machine, gs://BUCKET/FOLDER
    """
    text = os.fspath(path)
    if not text.strip() or not text.isprintable():
        raise PlaceError(f"{name} is {text!r}; allowed: the path of a folder, such as runs/a")
    if not _SCHEME.match(text):
        return epath.Path(text).expanduser()
    if not text.startswith(_BUCKET) or not text.removeprefix(_BUCKET).strip("/"):
        raise PlaceError(
            f"{name} is '{text}'; allowed: a folder of this machine, {_BUCKET}BUCKET/FOLDER"
        )
    if importlib.util.find_spec("gcsfs") is None:
        raise PlaceError(f"{name} is '{text}'; buckets need: pip install 'transfer_jax[gcs]'")
    return epath.Path(text)


def local(path: str | os.PathLike[str], name: str) -> Path:
    """A file or folder that must be on this machine.

    Args:
      path: where it is.
      name: what it is called where it was asked for.

    Returns:
      The path.

    Raises:
      PlaceError: it is an address.

    Example:
      >>> local("gs://bucket/images", "data.folder")
      Traceback (most recent call last):
      ...
      transfer_jax.folder.places.PlaceError: data.folder is 'gs://bucket/images'; it must be on a \
disk of this machine
    """
    if _SCHEME.match(os.fspath(path)):
        raise PlaceError(f"{name} is '{path}'; it must be on a disk of this machine")
    return Path(path).expanduser()


def real(path: Path) -> Path:
    """A path of this machine with all links followed.

    Args:
      path: what `local` returns.

    Returns:
      The path from the root of the file system.
    """
    return path.resolve()


def in_bucket(path: epath.PathLike) -> bool:
    """Whether a place is in a bucket, where objects appear whole and folders need not be made.

    Args:
      path: the place.

    Returns:
      Whether it is.

    Example:
      >>> in_bucket(place("gs://bucket/run", "workdir")), in_bucket("runs/a")
      (True, False)
    """
    return os.fspath(path).startswith(_BUCKET)


def rooted(path: epath.PathLike) -> epath.Path:
    """A path that orbax takes: from the root of the file system, or of a bucket.

    Args:
      path: any path.

    Returns:
      The same place.

    Example:
      >>> str(rooted("gs://bucket/run"))
      'gs://bucket/run'
    """
    # The absolute path of an address is a local folder of that name.
    found = place(path, "the folder of a checkpoint")
    return found if in_bucket(found) else found.absolute()
