"""A dataset as it is found: parts that can be read apart from each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import UInt8

TRAIN, TEST = "train", "test"


class OriginalsError(ValueError):
    """Files that are missing, cut short or laid out in another way than is needed."""


class Original(NamedTuple):
    """One image as it is found.

    Attributes:
      name: what it is called there.
      label: its class; outside of the dataset's classes for an image without one.
      content: the bytes of its file, or its pixels.
    """

    name: str
    label: int
    content: bytes | UInt8[np.ndarray, "height width channels"]


class Part(Protocol):
    """Some images of a dataset, read by one process from first to last."""

    @property
    def split(self) -> str:
        """`TRAIN` or `TEST`."""
        ...

    def read(self) -> Iterator[Original]:
        """The images, always in the same order."""
        ...


@dataclass(frozen=True)
class Originals:
    """A dataset as it is found.

    Attributes:
      parts: its images; training images first.
      class_names: names of the classes.
      groups: names of groups of classes, to names of classes.
      channels: 3 for colour, 1 for grey.
    """

    parts: tuple[Part, ...]
    class_names: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    channels: int = 3
