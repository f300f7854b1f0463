"""Rebuild the subset of Fashion-MNIST that the package carries, bit for bit.

    apt-get install dataset-fashion-mnist
    python experiments/fashion_mnist/embed.py /usr/share/datasets/fashion-mnist

takes the first 1,000 training images of each class and all 10,000 test images, in the
original's order, and writes images.npy.xz, labels.npy.xz and SHA256SUMS (of the arrays before
compression). Expect: images.npy.xz of about 7 MB. `--check` writes nothing and compares.
"""

import gzip
from pathlib import Path

import numpy as np

from transfer_jax.data.embedded import IMAGES, LABELS
from transfer_jax.data.embedding import rebuild

PER_CLASS = 1_000


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
        IMAGES: np.concatenate([images, test_images]),
        LABELS: np.concatenate([train_labels[chosen], test_labels]),
    }


if __name__ == "__main__":
    rebuild("fashion_mnist", subset)
