"""Base networks taken over from another run, so that they are trained once."""

from collections.abc import Callable

from transfer_jax.checkpoints import save
from transfer_jax.conditions import Column
from transfer_jax.config import RUNNING_FIELDS, ConfigError
from transfer_jax.networks import restore_base
from transfer_jax.places import place
from transfer_jax.plan import GRID_FIELDS, Plan
from transfer_jax.results import read_rows, write_rows
from transfer_jax.whole_file import write_whole
from transfer_jax.workdir import Workdir, as_json, differences

# Fields that do not decide what a base network is.
OF_THE_GRID = (*GRID_FIELDS, "variants", "packing")


def take_bases(plan: Plan, folder: Workdir, say: Callable[[str], None]) -> None:
    """Copy the base networks that another run has, and their results; what it lacks is trained.

    Args:
      plan: the plan; `config.bases` is the other run's folder, or empty.
      folder: this run's folder.
      say: called with a line about what was done.

    Raises:
      ConfigError: the other folder holds no run, or one whose base networks are others; the
        fields that differ are named.
      CheckpointError: one of its networks is damaged or has another shape.
      ResultsError: one of its tables is damaged.
    """
    if not plan.config.bases:
        return
    other = Workdir(place(plan.config.bases, "bases"))
    ignored = (*RUNNING_FIELDS, *OF_THE_GRID)
    if not other.config.exists():
        raise ConfigError(f"bases is {other.path}, which holds no run")
    if odd := differences(other.read_config(), as_json(plan.config), ignored):
        raise ConfigError(f"the base networks of {other.path} are others: {'; '.join(odd)}")
    wave = next(columns for _, columns in plan.waves())
    wanted = [column for column in wave if not folder.column(column).exists()]
    taken = [column for column in wanted if other.column(column).exists()]
    for column in taken:
        _take(plan, column, other, folder)
    say(f"{len(taken)} of {len(wave)} base networks are those of {other.path}")


def _take(plan: Plan, column: Column, other: Workdir, folder: Workdir) -> None:
    (base,) = column.conditions
    save(folder.base_network(base), restore_base(plan, other, base))
    for name in ("curves", "metrics", "correct", "filters"):
        for path in (other.path / name).glob(f"{column.name}.*"):
            here = folder.path / name / path.name
            here.parent.mkdir(parents=True, exist_ok=True)
            write_whole(here, path.read_bytes())
    # Last: a column with rows is finished.
    write_rows(folder.column(column), read_rows(other.column(column)))
