"""Trains what is left of one or several runs: wave by wave, slot by slot, from checkpoints."""

import contextlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

from etils import epath
from rich.console import Console

from transfer_jax.analysis.raced import races_of
from transfer_jax.engine.mesh import slots
from transfer_jax.engine.processes import all_meet, is_first, said_by_first
from transfer_jax.plan.pilot import PILOT_WAVES
from transfer_jax.plan.plan import plan_mesh
from transfer_jax.running.controls.column import ColumnControls
from transfer_jax.running.feeds import Feeds
from transfer_jax.running.kept_trunks import KEEPING, KeptTrunks
from transfer_jax.running.logs import Writers
from transfer_jax.running.probes import solve_probes
from transfer_jax.running.profiling import Profiled
from transfer_jax.running.programs import Programs
from transfer_jax.running.progress import RunProgress
from transfer_jax.running.race import run_races
from transfer_jax.running.rates import keep_rates
from transfer_jax.running.run import Run, RunColumn
from transfer_jax.running.session import Session
from transfer_jax.running.slot import Slot
from transfer_jax.running.stopping import StopRequest
from transfer_jax.running.taken_bases import run_with_bases, take_bases
from transfer_jax.running.watch import stop_if_asked, stop_measuring_if_asked

# Its name, and its columns.
Wave = tuple[str, list[RunColumn]]


def train(
    runs: Sequence[Run],
    console: Console,
    stop: StopRequest,
    still_ours: Callable[[], None],
    progress_files: Sequence[epath.Path] = (),
) -> None:
    """Train the columns that the folders of some runs do not hold yet.

    Each finished column is on disk before the next slot begins.

    Args:
      runs: the runs; columns of all that share a program are trained as one grid.
      console: where progress is shown.
      stop: whether the process was asked to stop.
      still_ours: raises an error where a folder is no longer this process's.
      progress_files: where other shells read how far it is.

    Raises:
      Stopped: the process was asked to stop, and did.
      LockError: a folder is another process's.
    """
    with all_meet("the runs whose base networks are taken") as first:
        for run in runs if first else ():
            run_with_bases(run)
    pilots, waves = _pilot_waves(runs), _waves([run for run in runs if not run.is_raced])
    todo = _todo([*pilots, *waves])
    with (
        _closing(_writers(runs)) as writers,
        RunProgress(_steps(todo), console, progress_files) as progress,
    ):
        session = _session(runs, progress, stop, still_ours, writers)
        solve_probes(runs, session)
        _train_waves(pilots, todo, session)
        with all_meet("learning rates and base networks of others") as first:
            for run in runs if first else ():
                keep_rates(run, progress.say)
                take_bases(run, progress.say)
        todo = _todo(waves)
        progress.expect(_steps(todo))
        _train_waves(waves, todo, session)
        run_races(runs, session)
    if is_first():
        _clear_checkpoints(runs)


def _todo(waves: Sequence[Wave]) -> set[RunColumn]:
    """The columns that are not finished."""
    each = [own for _, wave in waves for own in wave]
    finished = said_by_first(lambda: [own.is_finished for own in each])
    return {own for own, done in zip(each, finished, strict=True) if not done}


def _steps(columns: Iterable[RunColumn]) -> int:
    return sum(own.steps for own in columns)


def _train_waves(waves: Sequence[Wave], todo: set[RunColumn], session: Session) -> None:
    """Train what is left of some waves."""
    for name, wave in waves:
        for group in _by_program(wave):
            _train_group(name, group, todo, session)


def _pilot_waves(runs: Sequence[Run]) -> list[Wave]:
    """The waves of all runs' pilots side by side; without columns where nothing is chosen."""
    each = zip(*(run.pilot.waves() for run in runs), strict=True)
    return [
        (name, [RunColumn(*own) for wave in waves for own in wave])
        for name, waves in zip(PILOT_WAVES, each, strict=True)
    ]


def _waves(runs: Sequence[Run]) -> list[Wave]:
    """The waves of all runs side by side."""
    each = zip(*(run.plan.waves() for run in runs), strict=True)
    return [
        (
            waves[0][0],
            [RunColumn(run, c) for run, (_, wave) in zip(runs, waves, strict=True) for c in wave],
        )
        for waves in each
    ]


def _by_program(wave: Sequence[RunColumn]) -> list[list[RunColumn]]:
    groups: dict[Hashable, list[RunColumn]] = {}
    for own in wave:
        key = own.run.plan.program_key(own.column.cuts, own.column.trainings)
        groups.setdefault(key, []).append(own)
    return list(groups.values())


def _train_group(
    wave: str, group: Sequence[RunColumn], todo: set[RunColumn], session: Session
) -> None:
    """Train the columns that share a program, which is compiled once."""
    plan, column = group[0].run.plan, group[0].column
    # The mesh is that of the whole group, so that a run which goes on after a stop divides its
    # batches as if it had never stopped.
    mesh = plan_mesh(plan, group)
    compiled = session.programs.of(plan, column, mesh)
    for columns in slots([own for own in group if own in todo], mesh):
        stop_if_asked(session.stop)
        slot = Slot(wave, columns, compiled, session)
        slot.keep(slot.train())


def _session(
    runs: Sequence[Run],
    progress: RunProgress,
    stop: StopRequest,
    still_ours: Callable[[], None],
    writers: dict[Run, Writers],
) -> Session:
    trunks = KeptTrunks(progress.say, lambda: stop_if_asked(stop, KEEPING))
    feeds, programs, first = Feeds(trunks), Programs(), runs[0]
    return Session(
        progress,
        stop,
        still_ours,
        feeds,
        programs,
        ColumnControls(feeds, programs, lambda _: stop_measuring_if_asked(stop)),
        Profiled(first.folder.path / "profile", first.plan.config.profile_steps),
        writers,
    )


def _writers(runs: Sequence[Run]) -> dict[Run, Writers]:
    """TensorBoard's, of the runs that want them."""
    wanted = [run for run in runs if run.plan.config.logs.tensorboard]
    each = [own for run in wanted for own in (run, *run.ways.values())]
    return {own: Writers(own.folder.path / "tensorboard") for own in each}


@contextlib.contextmanager
def _closing(writers: dict[Run, Writers]) -> Iterator[dict[Run, Writers]]:
    try:
        yield writers
    finally:
        for own in writers.values():
            with contextlib.suppress(OSError):  # A full disk is told of where tables are written.
                own.close()


def _clear_checkpoints(runs: Sequence[Run]) -> None:
    """A process may have been killed between a column's rows and its checkpoints' end.

    Ways that a race set aside keep theirs: with a larger budget they go on.
    """
    for run in runs:
        races = races_of(run.folder.path) if run.is_raced else ()
        aside = {verdict.arm for own in races for verdict in own.outcome.set_aside}
        ways = [own for arm, own in run.ways.items() if arm not in aside]
        for own in (run, *run.pilot.runs.values(), *ways):
            if own.folder.checkpoints_folder.exists():
                own.folder.checkpoints_folder.rmtree()
