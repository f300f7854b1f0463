"""From a config to results. Safe to run again: what is done is kept."""

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from etils import epath
from ml_collections import ConfigDict
from rich.console import Console

from transfer_jax.analysis.raced import races_of
from transfer_jax.data.sources import check_prepared
from transfer_jax.engine.one_folder import check_one_folder
from transfer_jax.engine.processes import all_meet, is_first, said_by_first
from transfer_jax.folder.extras import left_out
from transfer_jax.folder.lock import Lock
from transfer_jax.folder.results import Results, write_rows
from transfer_jax.folder.workdir import Workdir, workdir_at
from transfer_jax.plan.config import read_config
from transfer_jax.plan.own_folder import with_prepared_folder
from transfer_jax.plan.plan import Plan, check_devices, make_plan
from transfer_jax.plan.plan_notes import plan_notes
from transfer_jax.plan.same_run import check_same_inputs
from transfer_jax.plan.schema import Config
from transfer_jax.running.beginning import begin
from transfer_jax.running.run import Run
from transfer_jax.running.stopping import Stopped, StopRequest
from transfer_jax.running.training import train
from transfer_jax.running.ways import race_file

if TYPE_CHECKING:
    from transfer_jax.analysis.evidence import Evidence


def run(
    config: Config | ConfigDict,
    workdir: epath.PathLike,
    *,
    console: Console | None = None,
    stop: StopRequest | None = None,
) -> Results:
    """Train every network that a config asks for and report on them.

    Args:
      config: the config; of a ConfigDict, what it does not state is its default.
      workdir: the run's folder. If it holds finished columns of the same config, or checkpoints,
        these are kept; if it holds all columns, nothing is trained.
      console: where progress is shown; None shows none.
      stop: whether the process was asked to stop; None never is.

    Returns:
      The table of results.

    Raises:
      ConfigError: the config asks for what is impossible.
      MeshError: the devices and processes do not fit the columns and the batch.
      WorkdirError: the folder cannot be written or is another run's.
      ClusterError: other processes of the run do not see this folder, or these images.
      LockError: another process is using the folder.
      ResultsError: the folder's results are damaged.
      Stopped: the process was asked to stop, and did; the same call goes on.
    """
    evidence = carry_out(config, workdir, console=console, stop=stop)
    return Results(evidence.rows, str(evidence.folder))


def carry_out(
    config: Config | ConfigDict,
    workdir: epath.PathLike,
    *,
    console: Console | None = None,
    stop: StopRequest | None = None,
    command: str = "",
) -> "Evidence":
    """What `run` does, for who shows more of the run than its results.

    Args:
      workdir: the run's folder.
      console: where progress is shown; None shows none.
      stop: whether the process was asked to stop; None never is.
      command: what was typed for it, where that is more than `run` and its config.

    Returns:
      What the folder holds; where this process wrote the report, with the numbers that are in it.

    Raises:
      ValueError: as `run`.
      Stopped: the process was asked to stop, and did.
    """
    if console is None or not is_first():
        console = Console(quiet=True)
    folder = workdir_at(workdir)

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    plan = checked_plan(config, say)
    for note in plan_notes(plan):
        say(note)
    if is_first():
        folder.open()
    check_one_folder(folder.path)
    own = Run(plan, folder, command=command)
    if not said_by_first(own.is_finished):
        (evidence,) = train_and_report([own], folder, console, stop or StopRequest())
        return evidence
    evidence = own.evidence()
    networks = len(evidence.rows)
    console.print(f"{folder.path} is finished: {networks} networks; nothing to train")
    return evidence


def checked_plan(config: Config | ConfigDict, say: Callable[[str], None]) -> Plan:
    """The plan of a config that can be carried out here; its images are prepared, if need be.

    Args:
      say: is told what is done before there is a plan.

    Returns:
      The plan.

    Raises:
      ConfigError: the config asks for what is impossible, or its images are not prepared.
      OriginalsError: a folder of images is laid out so that its classes cannot be told.
      RecordsError: images cannot be prepared.
      MeshError: the devices and processes do not fit.
      ClusterError: the processes have other images each.
    """
    config = read_config(config)
    with all_meet("the images") as first:
        if first:
            with_prepared_folder(config, say)
    # On a disk that processes share, nothing is left to do.
    plan = make_plan(with_prepared_folder(config, lambda _: None))
    check_prepared(plan.recipe.images, plan.config.data.source, plan.config.data.folder)
    check_same_inputs(plan.recipe.images, plan.config)
    check_devices(plan)
    return plan


def train_and_report(
    runs: Sequence[Run], folder: Workdir, console: Console, stop: StopRequest
) -> "list[Evidence]":
    """Train what is left of some runs, and write their results; the first process alone writes.

    Args:
      folder: the folder whose lock is held meanwhile.
      console: where progress is shown.
      stop: whether the process was asked to stop.

    Returns:
      What each run's folder holds.

    Raises:
      LockError: another process is using the folder.
      Stopped: the process was asked to stop, and did.
    """

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    written: list[Evidence] = []
    # A budget that is too small is told before a folder is anybody's.
    files = {own: race_file(own) for own in runs if own.is_raced}
    folders = dict.fromkeys([folder, *(own.folder for own in runs)])
    with all_meet("the results") as first, _locked(folders if first else (), say) as still_ours:
        with all_meet("the claim"):
            for own in runs if first else ():
                begin(own, files.get(own), say)
            events = any(own.plan.config.logs.tensorboard for own in runs)
            if note := left_out(*(["tensorboard"] if events else []), "tables"):
                say(note)
        so_far = partial(_so_far, [own.folder for own in files] if first else ())
        stop.last_words = so_far
        try:
            train(runs, console, stop, still_ours, [folder.progress] if first else ())
        except Stopped:
            for line in so_far():
                say(line)
            raise
        if first:
            written = [_write_results(own) for own in runs]
    return written or [own.evidence() for own in runs]


def _so_far(raced: Iterable[Workdir]) -> Iterator[str]:
    """What races that are not over have shown."""
    from transfer_jax.analysis.statistics.race_telling import sentences

    for folder in raced:
        for own in races_of(folder.path):
            then = f"the answer of a budget of {own.file.budget:g}, until there is a new one: "
            told = f"{then if own.goes_on else ''}{' '.join(sentences(own.outcome))}"
            yield f"{own.title}: {told}"
        where = shlex.quote(str(folder.path))
        yield f"Next: transfer-jax report {where}, or the same command to go on"


@contextmanager
def _locked(folders: Iterable[Workdir], say: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Hold the locks of some folders; what is yielded raises an error where one was lost."""
    with ExitStack() as held:
        locks = [held.enter_context(Lock(folder.lock, say)) for folder in folders]

        def still_ours() -> None:
            for lock in locks:
                lock.check()

        yield still_ours


def _write_results(own: Run) -> "Evidence":
    # Statistics and figures take a second to import, and are made last.
    from transfer_jax.analysis.page.report import write_report
    from transfer_jax.analysis.reading import read_evidence

    rows = own.rows()
    evidence = read_evidence(own.folder.path, rows)
    write_report(evidence)
    # Last of all: a folder that holds this file is finished.
    write_rows(own.folder.results, rows)
    return evidence
