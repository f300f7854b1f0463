"""What a person is told of a prepared dataset: what is in it, and whether it is still whole."""

import argparse
from pathlib import Path

from rich.console import Console

from transfer_jax.data.claim import place_of
from transfer_jax.data.made_from import difference, read_all, recorded
from transfer_jax.data.manifest import Manifest, RecordsError
from transfer_jax.data.originals.part import readable
from transfer_jax.data.preparation import damaged_files
from transfer_jax.data.sources import TFDS, check_source, find_originals, needs_preparing
from transfer_jax.data.summary import class_lines, note_lines
from transfer_jax.plan.components import build_images
from transfer_jax.plan.schema import Config


def summarise(config: Config, folder: Path, console: Console) -> None:
    """What was written, what was skipped, converted or left out, and what each class has."""
    manifest = Manifest.read(folder)
    images = build_images(config, stream=True)
    say(console, note_lines(manifest, str(folder)))
    say(console, class_lines(images))
    size = sum(shard.bytes for shard in manifest.shards)
    height, width, _ = manifest.shape
    counts = [f"{part.sum():,}" for part in (images.is_train, images.is_validation, images.is_test)]
    say(
        console,
        [
            f"{counts[0]} training, {counts[1]} validation and {counts[2]} test images of "
            f"{height}x{width} in {len(manifest.class_names)} classes, {size / 2**20:,.1f} MiB, in "
            f"{folder}"
        ],
    )


def check(config: Config, folder: Path, arguments: argparse.Namespace, console: Console) -> None:
    """Check that records are as they were written, and made from the originals as they are now.

    Args:
      config: names the dataset.
      folder: of its records.
      arguments: `manual_dir`, `data_dir` and `workers`, which say where the originals are.

    Raises:
      OriginalsError: originals are missing or damaged.
      RecordsError: records are damaged, or the originals are no longer what they were made from.
    """
    with console.status("reading every file"):
        damaged = damaged_files(folder)
    if damaged:
        raise RecordsError(
            f"{folder}: {', '.join(damaged)} changed since written; delete them and prepare again"
        )
    say(console, [f"{folder}: all files are as they were written"])
    source = config.data.source
    check_source(source)
    if not needs_preparing(source):
        return
    place = place_of(folder)
    given = arguments.data_dir if source.startswith(TFDS) else arguments.manual_dir
    if not Path(given or place).expanduser().is_dir():
        say(console, [f"{readable(given or place)} is not there: the originals are not compared"])
        return
    with console.status("reading every original"):
        originals = find_originals(source, given or place, given or place, download=False)
        changed = difference(recorded(folder), read_all(originals, arguments.workers))
    if changed:
        raise RecordsError(
            f"{readable(originals.place)} changed since {folder} was prepared: {changed}; prepare "
            "again (what kept its size and time is not noticed then: touch it first)"
        )
    say(console, [f"{readable(originals.place)}: all images are those it was made from"])


def say(console: Console, lines: list[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
