"""The command `transfer-jax report`: of one run, of several side by side, of the authors'."""

import argparse
import shlex
import time
from typing import TYPE_CHECKING

from transfer_jax.commands.usage import MARGIN, Parser, UsageError, given, share, whole

if TYPE_CHECKING:
    from etils import epath
    from rich.console import Console

    from transfer_jax.analysis.evidence import Evidence


TASK = "write the report of a run, or of several side by side"


def add_arguments(parser: Parser) -> None:
    """What is typed after `report`."""
    parser.add_argument(
        "workdirs", nargs="*", metavar="workdir", type=given,
        help="folder of a run, finished or not; several are compared, as are the runs of a sweep",
    )  # fmt: skip
    parser.add_argument(
        "--to", type=given,
        help="folder of a comparison; default: comparison, beside the runs; or of --reference; "
        "default: runs/reference",
    )  # fmt: skip
    parser.add_argument(
        "--watch", action="store_true", help="again and again until it is finished; default: once"
    )
    parser.add_argument(
        "--every", type=whole, default=30, help="seconds between, for --watch; default: %(default)s"
    )
    parser.add_argument("--margin", type=share, help=MARGIN)
    parser.add_argument(
        "--reference", action="store_true", help="the authors' own numbers; default: a run's"
    )


def main(arguments: argparse.Namespace, _: list[str], console: "Console") -> None:
    """Write the report of a run, finished or not; or compare runs; or show the authors' numbers.

    Raises:
      UsageError: no folder is given, or several are watched.
      ValueError: a folder is not there.
    """
    from transfer_jax.analysis.page.comparison import write_comparison
    from transfer_jax.analysis.page.report import write_reference
    from transfer_jax.folder.places import place

    if arguments.reference:
        folder = arguments.to or next(iter(arguments.workdirs), "runs/reference")
        _told(write_reference(place(folder, "--to")), console)
        return
    if not arguments.workdirs:
        raise UsageError("report needs the folder of a run, or --reference")
    folders = [run for name in arguments.workdirs for run in _runs(place(name, "workdir"))]
    if len(folders) > 1:
        if arguments.watch:
            raise UsageError("--watch follows one run; give one folder")
        to = place(arguments.to or folders[0].parent / "comparison", "--to")
        _told(
            write_comparison([_read(folder, arguments.margin) for folder in folders], to), console
        )
    elif arguments.watch:
        _watch(folders[0], arguments.every, arguments.margin, console)
    else:
        evidence, files = _write(folders[0], arguments.margin)
        _tell_run(evidence, files, console)


def show_results(evidence: "Evidence", console: "Console", *, export: bool = True) -> None:
    """Print the tables of a run, what they say, and what is missing.

    Args:
      export: whether it is told how the network to take becomes a file.
    """
    from transfer_jax.analysis.best_network import best_network
    from transfer_jax.analysis.page.notes import (
        chance_note,
        divergence_note,
        interval_note,
        unfinished_note,
    )
    from transfer_jax.analysis.paper.beside_authors import boost_note
    from transfer_jax.analysis.pretrained_tables import meanings_lines, pretrained_tables
    from transfer_jax.analysis.race_advice import race_lines, race_tables
    from transfer_jax.analysis.tables import accuracy_table, gain_table, shown, title
    from transfer_jax.commands.terminal import print_table

    found = evidence.numbers
    if evidence.is_pretrained:
        tables = pretrained_tables(found, evidence.parameters)
    else:
        tables = shown(make(own) for own in found for make in (accuracy_table, gain_table))
    for table in [*race_tables(evidence.races, why=False), *tables]:
        print_table(console, table.header, table.rows, title=table.title)
    pairs = zip(found, evidence.advice, strict=True)
    advice = [f"{title(own)}: {told.verdict}" for own, told in pairs]
    best = best_network(evidence)
    words = meanings_lines(found, evidence.raced) if evidence.is_pretrained else []
    if evidence.races:
        advice = race_lines(evidence)
    notes = [chance_note(evidence), interval_note(found) if found else "", boost_note(found)]
    lines = [*words, *notes, *advice]
    lines += [best.told] if best else []
    lines += [f"Next: {best.command}"] if best and best.command and export else []
    for line in filter(None, lines):
        console.print(line, highlight=False, soft_wrap=line.startswith("Next: "))
    warnings = [unfinished_note(evidence), divergence_note(evidence.rows), *evidence.problems]
    for line in filter(None, warnings):
        console.print(line, style="bold red", highlight=False, markup=False)


def check_answered(evidence: "Evidence") -> None:
    """Check that races which are over have trained something to its end.

    Args:
      evidence: a run's folder.

    Raises:
      ValueError: they have not; there is no network to take.
    """
    if evidence.races and not evidence.rows:
        from transfer_jax.analysis.statistics.race_telling import answer_of

        told = " ".join(dict.fromkeys(answer_of(own.outcome) for own in evidence.races))
        raise ValueError(f"{told} There is no network to take; {evidence.folder} has the report")


def _runs(folder: "epath.Path") -> "list[epath.Path]":
    """A run's folder; of a sweep, its runs'."""
    from transfer_jax.folder.workdir import SWEEP

    if not folder.exists():
        raise ValueError(f"{folder} is not there; give the folder of a run")
    if not (folder / SWEEP).exists():
        return [folder]
    return sorted(path for path in folder.iterdir() if (path / "config.json").exists())


def _read(folder: "epath.Path", margin: float | None) -> "Evidence":
    """A run, with another margin than its config's where one is given."""
    from transfer_jax.analysis.reading import read_evidence

    return read_evidence(folder).with_margin(margin)


def _write(
    folder: "epath.Path", margin: float | None, reload_seconds: int = 0
) -> "tuple[Evidence, list[epath.Path]]":
    from transfer_jax.analysis.page.report import write_report

    evidence = _read(folder, margin)
    again = 0 if evidence.finished else reload_seconds
    return evidence, write_report(evidence, reload_seconds=again)


def _watch(folder: "epath.Path", seconds: int, margin: float | None, console: "Console") -> None:
    """Write the report again and again until the run is finished."""
    count = -1
    while True:
        evidence, files = _write(folder, margin, seconds)
        if len(evidence.rows) != count:
            count = len(evidence.rows)
            planned = f" of {evidence.planned}" if evidence.planned else ""
            line = f"{files[-1]}: {count}{planned} networks"
            console.print(line, highlight=False, soft_wrap=True)
        if evidence.finished:
            break
        time.sleep(seconds)
    _tell_run(evidence, files, console)


def _tell_run(evidence: "Evidence", files: "list[epath.Path]", console: "Console") -> None:
    from transfer_jax.folder.extras import left_out

    show_results(evidence, console)
    if note := left_out("tables"):
        console.print(note, highlight=False, soft_wrap=True)
    _told(files, console)


def _told(files: "list[epath.Path]", console: "Console") -> None:
    console.print("Written: " + ", ".join(map(str, files)), highlight=False, soft_wrap=True)
    console.print(f"Next: open {shlex.quote(str(files[-1]))}", highlight=False, soft_wrap=True)
