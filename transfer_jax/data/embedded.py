"""The images that travel inside the package: a subset of Fashion-MNIST."""

import hashlib
import io
import lzma
from importlib import resources

import numpy as np

from transfer_jax.data.image_set import TEST, TRAIN, ImageSet

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
    sums = (folder / "SHA256SUMS").read_text()
    recorded = {name: digest for digest, name in map(str.split, sums.splitlines())}
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
    return ImageSet(
        images[..., None],
        labels.astype(np.int32),
        np.where(is_test, TEST, TRAIN).astype(np.int8),
        FASHION_MNIST_CLASSES,
        digest=hashlib.sha256(sums.encode()).hexdigest(),
    )
