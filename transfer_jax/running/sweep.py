"""One config over values of some of its fields: columns that share a program are one grid."""

import ast
import itertools
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields

from etils import epath
from rich.console import Console

from transfer_jax.engine.one_folder import check_one_folder
from transfer_jax.engine.processes import all_meet, is_first, said_by_first
from transfer_jax.folder.results import ResultRow
from transfer_jax.folder.whole_file import write_json, write_table
from transfer_jax.folder.workdir import SWEEP, Workdir, WorkdirError, workdir_at
from transfer_jax.plan.config import load_config
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.initialisers import Initialisers
from transfer_jax.running.experiment import checked_plan, train_and_report
from transfer_jax.running.run import Run
from transfer_jax.running.stopping import StopRequest

TABLE = "sweep.csv"
MOST_RUNS = 1000


@dataclass(frozen=True)
class Axis:
    """A field of the config, and the values that it takes."""

    field: str
    values: tuple[object, ...]


def parse_axis(text: str) -> Axis:
    """An axis as it is written on the command line.

    Args:
      text: `field=value,value`; values are Python's, or plain words.

    Returns:
      The axis.

    Raises:
      ConfigError: there is no field or no value, or a value stands there twice.

    Example:
      >>> parse_axis("optimizer.learning_rate=0.01,0.03")
      Axis(field='optimizer.learning_rate', values=(0.01, 0.03))
      >>> parse_axis("network.widths=(4,4),(8,8)").values
      ((4, 4), (8, 8))
    """
    field, equals, held = text.removeprefix("--config.").partition("=")
    if not equals or not held:
        raise ConfigError(f"'{text}' is no axis of a sweep; write --over FIELD=VALUE,VALUE")
    try:
        values = tuple(ast.literal_eval(f"({held},)"))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        values = tuple(held.split(","))
    if len(set(map(str, values))) != len(values):
        raise ConfigError(f"'{text}' holds a value twice")
    return Axis(field, values)


def run_sweep(
    config: str,
    overrides: Sequence[str],
    axes: Sequence[Axis],
    workdir: epath.PathLike,
    *,
    console: Console | None = None,
    stop: StopRequest | None = None,
) -> epath.Path:
    """Train a config at every combination of values; each is a run in a folder of its own.

    Runs that share a compiled program (they differ in seeds, splits, learning rate, weight decay,
    numbers of examples) are trained as columns of one grid; the others one after the other. Each
    gives what it gives alone.

    Args:
      config: file or name of the config.
      overrides: `--config.field=value` for all runs.
      axes: the fields that are varied.
      workdir: the folder of the sweep; runs lie below it.
      console: where progress is shown; None shows none.
      stop: whether the process was asked to stop; None never is.

    Returns:
      The table over all runs: one row a network, the varied fields first.

    Raises:
      ConfigError: an axis is not of this config, or a run is impossible.
      WorkdirError: the folder holds something else.
      Stopped: the process was asked to stop, and did; the same call goes on.
    """
    if console is None or not is_first():
        console = Console(quiet=True)
    parent = workdir_at(workdir)
    points = _points(axes)
    if len({name_of(axes, point) for point in points}) < len(points):
        raise ConfigError("two runs of this sweep would have one name; write values apart")
    runs = _runs(config, overrides, axes, points, parent, console.print)
    if is_first():
        _claim(parent, axes)
        for run in runs:
            run.folder.open()
    check_one_folder(parent.path)
    finished = said_by_first(lambda: [run.is_finished() for run in runs])
    todo = [run for run, done in zip(runs, finished, strict=True) if not done]
    console.print(f"{len(runs)} runs, {len(runs) - len(todo)} of them finished", highlight=False)
    if todo:
        train_and_report(todo, parent, console, stop or StopRequest())
    table = parent.path / TABLE
    with all_meet("the sweep's table") as first:
        if first:
            _write_table(table, axes, points, runs)
    return table


def _points(axes: Sequence[Axis]) -> list[tuple[object, ...]]:
    """Every combination of values."""
    names = [axis.field for axis in axes]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"{twice[0]} is varied twice; write all its values in one --over")
    if (count := math.prod(len(axis.values) for axis in axes)) > MOST_RUNS:
        raise ConfigError(f"this sweep has {count} runs; allowed: up to {MOST_RUNS}")
    return list(itertools.product(*(axis.values for axis in axes)))


def name_of(axes: Sequence[Axis], point: Sequence[object]) -> str:
    """The folder of one run of a sweep.

    Args:
      axes: the fields that are varied.
      point: their values.

    Returns:
      A name fit for a file.

    Example:
      >>> name_of([Axis("network.widths", ((4, 4), (8, 8)))], [(4, 4)])
      'widths=4,_4'
    """
    last = [axis.field.rpartition(".")[2] for axis in axes]
    names = last if len(set(last)) == len(last) else [axis.field for axis in axes]
    values = [re.sub(r"[^\w.,+-]+", "_", str(value)).strip("_,.") for value in point]
    return ",".join(f"{name}={value}" for name, value in zip(names, values, strict=True))


def _runs(
    config: str,
    overrides: Sequence[str],
    axes: Sequence[Axis],
    points: Sequence[Sequence[object]],
    parent: Workdir,
    say: Callable[[str], None],
) -> list[Run]:
    """A run at every point; those that share a program share the initialisers of its networks."""
    kept = [o for o in overrides if not o.startswith(tuple(f"--config.{a.field}=" for a in axes))]
    initialisers, runs = Initialisers(), []
    for point in points:
        varied = [f"--config.{a.field}={v}" for a, v in zip(axes, point, strict=True)]
        plan = checked_plan(load_config(config, [*kept, *varied]), say)
        runs.append(Run(plan, Workdir(parent.path / name_of(axes, point)), initialisers))
    return runs


def _claim(parent: Workdir, axes: Sequence[Axis]) -> None:
    parent.open()
    file = parent.path / SWEEP
    wanted = {axis.field: [str(value) for value in axis.values] for axis in axes}
    if not file.exists():
        write_json(file, wanted)
        return
    try:
        held = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise WorkdirError(f"{file} cannot be read: {error}") from None
    if not isinstance(held, dict) or set(held) != set(wanted):
        raise WorkdirError(f"{file} varies {', '.join(held)}; here {', '.join(wanted)} are varied")
    write_json(file, {field: list(dict.fromkeys([*held[field], *wanted[field]])) for field in held})


def _write_table(
    path: epath.Path, axes: Sequence[Axis], points: list[tuple[object, ...]], runs: list[Run]
) -> None:
    names = [*(axis.field for axis in axes), *(field.name for field in fields(ResultRow))]
    lines = [
        (*point, *astuple(row))
        for point, run in zip(points, runs, strict=True)
        for row in run.evidence().rows
    ]
    write_table(path, names, lines)
