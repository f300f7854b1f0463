"""Images that a function of one's own gives."""

import dataclasses
import hashlib

import numpy as np

from transfer_jax.data.image_set import SUBSETS, ImageSet
from transfer_jax.grid.registry import kind_of, made


def own_images(source: str, folder: str) -> ImageSet:
    """The dataset that a function of one's own gives.

    Args:
      source: `package.module:function`; the function takes the folder and returns an `ImageSet`
        in memory.
      folder: `config.data.folder`.

    Returns:
      The dataset, with a digest of its own where it has none.

    Raises:
      RegistryError: there is no such function.
      ValueError: what it returns is no dataset; what is wrong is named.
    """
    lead = f"data.source is '{source}'"
    images = made("data.source", source, {}, {"folder": folder})
    if not isinstance(images, ImageSet):
        raise ValueError(
            f"{lead}, which gave {kind_of(images)}; allowed: an ImageSet of "
            "transfer_jax.data.image_set"
        )
    for wrong in _faults(images):
        raise ValueError(f"{lead}, whose {wrong}")
    images = dataclasses.replace(
        images,
        labels=np.asarray(images.labels, np.int32),
        subset=np.asarray(images.subset, np.int8),
        class_names=tuple(images.class_names),
    )
    return images if images.digest else dataclasses.replace(images, digest=_digest(images))


def _faults(images: ImageSet) -> list[str]:
    pixels, labels, subset = images.images, np.asarray(images.labels), np.asarray(images.subset)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 4:
        return ["images are no uint8 array of (images, height, width, channels)"]
    for name, numbers, most in (
        ("labels", labels, len(images.class_names)),
        ("subset", subset, len(SUBSETS)),
    ):
        if np.shape(numbers) != (len(pixels),) or not np.issubdtype(numbers.dtype, np.integer):
            return [f"{name} are not {len(pixels)} whole numbers, one an image"]
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < most):
            found = numbers.min() if numbers.min() < 0 else numbers.max()
            return [f"{name} hold {found}; allowed: 0 ... {most - 1}"]
    if odd := [name for name in images.class_names if not isinstance(name, str)]:
        return [f"class_names hold {odd[0]!r}; allowed: texts"]
    for group, names in images.groups.items():
        if odd := [name for name in names if name not in images.class_names]:
            return [f"group {group} holds {odd[0]!r}, which is no class of it"]
    if len(set(images.class_names)) < len(images.class_names):
        return ["class_names hold a name twice"]
    return []


def _digest(images: ImageSet) -> str:
    found = hashlib.sha256(repr((images.class_names, images.in_memory.shape)).encode())
    for array in (images.in_memory, images.labels.astype(np.int32), images.subset.astype(np.int8)):
        found.update(array.tobytes())
    return found.hexdigest()
