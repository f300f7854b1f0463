"""Rebuild the subset of Fashion-MNIST that the package carries, bit for bit.

    apt-get install dataset-fashion-mnist
    python experiments/fashion_mnist/embed.py /usr/share/datasets/fashion-mnist

takes the first 1,000 training images of each class and all 10,000 test images, in the
original's order, and writes images.npy.xz, labels.npy.xz and SHA256SUMS (of the arrays before
compression). Expect: images.npy.xz of about 7 MB. `--check` writes nothing and compares.
"""

import argparse
import gzip
import hashlib
import io
import lzma
from pathlib import Path

import numpy as np

PER_CLASS = 1_000
TARGET = Path(__file__).parents[2] / "transfer_jax" / "data" / "fashion_mnist"


def read_idx(path: Path) -> np.ndarray:
    """The array in a gzipped IDX file of unsigned bytes."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def subset(source: Path) -> dict[str, np.ndarray]:
    """The images and labels to embed, training images first."""
    train_labels = read_idx(source / "train-labels-idx1-ubyte.gz")
    first = [np.flatnonzero(train_labels == label)[:PER_CLASS] for label in range(10)]
    chosen = np.sort(np.concatenate(first))
    images = read_idx(source / "train-images-idx3-ubyte.gz")[chosen]
    test_images = read_idx(source / "t10k-images-idx3-ubyte.gz")
    test_labels = read_idx(source / "t10k-labels-idx1-ubyte.gz")
    return {
        "images.npy": np.concatenate([images, test_images]),
        "labels.npy": np.concatenate([train_labels[chosen], test_labels]),
    }


def npy_bytes(array: np.ndarray) -> bytes:
    """The array in NumPy's file format."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuild the embedded subset.")
    parser.add_argument("source", type=Path, help="folder of the four original files")
    parser.add_argument("--check", action="store_true", help="compare only")
    arguments = parser.parse_args()
    contents = {name: npy_bytes(array) for name, array in subset(arguments.source).items()}
    sums = "".join(f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in contents.items())
    if arguments.check:
        if sums != (TARGET / "SHA256SUMS").read_text():
            raise SystemExit("the embedded arrays are not those of the originals")
        print("the embedded arrays are those of the originals")
        return
    TARGET.mkdir(exist_ok=True)
    for name, content in contents.items():
        packed = lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
        (TARGET / f"{name}.xz").write_bytes(packed)
        print(f"{TARGET / name}.xz: {len(packed):,} bytes")
    (TARGET / "SHA256SUMS").write_text(sums)


if __name__ == "__main__":
    main()
