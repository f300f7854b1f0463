"""Prepare a dataset: its images in one size and one place, part by part, on all cores.

A part's files are named after what it was made from. So what is there already is kept, what changed
is made anew beside it, and the dataset that was there stays whole until the manifest of the new one
takes its place; then what that does not name is removed.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etils import epath

from transfer_jax.data.assembly import assembled
from transfer_jax.data.claim import claim
from transfer_jax.data.class_sums import statistics_file
from transfer_jax.data.in_processes import in_processes
from transfer_jax.data.manifest import MANIFEST, Manifest
from transfer_jax.data.originals.part import Originals
from transfer_jax.data.prepared_part import (
    Preparation,
    finished,
    prepare_part,
    sha256_of,
    stamp_of,
    stem_of,
)
from transfer_jax.folder.places import local
from transfer_jax.folder.whole_file import write_whole

# Seconds for which a file may be written to without being seen to grow.
LATELY = 120
OURS = re.compile(r"\.?(train|validation|test)-[0-9a-f]{16}\.[a-z0-9_.]+")


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
      folder: where the records go; a dataset that is there is brought up to date.
      workers: processes; None for one a core, 0 for threads of this one.

    Returns:
      Progress, after every part; when it ends, the dataset is whole.

    Raises:
      RecordsError: the folder holds another dataset, the disk is full, or no image can be used.
      OriginalsError: a file is damaged; all other parts that were begun are finished first.
      PlaceError: the folder is not on this machine.
    """
    folder = local(folder, "data.folder")
    if not claim(folder, settings, originals, workers):
        return
    stamps = [stamp_of(part, settings) for part in originals.parts]
    stems = [stem_of(*pair) for pair in zip(originals.parts, stamps, strict=True)]
    done = {
        stem: part
        for stem, stamp in zip(stems, stamps, strict=True)
        if (part := finished(folder, stem, stamp))
    }
    images = sum(len(part.labels) for part in done.values())
    yield Progress(len(done), len(stems), images)
    left = [
        (part, settings, folder, originals.class_names)
        for stem, part in zip(stems, originals.parts, strict=True)
        if stem not in done
    ]
    for made in in_processes(prepare_part, left, folder, workers):
        done[Path(made.file).stem] = made
        images += len(made.labels)
        yield Progress(len(done), len(stems), images)
    manifest = assembled(originals, settings, folder, [done[stem] for stem in stems])
    write_whole(epath.Path(folder / MANIFEST), manifest.to_json())
    _remove_stale(folder, set(stems))


def damaged_files(folder: Path) -> list[str]:
    """The files of a prepared dataset whose content is not what was written.

    Args:
      folder: the dataset's folder.

    Returns:
      Names of files.

    Raises:
      RecordsError: it is not there, or a file is missing or cut short.
    """
    written = {}
    for shard in Manifest.read(folder).shards:
        written[shard.file] = shard.sha256
        if shard.sums_sha256:
            written[statistics_file(shard.file)] = shard.sums_sha256
    return [
        name
        for name, digest in written.items()
        if not (folder / name).is_file() or sha256_of(folder / name) != digest
    ]


def _remove_stale(folder: Path, stems: set[str]) -> None:
    """Remove the parts of what was prepared here before, and what a killed process left."""
    for path in folder.iterdir():
        is_kept = path.name.partition(".")[0] in stems or _is_being_written(path)
        if OURS.fullmatch(path.name) and not is_kept:
            path.unlink(missing_ok=True)


def _is_being_written(path: Path) -> bool:
    """Whether it may be a part that another process prepares now, here or on another machine."""
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:  # It is whole now, and has its own name.
        return True
    return path.name.startswith(".") and age < LATELY
