"""Base networks taken over from another run, so that they are trained once."""

from collections.abc import Callable

from transfer_jax.data.identity import identity, identity_differences
from transfer_jax.folder.places import place
from transfer_jax.folder.rates import read_chosen
from transfer_jax.folder.results import read_rows, write_rows
from transfer_jax.folder.whole_file import read_json, write_whole
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Column
from transfer_jax.grid.families import Family
from transfer_jax.plan.differences import differences
from transfer_jax.plan.fields import Affects, ConfigError
from transfer_jax.plan.optimizer_fields import rates_of
from transfer_jax.running.bases import restore_base, save_base
from transfer_jax.running.claim import held_config
from transfer_jax.running.run import Run

# What does not decide what a base network is.
OF_OTHERS = (Affects.RUNNING, Affects.COLUMNS, Affects.CONDITIONS)


def run_with_bases(run: Run) -> Workdir | None:
    """The other run whose base networks are taken, which trained them as this run would.

    It is looked at before anything is trained; which rate each run chose is not known then.

    Args:
      run: this run; `config.bases` is the other run's folder, or empty.

    Returns:
      Its folder; None where none is named.

    Raises:
      ConfigError: the other folder holds no run, or one whose base networks are others or saw
        other images; what differs is named.
    """
    plan = run.plan
    if not plan.config.bases:
        return None
    other = Workdir(place(plan.config.bases, "bases"))
    if other == run.folder:
        raise ConfigError(f"bases is {other.path}, this run's own folder; name another run's")
    if not other.config.exists():
        raise ConfigError(f"bases is {other.path}, which holds no run")
    if odd := differences(held_config(other), plan.config, OF_OTHERS):
        raise ConfigError(f"the base networks of {other.path} are others: {'; '.join(odd)}")
    if odd := identity_differences(read_json(other.data), identity(plan.recipe.images)):
        raise ConfigError(f"the base networks of {other.path} saw other images: {'; '.join(odd)}")
    return other


def take_bases(run: Run, say: Callable[[str], None]) -> None:
    """Copy the base networks that another run has, and their results; what it lacks is trained.

    Args:
      run: this run; `config.bases` is the other run's folder, or empty.
      say: called with a line about what was done.

    Raises:
      ConfigError: the other folder holds no run, or one whose base networks are others or saw
        other images; what differs is named.
      CheckpointError: one of its networks is damaged or has another shape.
      ResultsError: one of its tables is damaged.
    """
    other = run_with_bases(run)
    if other is None:
        return
    _check_rate(run, other)
    wave = next(columns for _, columns in run.plan.waves())
    wanted = [column for column in wave if not run.has_finished(column)]
    taken = [column for column in wanted if other.column(column).exists()]
    for column in taken:
        _take(run, column, other)
    say(f"{len(taken)} of {len(wave)} base networks are those of {other.path}")


def _check_rate(run: Run, other: Workdir) -> None:
    """Whether both chose one rate for base networks; both tried the same ones."""
    if len(rates_of(run.plan.config.optimizer)) == 1:
        return
    own, theirs = run.rate(Family.SCRATCH), read_chosen(other.chosen_rates).get(Family.SCRATCH)
    if theirs is None:
        raise ConfigError(
            f"bases is {other.path}, which tried several optimizer.rates, but "
            f"{other.chosen_rates.name} does not say which its base networks have; run it again"
        )
    if theirs != own:
        raise ConfigError(
            f"the base networks of {other.path} are others: their rate of optimizer.rates is "
            f"{theirs:g}, that chosen here {own:g}"
        )


def _take(run: Run, column: Column, other: Workdir) -> None:
    folder, (base,) = run.folder, column.conditions
    save_base(folder, base, restore_base(other, base, run.init))
    for name in ("curves", "metrics", "correct", "validated", "filters"):
        for path in (other.path / name).glob(f"{column.name}.*"):
            here = folder.path / name / path.name
            here.parent.mkdir(parents=True, exist_ok=True)
            write_whole(here, path.read_bytes())
    # Last: a column with rows is finished.
    write_rows(folder.column(column), read_rows(other.column(column)))
