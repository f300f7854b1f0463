"""A prepared dataset on disk: ArrayRecords of images of one size, and what is known of them."""

import functools
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from transfer_jax.data.image_set import SUBSETS, ImageSet
from transfer_jax.data.originals.part import TEST

ENCODINGS = ("raw", "jpeg")
JPEG_QUALITY = 95
MANIFEST = "dataset.json"


class RecordsError(ValueError):
    """A prepared dataset that is not there, not finished, or damaged."""


@dataclass(frozen=True)
class Shard:
    """One file of records.

    Attributes:
      file: its name within the dataset's folder.
      split: `TRAIN` or `TEST`.
      labels: the class of each record.
      bytes: its size.
      sha256: its checksum.
      skipped: (name, why) of the images that could not be used.
      converted: (name, what) of the images that were converted.
    """

    file: str
    split: str
    labels: list[int]
    bytes: int
    sha256: str
    skipped: list[tuple[str, str]]
    converted: list[tuple[str, str]]


@dataclass(frozen=True)
class Manifest:
    """What a prepared dataset holds.

    Attributes:
      source: where it came from.
      shape: (height, width, channels) of every image.
      encoding: one of `ENCODINGS`.
      class_names: names of the classes.
      groups: names of groups of classes, to names of classes.
      shards: its files, in order.
    """

    source: str
    shape: tuple[int, int, int]
    encoding: str
    class_names: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    shards: tuple[Shard, ...]

    def to_json(self) -> str:
        """The manifest as text."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """The manifest of a dataset; RecordsError where it is missing or damaged."""
        path = folder / MANIFEST
        try:
            found: dict[str, Any] = json.loads(path.read_text())
            shards = tuple(Shard(**shard) for shard in found.pop("shards"))
            names, shape = tuple(found.pop("class_names")), tuple(found.pop("shape"))
            groups = {name: tuple(classes) for name, classes in found.pop("groups").items()}
            manifest = cls(shape=shape, class_names=names, groups=groups, shards=shards, **found)
        except FileNotFoundError:
            raise RecordsError(f"{folder} holds no prepared dataset") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RecordsError(f"{path} is damaged: {error}; prepare again") from None
        for shard in manifest.shards:
            _check_shard(folder, shard, len(names))
        return manifest


def _check_shard(folder: Path, shard: Shard, classes: int) -> None:
    path = folder / shard.file
    if path.parent != folder:
        raise RecordsError(f"{folder / MANIFEST} names {shard.file}, outside of its folder")
    if shard.labels and not 0 <= min(shard.labels) <= max(shard.labels) < classes:
        raise RecordsError(f"{path} has labels outside of the {classes} classes; prepare again")
    size = path.stat().st_size if path.is_file() else None
    if size != shard.bytes:
        found = "is missing" if size is None else f"has {size:,} bytes, not {shard.bytes:,}"
        raise RecordsError(f"{path} {found}; prepare again")


def pack(name: str, label: int, pixels: UInt8[np.ndarray, "h w c"], encoding: str) -> bytes:
    """A record.

    Args:
      name: what the image is called where it came from.
      label: its class.
      pixels: the image.
      encoding: one of `ENCODINGS`.

    Returns:
      The record's bytes.

    Example:
      >>> unpack(pack("a", 0, np.ones((2, 2, 3), np.uint8), "raw"), (2, 2, 3)).sum()
      np.uint64(12)
    """
    content = pixels.tobytes()
    if encoding == "jpeg":
        file = io.BytesIO()
        image = Image.fromarray(pixels if pixels.shape[-1] > 1 else pixels[..., 0])
        image.save(file, "JPEG", quality=JPEG_QUALITY)
        content = file.getvalue()
    return msgpack.Packer().pack({"name": name, "label": label, "image": content})


def unpack(record: bytes, shape: Sequence[int]) -> UInt8[np.ndarray, "h w c"]:
    """The image of a record.

    Args:
      record: what `pack` made.
      shape: (height, width, channels) of the image.

    Returns:
      The image.

    Raises:
      RecordsError: the record is damaged.
    """
    try:
        content = msgpack.unpackb(record)["image"]
        if len(content) != np.prod(shape):
            with Image.open(io.BytesIO(content)) as image:
                return np.asarray(image, np.uint8).reshape(shape)
        return np.frombuffer(content, np.uint8).reshape(shape)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise RecordsError(f"a record is damaged: {error}; prepare again") from None


def statistics_file(shard: str) -> str:
    """The file of a shard's sums, which mean images are made of.

    Args:
      shard: the shard's file.

    Returns:
      The name of the file beside it.

    Example:
      >>> statistics_file("train-00000.array_record")
      'train-00000.sums.npz'
    """
    return f"{Path(shard).stem}.sums.npz"


class StoredImages:
    """The images of a prepared dataset, read when they are asked for.

    Args:
      folder: the dataset's folder.
      manifest: what it holds.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self.shape = (sum(len(s.labels) for s in manifest.shards), *manifest.shape)

    @functools.cached_property
    def records(self) -> Sequence[bytes]:
        """The records, by number."""
        # Only a run that reads from disk pays for Grain and its threads.
        import grain

        files = [str(self.folder / shard.file) for shard in self.manifest.shards if shard.labels]
        return grain.sources.ArrayRecordDataSource(files)  # pyright: ignore

    def __getitem__(self, number: int) -> UInt8[np.ndarray, "h w c"]:
        """One image."""
        try:
            record = self.records[int(number)]
        except RuntimeError as error:
            raise RecordsError(f"{self.folder}: record {number} cannot be read: {error}") from None
        return unpack(record, self.manifest.shape)

    def statistics(self, classes: Iterable[int]) -> tuple[Float[np.ndarray, "h w c"], float]:
        """The mean image of all training images of some classes, and the deviation of what is left.

        Args:
          classes: the classes.

        Returns:
          (mean image, standard deviation of the pixels from it), in grey levels.
        """
        wanted = set(classes)
        total, squares, count = np.zeros(self.manifest.shape), 0.0, 0
        for shard in self.manifest.shards:
            if shard.split == TEST or wanted.isdisjoint(shard.labels):
                continue
            with np.load(self.folder / statistics_file(shard.file), allow_pickle=False) as found:
                here = [i for i, label in enumerate(found["classes"]) if label in wanted]
                total += found["sums"][here].sum(axis=0, dtype=np.float64)
                squares += float(found["squares"][here].sum())
                count += int(found["counts"][here].sum())
        mean = total / count
        return mean, float(np.sqrt(max(0.0, squares / count / mean.size - np.mean(mean**2))))

    def __getstate__(self) -> dict[str, Any]:
        """Worker processes open the files themselves."""
        return {"folder": self.folder, "manifest": self.manifest, "shape": self.shape}


def open_records(folder: Path, *, stream: bool) -> ImageSet:
    """A prepared dataset.

    Args:
      folder: its folder.
      stream: whether images are read as training goes on, or all of them now.

    Returns:
      The dataset.

    Raises:
      RecordsError: it is not there, or damaged.
    """
    manifest = Manifest.read(folder)
    images = StoredImages(folder, manifest)
    labels: Int[np.ndarray, " image"] = np.array(
        [label for shard in manifest.shards for label in shard.labels], np.int32
    )
    subsets = [SUBSETS.index(shard.split) for shard in manifest.shards for _ in shard.labels]
    pixels = images if stream else np.stack([images[i] for i in range(len(labels))])
    subset = np.array(subsets, np.int8)
    return ImageSet(pixels, labels, subset, manifest.class_names, manifest.groups)
