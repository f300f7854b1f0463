"""The files of a folder: links are followed, what is hidden or made by a system is never read."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from transfer_jax.data.originals.part import OriginalsError, readable

# Files and folders that file managers, archives and file systems leave behind.
JUNK = (
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "__pycache__",
)
HIDDEN, SYSTEM, LINK = "hidden", "made by a system", "a link in a circle, or to nothing"
SPECIAL, TWICE = "neither file nor folder", "a link to a folder that is read already"


class Found(NamedTuple):
    """A file.

    Attributes:
      name: its path within the folder that was looked through.
      size: its bytes.
      changed: when it changed last, in nanoseconds.
    """

    name: str
    size: int
    changed: int


def never_read(name: str) -> str:
    """Why nothing of this name is read.

    Args:
      name: of a file or folder, without its path.

    Returns:
      The reason; empty if it is read.

    Example:
      >>> never_read(".ipynb_checkpoints"), never_read("Thumbs.db"), never_read("1.png")
      ('hidden', 'made by a system', '')
    """
    if name.startswith("."):
        return HIDDEN
    return SYSTEM if name.lower() in JUNK else ""


def entries(folder: Path, left_out: Counter[str]) -> list[os.DirEntry[str]]:
    """What is in a folder, in the order of the names.

    Args:
      left_out: what is never read is counted here.

    Returns:
      Its files and folders.

    Raises:
      OriginalsError: it cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            every = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise OriginalsError(f"{readable(str(folder))} cannot be read: {error.strerror}") from None
    for entry in every:
        if why := never_read(entry.name):
            left_out[why] += 1
    return [entry for entry in every if not never_read(entry.name)]


def folders(folder: Path, left_out: Counter[str]) -> list[str]:
    """The names of the folders in a folder, those that links lead to among them.

    Args:
      left_out: what is never read is counted here.

    Returns:
      Their names, in order.

    Raises:
      OriginalsError: it cannot be read.
    """
    return [entry.name for entry in entries(folder, left_out) if _kind(entry, left_out) == "folder"]


def files_below(root: Path, within: str, left_out: Counter[str]) -> list[Found]:
    """Every file below a folder, at any depth.

    Args:
      root: the folder that names start from.
      within: the name of the folder in it that is looked through.
      left_out: what is never read is counted here, by reason.

    Returns:
      The files, in the order of their names.

    Raises:
      OriginalsError: a folder cannot be read.
    """
    # A link back to the root, or to a folder that was read, would bring the same images again.
    read = {os.path.realpath(root)}
    return sorted(_below(root, within, read, left_out))


def _below(root: Path, within: str, read: set[str], left_out: Counter[str]) -> Iterator[Found]:
    folder = root / within
    read.add(os.path.realpath(folder))
    for entry in entries(folder, left_out):
        name, kind = f"{within}/{entry.name}", _kind(entry, left_out)
        if kind == "file":
            status = entry.stat()
            yield Found(name, status.st_size, status.st_mtime_ns)
        elif kind == "folder" and os.path.realpath(entry.path) in read:
            left_out[TWICE] += 1
        elif kind == "folder":
            yield from _below(root, name, read, left_out)


def _kind(entry: os.DirEntry[str], left_out: Counter[str]) -> str:
    """Whether an entry, or what it leads to, is a file or a folder; all else is counted."""
    if not entry.is_symlink():
        kind = "folder" if entry.is_dir() else "file" if entry.is_file() else ""
    elif os.path.isdir(entry.path):  # noqa: PTH112 - a link to itself is none, and no error
        here = os.path.realpath(Path(entry.path).parent)
        there = os.path.realpath(entry.path)
        kind = "" if os.path.commonpath([here, there]) == there else "folder"
    else:
        kind = "file" if os.path.isfile(entry.path) else ""  # noqa: PTH113
    if not kind:
        left_out[LINK if entry.is_symlink() else SPECIAL] += 1
    return kind
