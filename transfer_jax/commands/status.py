"""The command `transfer-jax status`: how far a run is, seen from another shell."""

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

from transfer_jax.commands.durations import duration
from transfer_jax.commands.usage import Parser, given

if TYPE_CHECKING:
    from rich.console import Console

    from transfer_jax.analysis.raced import Raced
    from transfer_jax.folder.workdir import Workdir

TASK = "show how far a run is, from another shell"


def add_arguments(parser: Parser) -> None:
    """What is typed after `status`."""
    parser.add_argument("workdir", type=given, help="folder of the run")


def main(arguments: argparse.Namespace, _: list[str], console: "Console") -> None:
    """Show the columns of a run or the last look of its race, the time left, and what diverged.

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
    found = [_standing(run, f"{run.path.name}: " if is_sweep else "") for run in runs]
    header = ("run", "base columns", "condition columns", "state")
    print_table(console, header, [own.row for own in found])
    races = [race for own in found for race in own.races]
    # Of a race, ways that failed are told by their looks.
    shown = [] if races else map(str, facts.get("diverged") or [])
    diverged = dict.fromkeys([*shown, *(name for own in found for name in own.diverged)])
    lines = [line for own in found for line in own.lines]
    lines += [_now(folder, facts, races), f"diverged: {', '.join(diverged) or 'none'}"]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)


class _Standing(NamedTuple):
    """How far a run is: its row of the table, its races, lines about them, and what diverged."""

    row: tuple[str, ...]
    races: "list[Raced]"
    lines: list[str]
    diverged: list[str]


def _standing(run: "Workdir", where: str) -> _Standing:
    names, diverged = _finished(run)
    counts = [sum(base == (".base-" in name) for name in names) for base in (True, False)]
    bases, conditions = (f"{count} finished" for count in counts)
    races, damage = _races(run)
    lines = [f"{where}{race.last_look}" for race in races]
    if damage:
        conditions, lines, diverged = "damaged", [damage], []
    elif races:
        conditions = _ways(races)
        diverged = [f"{where}{name}" for race in races for name in _failed(race)]
    is_over = run.results.exists() and all(race.outcome.is_over for race in races)
    state = "finished" if is_over else "not finished"
    return _Standing((str(run.path), bases, conditions, state), races, lines, diverged)


def _now(folder: "Workdir", facts: dict[str, Any], races: "list[Raced]") -> str:
    from transfer_jax.folder.lock import holder

    who = holder(folder.lock)
    done = f"step {facts.get('steps_done', 0)} of {facts.get('steps', '?')} of all columns"
    where = f"{facts.get('wave', '')}, {facts.get('where') or facts.get('column', '')}"
    if races:  # How many steps there are depends on looks that are still to come.
        done = f"{facts.get('steps_done', 0)} steps done"
    if who:
        left = facts.get("seconds_left")
        rest = f", {duration(left)} left" if isinstance(left, int | float) else ""
        return f"training in {who}: {where}, {done}{rest}"
    if races and all(race.outcome.is_over for race in races):
        return "nothing is being trained; the race is over"
    if facts.get("state") == "trained" and not races:
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


def _races(run: "Workdir") -> "tuple[list[Raced], str]":
    """As they stand now, whatever is said until a larger budget is spent; or what is damaged."""
    from transfer_jax.analysis.raced import race_of
    from transfer_jax.folder.race_files import read_race
    from transfer_jax.folder.results import ResultsError

    try:
        file = read_race(run.race)
        return [race_of(run.path, file, task) for task in file.tasks] if file else [], ""
    except ResultsError as error:
        return [], str(error)


def _ways(races: "list[Raced]") -> str:
    ways = sum(len(race.outcome.rules.arms) for race in races)
    return f"{sum(len(race.outcome.finished) for race in races)} of {ways} ways finished"


def _failed(race: "Raced") -> list[str]:
    """Its ways whose loss was no number, and the look that saw it first."""
    from transfer_jax.analysis.statistics.choices import typed

    rounds = race.outcome.rounds
    failed = race.outcome.failed
    return [f"{race.task} {typed(own.arm)} ({rounds[own.look - 1].look})" for own in failed]
