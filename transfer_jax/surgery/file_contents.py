"""What a file is by its first bytes, whatever its name says."""

import zipfile
from pathlib import Path

from transfer_jax.surgery.tree_file_error import TreeFileError, brief

# Enough for any beginning, and for a page whose first lines are empty.
HEAD = 512
# The number that a checkpoint of PyTorch before 1.6 begins with, as its first pickle has it.
OLD_TORCH = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19"
STRANGE = {
    b"version https://git-lfs": "a pointer of Git LFS in place of the file; type: git lfs pull",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"7z\xbc\xaf": "compressed by 7-Zip; unpack it",
    b"\xfd7zXZ": "compressed by xz; unpack it",
    b"\x93NUMPY": "one array of NumPy without a name",
    b"GGUF": "a GGUF file",
}
PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")
PAGE = "a web page, as a server gives where there is no such file; download it again"


def kind_of(path: Path) -> str | None:
    """The kind of tree that a file holds.

    Args:
      path: the file.

    Returns:
      How names of this kind end, ".pth" for all of PyTorch's; None where the first bytes are those
      of no kind.

    Example:
      >>> import tempfile
      >>> file = Path(tempfile.mkdtemp()) / "net.pth"
      >>> file.write_bytes((2).to_bytes(8, "little") + b"{}")
      10
      >>> kind_of(file)
      '.safetensors'
    """
    head = _head(path)
    if head[:4] == b"PK\3\4":
        return _kind_of_zip(path)
    if head[:1] == b"\x80" and head[2 : 2 + len(OLD_TORCH)] == OLD_TORCH:
        return ".pth"
    length = int.from_bytes(head[:8], "little")
    return ".safetensors" if head[8:9] == b"{" and length <= path.stat().st_size else None


def damaged(path: Path, kind: str, reason: object) -> TreeFileError:
    """An error of a file that could not be read, which says what the file seems to be.

    Args:
      path: the file.
      kind: what it was read as.
      reason: what went wrong; not told where the file is something else.

    Returns:
      The error.

    Example:
      >>> damaged(Path("no_such.npz"), "npz file", "it is not there")
      TreeFileError('no_such.npz is damaged or no npz file: it is not there')
    """
    head = _head(path)
    if strange := _strange(head):
        return TreeFileError(f"{path} is no {kind}: it is {strange}")
    told = "it is empty" if _is_empty(path) else brief(reason)
    return TreeFileError(f"{path} is damaged or no {kind}: {told}")


def seems(path: Path) -> str:
    """What a file of an unknown ending seems to be, as the end of a sentence; "" where unknown.

    Args:
      path: the file.

    Returns:
      A part of a line.

    Example:
      >>> seems(Path("no_such.npz"))
      ''
    """
    strange = _strange(_head(path))
    return f"; it is {strange}" if strange else ""


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _is_empty(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size == 0
    except OSError:
        return False


def _kind_of_zip(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # damage is told by who reads it
        return None
    if any(name.endswith("/data.pkl") for name in names):
        return ".pth"
    return ".npz" if names and all(name.endswith(".npy") for name in names) else None


def _strange(head: bytes) -> str:
    """What no reader here reads; "" for what one may, or for nothing that is known."""
    for begin, what in STRANGE.items():
        if head.startswith(begin):
            return what
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        return PAGE
    try:
        text = head.decode("ascii")
    except UnicodeDecodeError:
        return ""
    return "text" if text.strip() and all(c.isprintable() or c in "\r\n\t" for c in text) else ""
