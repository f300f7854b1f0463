"""What the scripts of the paper share: train a config or find it trained, and write a result."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from etils import epath
from rich.console import Console

import transfer_jax as tj
from transfer_jax.analysis.figures.paper_figures import paper_figures
from transfer_jax.analysis.page.report import write_page
from transfer_jax.analysis.paper.original import original_rows, statistic_of
from transfer_jax.analysis.tables import Table, shown
from transfer_jax.commands.machine import prepare_machine
from transfer_jax.folder.results import ResultRow
from transfer_jax.plan.config import load_config

Script = Callable[[argparse.Namespace, list[str]], None]
CONSOLE = Console()


def arguments(doc: str | None) -> tuple[argparse.Namespace, list[str]]:
    """What every script takes; what is left over overrides fields of the configs."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--scale", choices=("full", "tiny"), default="full")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where workdirs lie")
    return parser.parse_known_args()


def trained(
    config: str, given: argparse.Namespace, overrides: Sequence[str], name: str | None = None
) -> list[ResultRow]:
    """The networks of a config: trained now, gone on with, or found finished."""
    workdir = _folder(given) / (name or config)
    prepare_machine()
    loaded = load_config(config, [f"--config.scale={given.scale}", *overrides])
    CONSOLE.print(f"{config}: {workdir}", highlight=False)
    return list(tj.run(loaded, workdir, console=CONSOLE).rows)


def draw(
    name: str,
    title: str,
    rows: Sequence[ResultRow],
    given: argparse.Namespace,
    tables: Sequence[Table | None] = (),
    experiments: Sequence[str] = (),
) -> None:
    """Write one figure of the paper, and a page with it; the authors' in grey at full scale."""
    theirs = [row for e in experiments for row in original_rows(e)] if given.scale == "full" else []
    figures = {n: figure for n, figure in paper_figures(rows, theirs).items() if n == name}
    folder = epath.Path(_folder(given) / "paper")
    page = title.lower().replace(" ", "_")
    statistic = statistic_of(rows, theirs)
    files = write_page(folder, page, title, [], figures, shown(tables), statistic)
    CONSOLE.print("Written: " + ", ".join(map(str, files)), highlight=False, soft_wrap=True)


def main(script: Script, doc: str | None) -> None:
    """Run a script; bad input is one line."""
    try:
        script(*arguments(doc))
    except (ValueError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")


def _folder(given: argparse.Namespace) -> Path:
    return given.runs if given.scale == "full" else given.runs / given.scale
