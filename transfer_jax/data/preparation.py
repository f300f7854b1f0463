"""Prepare a dataset: its images in one size and one place, part by part, on all cores."""

import hashlib
import json
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter
from etils import epath

from transfer_jax.data.decoding import BadImage, Decoded, ImageForm, decode, resized
from transfer_jax.data.originals.part import TRAIN, Original, Originals, Part
from transfer_jax.data.records import (
    MANIFEST,
    Manifest,
    RecordsError,
    Shard,
    pack,
    statistics_file,
)
from transfer_jax.places import local
from transfer_jax.whole_file import write_whole

SETTINGS = "preparation.json"


@dataclass(frozen=True)
class Preparation:
    """What images become.

    Attributes:
      source: where they come from, for the record.
      form: size and colours.
      encoding: how pixels are stored.
    """

    source: str
    form: ImageForm
    encoding: str


@dataclass(frozen=True)
class Progress:
    """How far a preparation is: parts and images done, of all parts."""

    parts: int
    all_parts: int
    images: int


def prepare(
    originals: Originals, settings: Preparation, folder: Path, workers: int | None = None
) -> Iterator[Progress]:
    """Prepare what is not prepared yet; each finished part is on disk for good.

    Args:
      originals: the dataset as it is found.
      settings: what images become.
      folder: where the records go.
      workers: processes; None for one a core.

    Returns:
      Progress, after every part; when it ends, the dataset is whole.

    Raises:
      RecordsError: the folder holds another dataset, the disk is full, or no image can be used.
      OriginalsError: a file is damaged; all other parts that were begun are finished first.
      PlaceError: the folder is not on this machine.
    """
    folder = local(folder, "data.folder")
    _claim(folder, settings)
    stems = _stems(originals.parts)
    shards = {stem: found for stem in stems if (found := _finished(folder, stem))}
    left = {
        stem: part for stem, part in zip(stems, originals.parts, strict=True) if stem not in shards
    }
    images = sum(len(shard.labels) for shard in shards.values())
    yield Progress(len(shards), len(stems), images)
    classes = len(originals.class_names)
    for shard in _in_parallel(left, settings, folder, classes, workers):
        shards[Path(shard.file).stem] = shard
        images += len(shard.labels)
        yield Progress(len(shards), len(stems), images)
    found = tuple(shards[stem] for stem in stems)
    if not any(shard.labels for shard in found if shard.split == TRAIN):
        raise RecordsError(f"{folder}: no training image can be used")
    manifest = Manifest(
        settings.source,
        settings.form.shape,
        settings.encoding,
        originals.class_names,
        originals.groups,
        found,
    )
    write_whole(epath.Path(folder / MANIFEST), manifest.to_json())


def damaged_shards(folder: Path) -> list[str]:
    """The files of a prepared dataset whose content is not what was written.

    Args:
      folder: the dataset's folder.

    Returns:
      Names of files.

    Raises:
      RecordsError: it is not there, or a file is missing or cut short.
    """
    shards = Manifest.read(folder).shards
    return [shard.file for shard in shards if _sha256(folder / shard.file) != shard.sha256]


def prepare_part(part: Part, stem: str, settings: Preparation, folder: Path, classes: int) -> Shard:
    """Write the records of one part, and the sums that mean images are made of.

    Args:
      part: images of one split.
      stem: name of its files, without ending.
      settings: what images become.
      folder: where they go.
      classes: number of classes.

    Returns:
      What was written.

    Raises:
      OSError: the disk is full, or a file cannot be read.
    """
    path, partial = folder / f"{stem}.array_record", folder / f".{stem}.partial"
    labels: list[int] = []
    notes: dict[str, list[tuple[str, str]]] = {"skipped": [], "converted": []}
    sums = ClassSums()
    writer = ArrayRecordWriter(str(partial), "group_size:1,uncompressed")
    try:
        for original in part.read():
            try:
                pixels, converted = _decoded(original, settings.form, classes)
            except BadImage as error:
                notes["skipped"].append((original.name, str(error)))
                continue
            if converted:
                notes["converted"].append((original.name, converted))
            writer.write(pack(original.name, original.label, pixels, settings.encoding))
            labels.append(original.label)
            sums.add(original.label, pixels)
    finally:
        _close(writer, partial)
    if part.split == TRAIN:
        sums.write(folder / statistics_file(path.name))
    partial.replace(path)
    size, digest = path.stat().st_size, _sha256(path)
    shard = Shard(path.name, part.split, labels, size, digest, **notes)
    write_whole(epath.Path(folder / f"{stem}.json"), json.dumps(asdict(shard)))
    return shard


class ClassSums:
    """Sums over the images of each class, from which any task's mean image follows."""

    def __init__(self) -> None:
        self.sums: dict[int, Any] = defaultdict(lambda: np.uint32(0))
        self.squares: dict[int, float] = defaultdict(float)
        self.counts: dict[int, int] = defaultdict(int)

    def add(self, label: int, pixels: np.ndarray) -> None:
        """Count one image in."""
        self.sums[label] = self.sums[label] + pixels.astype(np.uint32)
        self.squares[label] += float(np.square(pixels.astype(np.int64)).sum())
        self.counts[label] += 1

    def write(self, path: Path) -> None:
        """Write them to a file."""
        order = sorted(self.counts)
        arrays = {
            "classes": np.array(order, np.int32),
            "sums": np.array([self.sums[label] for label in order], np.uint32),
            "squares": np.array([self.squares[label] for label in order]),
            "counts": np.array([self.counts[label] for label in order], np.int64),
        }
        partial = path.with_name(f".{path.name}.partial")
        with partial.open("wb") as file:
            np.savez(file, **arrays)  # pyright: ignore
        partial.replace(path)


def _in_parallel(
    parts: dict[str, Part], settings: Preparation, folder: Path, classes: int, workers: int | None
) -> Iterator[Shard]:
    """Prepare parts in processes of their own; the first error is told when all that began end."""
    # A fresh interpreter: a fork of one that has started JAX may hang.
    context = multiprocessing.get_context("spawn")
    count = min(workers or os.cpu_count() or 1, max(1, len(parts)))
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        jobs = [
            pool.submit(prepare_part, part, stem, settings, folder, classes)
            for stem, part in parts.items()
        ]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BrokenProcessPool:
            raise RecordsError(
                "a worker process was ended, perhaps for want of memory; the same command goes on, "
                "with fewer --workers if it happens again"
            ) from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise RecordsError(
                f"{error.filename or folder}: {reason}; finished parts are kept, the same command "
                "goes on"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _decoded(original: Original, form: ImageForm, classes: int) -> Decoded:
    if not 0 <= original.label < classes:
        raise BadImage(f"label {original.label} is none of the {classes} classes")
    if isinstance(original.content, bytes):
        return decode(original.content, original.name, form)
    return resized(original.content, form)


def _close(writer: ArrayRecordWriter, partial: Path) -> None:
    try:
        writer.close()
    except RuntimeError as error:
        partial.unlink(missing_ok=True)
        raise OSError(f"{partial.parent} cannot be written: {error}") from None


def _claim(folder: Path, settings: Preparation) -> None:
    """Make the folder this dataset's, or check that it is."""
    wanted = json.loads(json.dumps(asdict(settings)))
    path = folder / SETTINGS
    if path.exists():
        found = json.loads(path.read_text())
        if found != wanted:
            raise RecordsError(f"{folder} holds another dataset: {found} there, {wanted} here")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecordsError(
            f"{folder} is not empty and holds no dataset; choose another data.folder"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(epath.Path(path), json.dumps(wanted))
    except OSError as error:
        raise RecordsError(f"{folder} cannot be written: {error.strerror}") from None


def _stems(parts: tuple[Part, ...]) -> list[str]:
    return [f"{part.split}-{number:05d}" for number, part in enumerate(parts)]


def _finished(folder: Path, stem: str) -> Shard | None:
    """A part that is prepared already: its files are there and have their size."""
    try:
        shard = Shard(**json.loads((folder / f"{stem}.json").read_text()))
        whole = (folder / shard.file).stat().st_size == shard.bytes
        summed = shard.split != TRAIN or (folder / statistics_file(shard.file)).is_file()
    except (OSError, ValueError, TypeError):
        return None
    return shard if whole and summed else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
