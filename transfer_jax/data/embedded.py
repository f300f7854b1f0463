"""The images that travel inside the package."""

import hashlib
import io
import lzma
from dataclasses import dataclass
from importlib import resources

import numpy as np

from transfer_jax.data.image_set import TEST, TRAIN, ImageSet

IMAGES, LABELS, SUMS = "images.npy", "labels.npy", "SHA256SUMS"


@dataclass(frozen=True)
class Embedded:
    """A dataset inside the package, in a folder of its name.

    Attributes:
      class_names: names of its classes.
      test: how many of its images are for the test; they are the last ones.
    """

    class_names: tuple[str, ...]
    test: int


EMBEDDED = {
    "fashion_mnist": Embedded(
        (
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
            "Bag", "Ankle boot",
        ),
        10_000,
    ),
    "openclipart": Embedded(
        (
            "animals", "food", "office", "people", "plants", "recreation", "tools",
            "transportation",
        ),
        338,
    ),
}  # fmt: skip


def embedded(name: str) -> ImageSet:
    """A dataset that travels inside the package.

    Args:
      name: one of `EMBEDDED`. "fashion_mnist" is the first 1,000 training images of each class and
        all 10,000 test images, 28x28 grey levels. "openclipart" is clip art in colour, 96x96, in
        eight classes, no two pictures of it alike.

    Returns:
      The images; training images first.

    Raises:
      ValueError: a file's checksum is not the one recorded.

    Example:
      >>> embedded("fashion_mnist").class_names[9]
      'Ankle boot'

    Source: Xiao, Rasul & Vollgraf (2017), arXiv 1708.07747; Debian's package openclipart-png.
    """
    folder, known = resources.files("transfer_jax.data") / name, EMBEDDED[name]
    sums = (folder / SUMS).read_text()
    recorded = {name: digest for digest, name in map(str.split, sums.splitlines())}
    arrays = {}
    for array in (IMAGES, LABELS):
        try:
            content = lzma.decompress((folder / f"{array}.xz").read_bytes())
        except (lzma.LZMAError, EOFError) as error:
            raise ValueError(f"the embedded {array}.xz is damaged ({error}); reinstall") from None
        if hashlib.sha256(content).hexdigest() != recorded[array]:
            raise ValueError(f"the embedded {array} is not the one recorded; reinstall the package")
        arrays[array] = np.load(io.BytesIO(content), allow_pickle=False)
    images, labels = arrays[IMAGES], arrays[LABELS]
    is_test = np.arange(len(labels)) >= len(labels) - known.test
    return ImageSet(
        # Grey images are kept without an axis of channels.
        images if images.ndim == 4 else images[..., None],
        labels.astype(np.int32),
        np.where(is_test, TEST, TRAIN).astype(np.int8),
        known.class_names,
        digest=hashlib.sha256(sums.encode()).hexdigest(),
    )
