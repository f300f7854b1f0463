"""The datasets that a config can name, and how each is found."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from transfer_jax.data import imagenet
from transfer_jax.data.embedded import EMBEDDED, embedded
from transfer_jax.data.hold_out import with_held_out
from transfer_jax.data.image_set import TEST, TRAIN, ImageSet
from transfer_jax.data.manifest import MANIFEST, RecordsError
from transfer_jax.data.originals.folders import class_folders
from transfer_jax.data.originals.part import Originals, readable
from transfer_jax.data.originals.tars import imagenet_tars
from transfer_jax.data.originals.tfds import tfds_dataset
from transfer_jax.data.own_images import own_images
from transfer_jax.data.records import open_records
from transfer_jax.folder.places import local
from transfer_jax.grid.registry import is_own, nearest

VALIDATION_SHARE, TEST_SHARE = 0.1, 0.2
FOLDER, TFDS = "folder", "tfds:"
ALLOWED = "a folder that holds a folder of images a class"
OTHERS = f"{imagenet.SOURCE}, {FOLDER}, {TFDS}NAME, PACKAGE.MODULE:FUNCTION"
KNOWN = f"{', '.join(EMBEDDED)}, {OTHERS}"


class SourceError(ValueError):
    """A dataset that does not exist, or is not prepared."""


@dataclass(frozen=True)
class Unprepared:
    """Images that are known, but not there: a plan can be made, nothing can be trained."""

    shape: tuple[int, int, int, int]


def load_images(
    source: str,
    folder: str = "",
    *,
    stream: bool = False,
    validation_share: float = VALIDATION_SHARE,
    test_share: float = TEST_SHARE,
    hold_out_seed: int = 0,
) -> ImageSet:
    """The dataset of that name, with a validation and a test part.

    Args:
      source: "fashion_mnist" or "openclipart" (in the package), "imagenet2012", "folder",
        "tfds:NAME", or a function of one's own, which gives an `ImageSet`.
      folder: where it was prepared; embedded ones need none, a function is given it.
      stream: whether images are read as training goes on, or all of them now.
      validation_share: share of each class's training images to validate on, where the dataset
        has no validation part; 0 for none.
      test_share: likewise for the test.
      hold_out_seed: another one holds out other images.

    Returns:
      The images. Of ILSVRC-2012, which a plan can be made of before it is there, it may be the
      names and numbers alone.

    Raises:
      SourceError: there is no such dataset, or it is not prepared.
      PlaceError: the folder is not on this machine.
      RecordsError: its records are damaged.

    Example:
      >>> load_images("fashion_mnist").images.shape
      (20000, 28, 28, 1)
    """
    check_source(source)
    return with_held_out(
        _as_prepared(source, folder, stream=stream),
        validation_share=validation_share,
        test_share=test_share,
        seed=hold_out_seed,
    )


def _as_prepared(source: str, folder: str, *, stream: bool) -> ImageSet:
    if source in EMBEDDED:
        return embedded(source)
    if _is_function(source):
        return own_images(source, folder)
    where = local(folder, "data.folder")
    if source == FOLDER and not where.is_dir():
        raise SourceError(no_folder(where, "data.folder"))
    if not (where / MANIFEST).exists():
        if source == imagenet.SOURCE:
            return _unprepared_imagenet()
        raise SourceError(unprepared_message(source, folder))
    return open_records(where, stream=stream)


def no_folder(where: Path, called: str) -> str:
    """What is wrong with a folder of images that was named and is none.

    Args:
      where: the folder that it was to be.
      called: what it is called where it was asked for.

    Returns:
      A line.
    """
    lead = f"{called} is '{readable(str(where))}', which"
    if where.exists():
        return f"{lead} is a file; allowed: {ALLOWED}"
    beside = [path.name for path in where.parent.iterdir()] if where.parent.is_dir() else []
    near = readable(nearest(where.name, beside))
    return f"{lead} does not exist; allowed: {ALLOWED}{near}"


def check_source(source: str) -> None:
    """Check that a dataset of that name can be had.

    Args:
      source: its name.

    Raises:
      SourceError: there is none.
    """
    built_in = source in (*EMBEDDED, imagenet.SOURCE, FOLDER) or source.startswith(TFDS)
    if not built_in and not is_own(source):
        raise SourceError(f"no dataset '{source}'; datasets: {KNOWN}")
    if source == TFDS:
        raise SourceError(f"data.source is '{source}', which names no dataset; datasets: {KNOWN}")


def needs_preparing(source: str) -> bool:
    """Whether a dataset is made into records before it is read.

    Args:
      source: its name.

    Returns:
      False for those in the package, and for what a function of one's own gives.

    Example:
      >>> needs_preparing("folder"), needs_preparing("fashion_mnist")
      (True, False)
    """
    return source not in EMBEDDED and not _is_function(source)


def _is_function(source: str) -> bool:
    return is_own(source) and not source.startswith(TFDS)


def find_originals(
    source: str, manual_dir: str | None, data_dir: str | None, *, download: bool = True
) -> Originals:
    """A dataset as it is before it is prepared.

    Args:
      source: as for `load_images`.
      manual_dir: folder of files that were downloaded by hand; of "folder" the folder itself.
      data_dir: where TFDS keeps its datasets.
      download: whether TFDS may download what is not there.

    Returns:
      The dataset, in parts.

    Raises:
      SourceError: there is no such dataset, or it needs no preparing.
      PlaceError: a folder is not on this machine.
      OriginalsError: files are missing or damaged.
    """
    check_source(source)
    if not needs_preparing(source):
        raise SourceError(f"{source} is read as it is; it needs no preparing")
    for name, path in (("--manual_dir", manual_dir), ("--data_dir", data_dir)):
        local(path or "", name)
    if source.startswith(TFDS):
        return tfds_dataset(source.removeprefix(TFDS), data_dir, manual_dir, download=download)
    if manual_dir is None:
        raise SourceError(f"{source} needs --manual_dir, the folder of its files")
    find = imagenet_tars if source == imagenet.SOURCE else class_folders
    return find(local(manual_dir, "--manual_dir"))


def check_prepared(images: ImageSet, source: str, folder: str) -> None:
    """Check that the images themselves are there.

    Args:
      images: the dataset.
      source: its name.
      folder: where it should be.

    Raises:
      RecordsError: they are not; how to prepare them is said.
    """
    if isinstance(images.images, Unprepared):
        raise RecordsError(unprepared_message(source, folder))


def unprepared_message(source: str, folder: str) -> str:
    """What to do about a dataset that is not there.

    Args:
      source: its name.
      folder: where it should be.

    Returns:
      One sentence.
    """
    return (
        f"{source} is not prepared in '{folder}'; type: transfer-jax prepare --config=... "
        "--manual_dir=..."
    )


def _unprepared_imagenet() -> ImageSet:
    names = imagenet.class_names()
    per_class = (imagenet.TRAIN_PER_CLASS, imagenet.TEST_PER_CLASS)
    labels = [np.arange(len(names), dtype=np.int32).repeat(count) for count in per_class]
    subset = np.repeat(np.array([TRAIN, TEST], np.int8), [len(own) for own in labels])
    shape = (len(subset), *imagenet.IMAGE_SHAPE)
    return ImageSet(
        Unprepared(shape), np.concatenate(labels), subset, names, dict(imagenet.groups())
    )
