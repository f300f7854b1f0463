"""The command `transfer-jax status`: how far a run is, seen from another shell."""

import argparse
from typing import TYPE_CHECKING, Any

from transfer_jax.commands.durations import duration
from transfer_jax.commands.usage import Parser, given

if TYPE_CHECKING:
    from rich.console import Console

    from transfer_jax.folder.workdir import Workdir

TASK = "show how far a run is, from another shell"


def add_arguments(parser: Parser) -> None:
    """What is typed after `status`."""
    parser.add_argument("workdir", type=given, help="folder of the run")


def main(arguments: argparse.Namespace, _: list[str], console: "Console") -> None:
    """Show the waves of a run, its progress, the time left and the conditions that diverged.

    Raises:
      WorkdirError: the folder holds no run.
    """
    from transfer_jax.commands.terminal import print_table
    from transfer_jax.folder.whole_file import read_json
    from transfer_jax.folder.workdir import SWEEP, Workdir, WorkdirError, workdir_at

    folder = workdir_at(arguments.workdir)
    is_sweep = (folder.path / SWEEP).exists()
    if not is_sweep and not folder.config.exists():
        raise WorkdirError(f"{folder.path} holds no run")
    facts = read_json(folder.progress)
    runs = [folder]
    if is_sweep:
        runs = [Workdir(p) for p in sorted(folder.path.iterdir()) if (p / "config.json").exists()]
    rows = []
    diverged = dict.fromkeys(map(str, facts.get("diverged") or []))
    for run in runs:
        names, bad = _finished(run)
        diverged |= dict.fromkeys(bad)
        counts = [sum(base == (".base-" in name) for name in names) for base in (True, False)]
        state = "finished" if run.results.exists() else "not finished"
        rows.append((str(run.path), *(f"{count} finished" for count in counts), state))
    print_table(console, ("run", "base columns", "condition columns", "state"), rows)
    for line in (_now(folder, facts), f"diverged: {', '.join(diverged) or 'none'}"):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _now(folder: "Workdir", facts: dict[str, Any]) -> str:
    from transfer_jax.folder.lock import holder

    who = holder(folder.lock)
    done = f"step {facts.get('steps_done', 0)} of {facts.get('steps', '?')} of all columns"
    where = f"{facts.get('wave', '')}, {facts.get('where') or facts.get('column', '')}"
    if who:
        left = facts.get("seconds_left")
        rest = f", {duration(left)} left" if isinstance(left, int | float) else ""
        return f"training in {who}: {where}, {done}{rest}"
    if facts.get("state") == "trained":
        return "nothing is being trained; all columns are done"
    return f"nothing is being trained ({facts.get('state', 'never begun')}); {done}; run it again"


def _finished(run: "Workdir") -> tuple[list[str], list[str]]:
    """The finished columns, and the conditions in them that diverged."""
    from transfer_jax.folder.results import ResultsError, read_rows

    names, bad = [], []
    for path in run.tables():
        try:
            rows = read_rows(path)
        except ResultsError:
            continue
        names.append(path.name)
        bad += [f"{r.split}.seed{r.seed} {r.label} (step {r.diverged})" for r in rows if r.diverged]
    return names, bad
