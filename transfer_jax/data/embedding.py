"""How the files of an embedded dataset are made anew: what its script in experiments/ shares."""

import argparse
import hashlib
import io
import lzma
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from transfer_jax.data.embedded import SUMS


def rebuild(name: str, subset: Callable[[Path], dict[str, np.ndarray]]) -> None:
    """Make the files of an embedded dataset from its originals, as the command line asks.

    Args:
      name: of the dataset, and of its folder.
      subset: takes the folder of the originals; gives the arrays to embed.

    Raises:
      SystemExit: `--check` was given, and the arrays are others.
    """
    parser = argparse.ArgumentParser(description=f"Rebuild the embedded {name}.")
    parser.add_argument("source", type=Path, help="folder of the originals")
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    target, files = Path(__file__).parent / name, files_of(subset(arguments.source))
    if arguments.check:
        if files[SUMS] != (target / SUMS).read_bytes():
            raise SystemExit("the embedded arrays are not those of the originals")
        print("the embedded arrays are those of the originals")
        return
    target.mkdir(exist_ok=True)
    for file, content in files.items():
        (target / file).write_bytes(content)
        print(f"{target / file}: {len(content):,} bytes")


def files_of(arrays: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """The files that `embedded` reads.

    Args:
      arrays: images and labels, by the name of their file.

    Returns:
      Name of a file to its content: each array compressed, and checksums of them before that.

    Example:
      >>> list(files_of({"labels.npy": np.zeros(3, np.uint8)}))
      ['labels.npy.xz', 'SHA256SUMS']
    """
    found, sums = {}, ""
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
        content = buffer.getvalue()
        found[f"{name}.xz"] = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
        sums += f"{hashlib.sha256(content).hexdigest()}  {name}\n"
    return {**found, SUMS: sums.encode()}
