"""NumPy's archives, without pickle."""

import zipfile
from pathlib import Path

import numpy as np

from transfer_jax.surgery.file_contents import damaged
from transfer_jax.surgery.tree_file_error import TreeFileError


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an archive; sizes are checked before anything is allocated.

    Args:
      path: the file.

    Returns:
      Name to array.

    Raises:
      TreeFileError: the file is damaged, or holds objects or kinds of numbers without a name.

    Example:
      >>> import tempfile
      >>> file = Path(tempfile.mkdtemp()) / "net.npz"
      >>> np.savez(file, a=np.ones(2))
      >>> read_npz(file)["a"].tolist()
      [1.0, 1.0]
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for member in members:
                _check_member(path, archive, member)
        with np.load(path, allow_pickle=False) as arrays:
            if len(set(arrays.files)) < len(members):
                raise ValueError("an array is there twice")
            return {name: _native(arrays[name]) for name in arrays.files}
    except TreeFileError:
        raise
    except Exception as error:  # damage is told by zipfile, zlib and NumPy in many ways
        raise damaged(path, "npz file", error) from None


def _native(array: np.ndarray) -> np.ndarray:
    """The same numbers in the machine's order of bytes, which is the only one that JAX takes."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    """Compare the array that a header promises with the bytes that are there."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise TreeFileError(f"{path}: {member.filename} has format {version}")
        shape, _, dtype = read(file)
        held = member.file_size - file.tell()
    if dtype.hasobject:
        raise TreeFileError(f"{path}: {member.filename} holds pickled objects, which are not read")
    if dtype.kind == "V" and dtype.names is None:
        raise TreeFileError(
            f"{path}: {member.filename} holds elements of {dtype.itemsize} bytes without the name "
            "of their kind, as NumPy writes bfloat16 and float8; use safetensors for these"
        )
    promised = int(np.prod(shape, dtype=object)) * dtype.itemsize
    # Deflate packs at most 1032 to 1, so a larger claim is a lie.
    if promised != held or member.file_size > 1100 * (member.compress_size + 64):
        raise TreeFileError(f"{path}: {member.filename} promises {promised} bytes and holds {held}")
