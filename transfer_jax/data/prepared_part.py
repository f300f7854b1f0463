"""One part of a dataset, prepared: its records, its sums, and what they were made from."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter
from etils import epath

from transfer_jax.data.class_sums import ClassSums, statistics_file
from transfer_jax.data.decoding import BILINEAR, BadImage, Decoded, ImageForm, decode, decode_array
from transfer_jax.data.image_set import SUBSETS, TRAIN
from transfer_jax.data.manifest import VERSION
from transfer_jax.data.originals.part import Original, Part
from transfer_jax.data.records import pack, unpack
from transfer_jax.folder.whole_file import write_whole

STAMP_SHOWN = 16


@dataclass(frozen=True)
class Preparation:
    """What images become.

    Attributes:
      source: where they come from, for the record.
      form: size, colours and background.
      encoding: how pixels are stored.
    """

    source: str
    form: ImageForm
    encoding: str


@dataclass(frozen=True)
class PreparedPart:
    """The record of a part, beside its images: `train-....json`.

    Classes are told by name, so that a class that comes or goes changes no other class's part.

    Attributes:
      stamp: what it was made from and how; another one is another part.
      file: the file of its images.
      bytes: the size of that file.
      sha256: its checksum.
      sums_sha256: that of the sums beside it; empty where there are none.
      classes: names of the classes in it.
      labels: which of these each record has.
      originals: (name, class, bytes, checksum) of every image that was read.
      skipped: (name, why) of the images that could not be used.
      converted: (name, what) of the images that were converted.
    """

    stamp: str
    file: str
    bytes: int
    sha256: str
    sums_sha256: str
    classes: list[str]
    labels: list[int]
    originals: list[tuple[str, str, int, str]]
    skipped: list[tuple[str, str]]
    converted: list[tuple[str, str]]


def stamp_of(part: Part, settings: Preparation) -> str:
    """Tells a part and how it is prepared from every other, without reading its images.

    Args:
      settings: what images become.

    Returns:
      A checksum.
    """
    how = asdict(settings)
    if settings.form.interpolation == BILINEAR:
        # As it was before there was a choice, so that what was prepared then is known again.
        del how["form"]["interpolation"]
    made_from = [VERSION, how, part.subset, part.inputs]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def stem_of(part: Part, stamp: str) -> str:
    """What the files of a part are called, without ending.

    Returns:
      The name, such as "train-0123456789abcdef".
    """
    return f"{SUBSETS[part.subset]}-{stamp[:STAMP_SHOWN]}"


def finished(folder: Path, stem: str, stamp: str) -> PreparedPart | None:
    """A part that is prepared already.

    Args:
      folder: the dataset's folder.
      stem: what its files are called.
      stamp: what it must have been made from.

    Returns:
      Its record, if its files are there and have their size.
    """
    part = record_of(folder, stem)
    if part is None or part.stamp != stamp:
        return None
    path, sums = folder / part.file, folder / statistics_file(part.file)
    whole = path.is_file() and path.stat().st_size == part.bytes
    return part if whole and (not part.sums_sha256 or sums.is_file()) else None


def record_of(folder: Path, stem: str) -> PreparedPart | None:
    """What was recorded of a part, whether its files are there or not.

    Args:
      folder: the dataset's folder.
      stem: what its files are called.

    Returns:
      The record; None where it is missing or damaged.
    """
    try:
        return PreparedPart(**json.loads((folder / f"{stem}.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def prepare_part(
    part: Part, settings: Preparation, folder: Path, class_names: Sequence[str]
) -> PreparedPart:
    """Write the records of one part, and the sums that mean images are made of.

    Args:
      part: images of one subset.
      settings: what images become.
      folder: where they go.
      class_names: names of the dataset's classes.

    Returns:
      What was written.

    Raises:
      OSError: the disk is full, or a file cannot be read.
    """
    stamp = stamp_of(part, settings)
    stem = stem_of(part, stamp)
    # Two preparations at once write the same, each to a file of its own.
    path, partial = folder / f"{stem}.array_record", folder / f".{stem}.{os.getpid()}.partial"
    written = _Written(settings, class_names)
    writer = ArrayRecordWriter(str(partial), "group_size:1,uncompressed")
    try:
        for original in part.read():
            if (record := written.add(original)) is not None:
                writer.write(record)
    finally:
        _close(writer, partial)
    sums_sha256 = ""
    if part.subset == TRAIN:
        sums_sha256 = written.sums.write(folder / statistics_file(path.name))
    partial.replace(path)
    found = PreparedPart(
        stamp, path.name, path.stat().st_size, sha256_of(path), sums_sha256, **written.notes()
    )
    write_whole(epath.Path(folder / f"{stem}.json"), json.dumps(asdict(found)))
    return found


def digest_of(original: Original) -> tuple[int, str]:
    """Size and checksum of an image as it is found.

    Args:
      original: the image.

    Returns:
      (bytes, checksum).

    Example:
      >>> digest_of(Original("a", 0, b"abc"))[0]
      3
    """
    content = original.content
    if not isinstance(content, bytes):
        kind = f"{content.dtype}{content.shape}"
        content = kind.encode() + np.ascontiguousarray(content).tobytes()
    return len(content), hashlib.blake2b(content, digest_size=16).hexdigest()


def sha256_of(path: Path) -> str:
    """The checksum of a file.

    Args:
      path: the file.

    Returns:
      Its SHA-256.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Written:
    """What is known of the records that were written so far."""

    def __init__(self, settings: Preparation, class_names: Sequence[str]) -> None:
        self.settings, self.class_names = settings, class_names
        self.places: dict[str, int] = {}
        self.labels: list[int] = []
        self.originals: list[tuple[str, str, int, str]] = []
        self.skipped: list[tuple[str, str]] = []
        self.converted: list[tuple[str, str]] = []
        self.sums = ClassSums()

    def add(self, original: Original) -> bytes | None:
        """The record of an image; None if it cannot be used."""
        form, encoding = self.settings.form, self.settings.encoding
        known = 0 <= original.label < len(self.class_names)
        name = self.class_names[original.label] if known else ""
        self.originals.append((original.name, name, *digest_of(original)))
        try:
            if not known:
                count = len(self.class_names)
                raise BadImage(f"label {original.label} is none of the {count} classes")
            pixels, converted = _decoded(original, form)
        except BadImage as error:
            self.skipped.append((original.name, str(error)))
            return None
        if converted:
            self.converted.append((original.name, converted))
        record = pack(pixels, encoding)
        self.labels.append(self.places.setdefault(name, len(self.places)))
        # What is read back is what networks see: JPEG changes pixels.
        self.sums.add(name, unpack(record, form.shape, encoding))
        return record

    def notes(self) -> dict[str, Any]:
        """The fields of the part's record."""
        return {
            "classes": list(self.places),
            "labels": self.labels,
            "originals": self.originals,
            "skipped": self.skipped,
            "converted": self.converted,
        }


def _decoded(original: Original, form: ImageForm) -> Decoded:
    if isinstance(original.content, bytes):
        return decode(original.content, original.name, form)
    return decode_array(original.content, form)


def _close(writer: ArrayRecordWriter, partial: Path) -> None:
    try:
        writer.close()
    except RuntimeError as error:
        partial.unlink(missing_ok=True)
        raise OSError(f"{partial.parent} cannot be written: {error}") from None
