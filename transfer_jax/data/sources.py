"""Where images come from."""

import hashlib
import io
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

import numpy as np
from jaxtyping import Int, UInt8

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class ImageSet:
    """A labelled image dataset in memory.

    Attributes:
      images: grey levels 0 ... 255, channels last.
      labels: index into `class_names`.
      is_test: True for the images that are held out for testing.
      class_names: names of the classes.
    """

    images: UInt8[np.ndarray, "image height width channels"]
    labels: Int[np.ndarray, " image"]
    is_test: np.ndarray
    class_names: tuple[str, ...]


def load_images(name: str) -> ImageSet:
    """The dataset of that name.

    Args:
      name: one of `SOURCES`.

    Returns:
      The images, in memory.

    Raises:
      ValueError: there is no such dataset, or its files are damaged.

    Example:
      >>> load_images("fashion_mnist").images.shape
      (20000, 28, 28, 1)
    """
    if name not in SOURCES:
        raise ValueError(f"no dataset '{name}'; datasets: {', '.join(SOURCES)}")
    return SOURCES[name]()


def embedded_fashion_mnist() -> ImageSet:
    """The subset of Fashion-MNIST that travels inside the package.

    The first 1,000 training images of each class and all 10,000 test images, each in the
    original's order.

    Returns:
      20,000 images of 28x28 grey levels in 10 classes.

    Raises:
      ValueError: a file's checksum is not the one recorded.

    Example:
      >>> embedded_fashion_mnist().class_names[9]
      'Ankle boot'

    Source: Xiao, Rasul & Vollgraf (2017), arXiv 1708.07747.
    """
    folder = resources.files("transfer_jax.data") / "fashion_mnist"
    recorded = {
        name: digest
        for digest, name in map(str.split, (folder / "SHA256SUMS").read_text().splitlines())
    }
    arrays = {}
    for name in ("images.npy", "labels.npy"):
        try:
            content = lzma.decompress((folder / f"{name}.xz").read_bytes())
        except (lzma.LZMAError, EOFError) as error:
            raise ValueError(f"the embedded {name}.xz is damaged ({error}); reinstall") from None
        if hashlib.sha256(content).hexdigest() != recorded[name]:
            raise ValueError(f"the embedded {name} is not the one recorded; reinstall the package")
        arrays[name] = np.load(io.BytesIO(content), allow_pickle=False)
    images, labels = arrays["images.npy"], arrays["labels.npy"]
    is_test = np.arange(len(labels)) >= len(labels) - 10_000
    return ImageSet(images[..., None], labels.astype(np.int32), is_test, FASHION_MNIST_CLASSES)


SOURCES: dict[str, Callable[[], ImageSet]] = {"fashion_mnist": embedded_fashion_mnist}
