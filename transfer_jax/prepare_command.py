"""The command `transfer-jax prepare`: a dataset's images in one size and one place."""

import argparse
import shlex
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from transfer_jax.config import Config, ConfigError, load_config
from transfer_jax.data.decoding import RESIZES, ImageForm
from transfer_jax.data.originals.part import TRAIN
from transfer_jax.data.preparation import Preparation, damaged_shards, prepare
from transfer_jax.data.records import ENCODINGS, Manifest, RecordsError
from transfer_jax.data.sources import find_originals
from transfer_jax.places import local

SHOWN = 20


def prepare_command(arguments: argparse.Namespace, overrides: list[str], console: Console) -> None:
    """Prepare the dataset of a config, or check one that is prepared.

    Args:
      arguments: `config`, `manual_dir`, `data_dir`, `workers` and `check`.
      overrides: `--config.field=value` arguments.
      console: where to print.

    Raises:
      ConfigError: the config names no folder, size or encoding.
      PlaceError: a folder is not on this machine.
      OriginalsError: files are missing or damaged.
      RecordsError: the folder cannot be written, or records are damaged.
    """
    config = load_config(arguments.config, overrides)
    folder = local(config.data.folder, "data.folder")
    if arguments.check:
        _check(folder, console)
        return
    with console.status("looking at the files"):
        originals = find_originals(config.data.source, arguments.manual_dir, arguments.data_dir)
    settings = _settings(config, originals.channels)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("parts, {task.fields[images]:,} images"),
               TimeRemainingColumn(compact=True))  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"preparing {config.data.source}", total=None, images=0)
        for done in prepare(originals, settings, folder, arguments.workers):
            bar.update(task, total=done.all_parts, completed=done.parts, images=done.images)
    _summarise(Manifest.read(folder), folder, console)
    flags = shlex.join([f"--config={arguments.config}", *overrides])
    console.print(f"Next: transfer-jax run {flags}", highlight=False, soft_wrap=True)


def _settings(config: Config, channels: int) -> Preparation:
    form = config.data.get("form")
    if form is None or not config.data.folder:
        raise ConfigError(
            "this config's data cannot be prepared: it needs data.folder and data.form"
        )
    if form.resize not in RESIZES:
        raise ConfigError(f"data.form.resize is '{form.resize}'; allowed: {', '.join(RESIZES)}")
    if form.encoding not in ENCODINGS:
        allowed = ", ".join(ENCODINGS)
        raise ConfigError(f"data.form.encoding is '{form.encoding}'; allowed: {allowed}")
    if form.size < 1:
        raise ConfigError(f"data.form.size is {form.size}; allowed: whole numbers from 1")
    return Preparation(
        config.data.source, ImageForm(form.size, form.resize, channels), form.encoding
    )


def _summarise(manifest: Manifest, folder: Path, console: Console) -> None:
    """What was written, and every image that was skipped or converted."""
    for word in ("skipped", "converted"):
        found = [note for shard in manifest.shards for note in getattr(shard, word)]
        if found:
            console.print(f"{len(found):,} images {word}:", highlight=False)
        for name, why in found[:SHOWN]:
            console.print(f"  {name}: {why}", highlight=False, soft_wrap=True, markup=False)
        if len(found) > SHOWN:
            console.print(f"  and {len(found) - SHOWN:,} more; {folder}/dataset.json has them all")
    train = sum(len(s.labels) for s in manifest.shards if s.split == TRAIN)
    every = sum(len(s.labels) for s in manifest.shards)
    size = sum(s.bytes for s in manifest.shards)
    height, width, _ = manifest.shape
    console.print(
        f"{train:,} training and {every - train:,} test images of {height}x{width} in "
        f"{len(manifest.class_names)} classes, {size / 2**20:,.1f} MiB, in {folder}",
        highlight=False,
        soft_wrap=True,
    )


def _check(folder: Path, console: Console) -> None:
    with console.status("reading every file"):
        damaged = damaged_shards(folder)
    if damaged:
        raise RecordsError(
            f"{folder}: {', '.join(damaged)} changed since written; delete them and prepare again"
        )
    console.print(f"{folder}: all files are as they were written", highlight=False)
