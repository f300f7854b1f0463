"""A labelled image dataset, in memory or on disk, in three subsets."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Int, Int8, UInt8

SUBSETS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(len(SUBSETS))


class ImageSource(Protocol):
    """Images that are read when they are asked for; arrays in memory are such, too."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(images, height, width, channels)."""
        ...


@dataclass(frozen=True)
class ImageSet:
    """A labelled image dataset.

    Attributes:
      images: grey levels 0 ... 255, channels last: in memory, or on disk.
      labels: index into `class_names`.
      subset: `TRAIN`, `VALIDATION` (what a run chooses by) or `TEST` (what it reports).
      class_names: names of the classes.
      groups: names of groups of classes, to the names of their classes.
      digest: tells this dataset from every other: its pixels, labels, classes and their order.
    """

    images: UInt8[np.ndarray, "image height width channels"] | ImageSource
    labels: Int[np.ndarray, " image"]
    subset: Int8[np.ndarray, " image"]
    class_names: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    digest: str = ""

    @property
    def is_train(self) -> Bool[np.ndarray, " image"]:
        """True for the images that networks are trained on."""
        return self.subset == TRAIN

    @property
    def is_validation(self) -> Bool[np.ndarray, " image"]:
        """True for the images that a run chooses by."""
        return self.subset == VALIDATION

    @property
    def is_test(self) -> Bool[np.ndarray, " image"]:
        """True for the images that a run reports on."""
        return self.subset == TEST

    @property
    def in_memory(self) -> UInt8[np.ndarray, "image height width channels"]:
        """The images, which must be in memory."""
        assert isinstance(self.images, np.ndarray)
        return self.images

    @property
    def streamed(self) -> bool:
        """Whether images are read from disk as training goes on."""
        return not isinstance(self.images, np.ndarray)


def enlarge(images: ImageSet, factor: int) -> ImageSet:
    """Each pixel as a square of pixels: it tries networks for large images on small ones.

    Args:
      images: images in memory.
      factor: side of a square; 1 changes nothing.

    Returns:
      The same dataset, its images `factor` times as high and wide.

    Example:
      >>> grey = ImageSet(np.zeros((1, 2, 3, 1), np.uint8), np.zeros(1), np.zeros(1), ("a",))
      >>> enlarge(grey, 2).images.shape
      (1, 4, 6, 1)
    """
    if factor == 1:
        return images
    return replace(images, images=images.in_memory.repeat(factor, 1).repeat(factor, 2))
