"""A dataset as it is found: parts that can be read apart from each other."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Num


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
    content: bytes | Num[np.ndarray, "height width channels"]


class Part(Protocol):
    """Some images of a dataset, read by one process from first to last."""

    @property
    def subset(self) -> int:
        """`TRAIN`, `VALIDATION` or `TEST`."""
        ...

    @property
    def inputs(self) -> Any:
        """What is known of the images without reading them, as JSON: names, sizes, times.

        Where it is the same, the images are the same; it tells their classes, too.
        """
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
      place: where it is.
      fixed_classes: whether `class_names` is a list of its own, so that a class without images
        stays in it; of folders, a class is what has images.
      left_out: what was found and is not read, and why, to how many.
    """

    parts: tuple[Part, ...]
    class_names: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    channels: int = 3
    place: str = ""
    fixed_classes: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)


def readable(name: str) -> str:
    """A file's name as text that can be printed and written anywhere.

    Args:
      name: as the system gives it: bytes that are no UTF-8 are half characters of their own.

    Returns:
      The name; what cannot be printed is spelt, as Python spells it.

    Example:
      >>> readable("caf\\udce9.png"), readable("été")
      ('caf\\\\xe9.png', 'été')
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
