"""The command `transfer-jax prepare`: a dataset's images in one size and one place."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from transfer_jax.data.claim import place_of
from transfer_jax.data.decoding import ImageForm
from transfer_jax.data.made_from import difference, read_all, recorded
from transfer_jax.data.manifest import Manifest, RecordsError
from transfer_jax.data.originals.part import readable
from transfer_jax.data.preparation import damaged_files, prepare
from transfer_jax.data.prepared_part import Preparation
from transfer_jax.data.sources import TFDS, check_source, find_originals, needs_preparing
from transfer_jax.data.summary import class_lines, note_lines
from transfer_jax.folder.places import local
from transfer_jax.plan.components import build_images
from transfer_jax.plan.config import load_config
from transfer_jax.plan.next_run import next_run
from transfer_jax.plan.schema import Config


def prepare_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Prepare the dataset of a config, or check one that is prepared.

    Args:
      arguments: `config`, `manual_dir`, `data_dir`, `workers` and `check`.
      overrides: `--config.field=value` arguments.
      console: where to print.

    Raises:
      ConfigError: the config or an argument is wrong.
      PlaceError: a folder is not on this machine.
      OriginalsError: files are missing or damaged.
      RecordsError: the folder cannot be written or holds another dataset, records are damaged, or
        the originals are no longer what the records were made from.
    """
    config = load_config(arguments.config, overrides)
    folder = local(config.data.folder, "data.folder")
    if arguments.check:
        _check(config, folder, arguments, console)
        return
    with console.status("looking at the files"):
        originals = find_originals(config.data.source, arguments.manual_dir, arguments.data_dir)
    form = config.data.form
    image_form = ImageForm(form.size, form.resize, originals.channels, form.background)
    settings = Preparation(config.data.source, image_form, form.encoding)
    before = recorded(folder)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("parts, {task.fields[images]:,} images"),
               TimeRemainingColumn(compact=True))  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"preparing {config.data.source}", total=None, images=0)
        for done in prepare(originals, settings, folder, arguments.workers):
            bar.update(task, total=done.all_parts, completed=done.parts, images=done.images)
    changed = difference(before, recorded(folder)) if before else ""
    _say(console, [f"Brought up to date: {changed}"] if changed else [])
    _summarise(config, folder, console)
    _say(console, next_run(config, [f"--config={arguments.config}", *overrides]))


def _summarise(config: Config, folder: Path, console: Console) -> None:
    """What was written, what was skipped, converted or left out, and what each class has."""
    manifest = Manifest.read(folder)
    images = build_images(config, stream=True)
    _say(console, note_lines(manifest, str(folder)))
    _say(console, class_lines(images))
    size = sum(shard.bytes for shard in manifest.shards)
    height, width, _ = manifest.shape
    counts = [f"{part.sum():,}" for part in (images.is_train, images.is_validation, images.is_test)]
    _say(
        console,
        [
            f"{counts[0]} training, {counts[1]} validation and {counts[2]} test images of "
            f"{height}x{width} in {len(manifest.class_names)} classes, {size / 2**20:,.1f} MiB, in "
            f"{folder}"
        ],
    )


def _check(config: Config, folder: Path, arguments: argparse.Namespace, console: Console) -> None:
    """Whether the records are as written, and made from the originals as they are now."""
    with console.status("reading every file"):
        damaged = damaged_files(folder)
    if damaged:
        raise RecordsError(
            f"{folder}: {', '.join(damaged)} changed since written; delete them and prepare again"
        )
    _say(console, [f"{folder}: all files are as they were written"])
    source = config.data.source
    check_source(source)
    if not needs_preparing(source):
        return
    place = place_of(folder)
    given = arguments.data_dir if source.startswith(TFDS) else arguments.manual_dir
    if not Path(given or place).expanduser().is_dir():
        _say(console, [f"{readable(given or place)} is not there: the originals are not compared"])
        return
    with console.status("reading every original"):
        originals = find_originals(source, given or place, given or place, download=False)
        changed = difference(recorded(folder), read_all(originals, arguments.workers))
    if changed:
        raise RecordsError(
            f"{readable(originals.place)} changed since {folder} was prepared: {changed}; prepare "
            "again (what kept its size and time is not noticed then: touch it first)"
        )
    _say(console, [f"{readable(originals.place)}: all images are those it was made from"])


def _say(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
