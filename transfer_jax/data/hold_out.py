"""Images held out of training, the same ones on every machine: for testing, for validation."""

import zlib
from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Bool

from transfer_jax.data.image_set import SUBSETS, TEST, TRAIN, VALIDATION, ImageSet
from transfer_jax.grid.keys import key_for


def with_held_out(
    images: ImageSet, *, validation_share: float, test_share: float, seed: int = 0
) -> ImageSet:
    """A dataset with a validation and a test part: those it has, else held out of training.

    Args:
      images: the dataset.
      validation_share: share of each class's training images to validate on, where there is no
        validation part; 0 for none.
      test_share: likewise for the test, which is held out first.
      seed: another one holds out other images.

    Returns:
      The same images; none is in two parts.

    Raises:
      ValueError: a share is not from 0 to below 1.

    Example:
      >>> grey = np.zeros((20, 2, 2, 1), np.uint8)
      >>> labels, subset = np.arange(20) % 2, np.zeros(20, np.int8)
      >>> found = with_held_out(
      ...     ImageSet(grey, labels, subset, ("a", "b")), validation_share=0.2, test_share=0.5
      ... )
      >>> np.bincount(found.subset).tolist()
      [8, 2, 10]
    """
    for name, share in (("validation_share", validation_share), ("test_share", test_share)):
        if not 0 <= share < 1:
            raise ValueError(f"data.{name} is {share}; allowed: from 0 to below 1")
    subset = images.subset.copy()
    for into, share in ((TEST, test_share), (VALIDATION, validation_share)):
        if share and not (subset == into).any():
            subset[_drawn(replace(images, subset=subset), share, SUBSETS[into], seed)] = into
    return replace(images, subset=subset)


def _drawn(images: ImageSet, share: float, purpose: str, seed: int) -> Bool[np.ndarray, " image"]:
    """That share of each class's training images, to the nearest whole number.

    What is drawn of a class depends on its name and its number of images alone, so that another
    class beside it changes nothing. A class of two images or more gives one and keeps one.
    """
    drawn = np.zeros(len(images.labels), bool)
    words = np.asarray(jax.random.key_data(key_for(seed, "held out", purpose))).tolist()
    training = np.flatnonzero(images.subset == TRAIN)
    by_class = training[np.argsort(images.labels[training], kind="stable")]
    counts = np.bincount(images.labels[training], minlength=len(images.class_names))
    for name, own in zip(images.class_names, np.split(by_class, np.cumsum(counts)), strict=False):
        count = min(max(1, round(share * len(own))), len(own) - 1)
        if count > 0:
            generator = np.random.RandomState([*words, zlib.crc32(name.encode())])
            drawn[generator.permutation(own)[:count]] = True
    return drawn
