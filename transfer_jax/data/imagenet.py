"""ILSVRC-2012: names of its classes, the two groups of the paper, labels of its validation set."""

import re
from functools import cache
from importlib import resources

import numpy as np
from jaxtyping import Int

from transfer_jax.grid.conditions import Task

SOURCE = "imagenet2012"
MAN_MADE, NATURAL = "man-made", "natural"
VALIDATION_IMAGES = 50_000
# What is known of the images before they are there: 732 to 1300 in a class, and 50 to test.
TRAIN_PER_CLASS, TEST_PER_CLASS = 1300, 50
IMAGE_SHAPE = (256, 256, 3)


@cache
def class_names() -> tuple[str, ...]:
    """The WordNet ids of the 1000 classes, in ascending order: class i is the i-th.

    Returns:
      The ids.

    Example:
      >>> class_names()[0], len(class_names())
      ('n01440764', 1000)
    """
    return tuple(wnid for wnid, _ in _classes())


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """The man-made and the natural classes.

    Returns:
      "man-made" and "natural" to WordNet ids.

    Example:
      >>> {name: len(classes) for name, classes in groups().items()}
      {'man-made': 551, 'natural': 449}

    Source: the two lists of the authors' repository, yosinski/convnet_transfer; section 4.2.
    """
    return {
        name: tuple(wnid for wnid, letter in _classes() if letter == name[0])
        for name in (MAN_MADE, NATURAL)
    }


@cache
def validation_labels() -> Int[np.ndarray, " image"]:
    """The class of each validation image, in the order of the images' numbers.

    Returns:
      50,000 classes; entry 0 is that of ILSVRC2012_val_00000001.JPEG.

    Source: the list that tensorflow-datasets carries.
    """
    folder = resources.files("tensorflow_datasets") / "datasets" / "imagenet2012"
    index = {wnid: i for i, wnid in enumerate(class_names())}
    lines = (folder / "validation_labels.txt").read_text().split()
    return np.array([index[wnid] for wnid in lines], np.int32)


def validation_number(name: str) -> int | None:
    """The number of a validation image.

    Args:
      name: a file name.

    Returns:
      The number, from 1; None if no validation image has this name.

    Example:
      >>> validation_number("ILSVRC2012_val_00000012.JPEG"), validation_number("n01440764_1.JPEG")
      (12, None)
    """
    match = re.fullmatch(r"ILSVRC2012_val_(\d{8})\.JPEG", name)
    number = int(match[1]) if match else 0
    return number if 1 <= number <= VALIDATION_IMAGES else None


def validation_list(task: Task) -> str:
    """A task's validation images and their labels within the task.

    Args:
      task: classes of ILSVRC-2012.

    Returns:
      A line an image: its file name and the rank of its class, in the order of the names.

    Example:
      >>> len(validation_list(Task("A", (65, 970))).splitlines())
      100

    Source: the lists of the authors' repository; their MD5 sums are published there.
    """
    rank = {label: i for i, label in enumerate(task.classes)}
    return "".join(
        f"ILSVRC2012_val_{number:08d}.JPEG {rank[label]}\n"
        for number, label in enumerate(validation_labels().tolist(), start=1)
        if label in rank
    )


def _classes() -> list[tuple[str, str]]:
    file = resources.files("transfer_jax.data") / "imagenet2012" / "man_made_natural.txt"
    lines = [line.split() for line in file.read_text().splitlines() if not line.startswith("#")]
    return [(wnid, letter) for wnid, letter in lines]
