"""The command `transfer-jax prepare`."""

import argparse
from typing import TYPE_CHECKING

from transfer_jax.commands.arguments import add_config
from transfer_jax.commands.usage import Parser, given, whole

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from transfer_jax.plan.schema import Config

TASK = "bring a dataset's images into one size and one place"


def add_arguments(parser: Parser) -> None:
    """What is typed after `prepare`."""
    add_config(parser)
    parser.add_argument(
        "--manual_dir", type=given, help="folder of files downloaded by hand; default: none"
    )
    parser.add_argument(
        "--data_dir", type=given, help="where TFDS keeps its datasets; default: its own"
    )
    parser.add_argument("--workers", type=whole, help="processes; default: one a core")
    parser.add_argument(
        "--check", action="store_true", help="check what is prepared already; default: no"
    )


def main(arguments: argparse.Namespace, overrides: list[str], console: "Console") -> None:
    """Prepare the dataset of a config, or check one that is prepared.

    Raises:
      ConfigError: the config or an argument is wrong.
      PlaceError: a folder is not on this machine.
      OriginalsError: files are missing or damaged.
      RecordsError: the folder cannot be written or holds another dataset, records are damaged, or
        the originals are no longer what the records were made from.
    """
    from transfer_jax.commands.prepared import check, say, summarise
    from transfer_jax.folder.places import local
    from transfer_jax.plan.config import load_config
    from transfer_jax.plan.next_run import next_run
    from transfer_jax.plan.own_sizes import with_own_sizes

    config = with_own_sizes(load_config(arguments.config, overrides))
    folder = local(config.data.folder, "data.folder")
    if arguments.check:
        check(config, folder, arguments, console)
        return
    changed = _prepare(config, folder, arguments, console)
    say(console, [f"Brought up to date: {changed}"] if changed else [])
    summarise(config, folder, console)
    say(console, next_run(config, [f"--config={arguments.config}", *overrides]))


def _prepare(
    config: "Config", folder: "Path", arguments: argparse.Namespace, console: "Console"
) -> str:
    """Prepare the dataset; how its originals differ from those that were prepared before."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from transfer_jax.data.made_from import difference, recorded
    from transfer_jax.data.preparation import prepare
    from transfer_jax.data.prepared_part import Preparation
    from transfer_jax.data.sources import find_originals
    from transfer_jax.plan.own_folder import form_of

    with console.status("looking at the files"):
        originals = find_originals(config.data.source, arguments.manual_dir, arguments.data_dir)
    form = config.data.form
    settings = Preparation(config.data.source, form_of(form, originals.channels), form.encoding)
    before = recorded(folder)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TextColumn("parts, {task.fields[images]:,} images"),
               TimeRemainingColumn(compact=True))  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"preparing {config.data.source}", total=None, images=0)
        for done in prepare(originals, settings, folder, arguments.workers):
            bar.update(task, total=done.all_parts, completed=done.parts, images=done.images)
    return difference(before, recorded(folder)) if before else ""
