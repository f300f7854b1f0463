"""What a prepared dataset holds: its file `dataset.json`."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transfer_jax.data.image_set import SUBSETS

# Another number is another layout of the files, or other pixels from the same originals.
VERSION = 2
ENCODINGS = ("raw", "jpeg")
MANIFEST = "dataset.json"


class RecordsError(ValueError):
    """A prepared dataset that is not there, not finished, or damaged."""


@dataclass(frozen=True)
class Shard:
    """One file of records.

    Attributes:
      file: its name within the dataset's folder.
      subset: one of `SUBSETS`.
      labels: the class of each record.
      bytes: its size.
      sha256: its checksum.
      sums_sha256: that of the sums beside it; empty where there are none.
      skipped: (name, why) of the images that could not be used.
      converted: (name, what) of the images that were converted.
    """

    file: str
    subset: str
    labels: list[int]
    bytes: int
    sha256: str
    sums_sha256: str
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
      left_out: what of the originals was not read, and why, to how many.
      version: of the format.
    """

    source: str
    shape: tuple[int, int, int]
    encoding: str
    class_names: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    shards: tuple[Shard, ...]
    left_out: dict[str, int]
    version: int = VERSION

    @property
    def digest(self) -> str:
        """Changes with what a run would see, and with nothing else: no path and no time."""
        shards = [(shard.subset, shard.labels, shard.sha256) for shard in self.shards]
        seen = [self.class_names, self.groups, self.shape, self.encoding, shards]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()

    def to_json(self) -> str:
        """The manifest as text."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, folder: Path, *, whole: bool = True) -> "Manifest":
        """The manifest of a dataset; RecordsError where it is missing, damaged or of old.

        Its files must be there, too, unless it is read to mend them (`whole` is False).
        """
        path = folder / MANIFEST
        try:
            found: dict[str, Any] = json.loads(path.read_text())
            check_version(folder, found.get("version", 1))
            shards = tuple(Shard(**shard) for shard in found.pop("shards"))
            names, shape = tuple(found.pop("class_names")), tuple(found.pop("shape"))
            groups = {name: tuple(classes) for name, classes in found.pop("groups").items()}
            manifest = cls(shape=shape, class_names=names, groups=groups, shards=shards, **found)
        except FileNotFoundError:
            raise RecordsError(f"{folder} holds no prepared dataset") from None
        except RecordsError:
            raise
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise RecordsError(f"{path} is damaged: {error}; prepare again") from None
        if manifest.encoding not in ENCODINGS:
            raise RecordsError(f"{path} is damaged: encoding '{manifest.encoding}'; prepare again")
        for shard in manifest.shards if whole else ():
            _check_shard(folder, shard, len(names))
        return manifest


def check_version(folder: Path, found: object) -> None:
    """Check that a dataset is of this format.

    Args:
      found: the version that it says.

    Raises:
      RecordsError: it is of another.
    """
    if found != VERSION:
        raise RecordsError(
            f"{folder} holds a dataset of format {found}, not {VERSION}, made by another version "
            "of transfer_jax; prepare again, in another data.folder or after deleting this one"
        )


def _check_shard(folder: Path, shard: Shard, classes: int) -> None:
    path = folder / shard.file
    if path.parent != folder:
        raise RecordsError(f"{folder / MANIFEST} names {shard.file}, outside of its folder")
    if shard.subset not in SUBSETS:
        raise RecordsError(f"{path} is for '{shard.subset}', none of {', '.join(SUBSETS)}")
    if shard.labels and not 0 <= min(shard.labels) <= max(shard.labels) < classes:
        raise RecordsError(f"{path} has labels outside of the {classes} classes; prepare again")
    size = path.stat().st_size if path.is_file() else None
    if size != shard.bytes:
        found = "is missing" if size is None else f"has {size:,} bytes, not {shard.bytes:,}"
        raise RecordsError(f"{path} {found}; prepare again")
