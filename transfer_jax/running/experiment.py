"""From a config to results. Safe to run again: what is done is kept."""

from contextlib import ExitStack

from etils import epath
from ml_collections import ConfigDict
from rich.console import Console

from transfer_jax.analysis.evidence import read_evidence
from transfer_jax.analysis.page.report import numbers_of, write_report
from transfer_jax.data.sources import check_prepared
from transfer_jax.engine.one_folder import check_one_folder
from transfer_jax.engine.processes import is_first, wait_for_all
from transfer_jax.folder.lock import Lock
from transfer_jax.folder.results import Results, check_complete, read_rows, write_rows
from transfer_jax.folder.whole_file import write_json
from transfer_jax.folder.workdir import Workdir, workdir_at
from transfer_jax.plan.plan import Plan, check_devices, make_plan
from transfer_jax.plan.plan_notes import plan_notes
from transfer_jax.plan.same_run import check_same_images
from transfer_jax.plan.schema import Config
from transfer_jax.running.bases import take_bases
from transfer_jax.running.claim import began_with, claim
from transfer_jax.running.keepsakes import keep_split_images
from transfer_jax.running.stopping import StopRequest
from transfer_jax.running.trainer import Run, Trainer


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
    if console is None or not is_first():
        console = Console(quiet=True)
    folder = workdir_at(workdir)
    plan = make_plan(config)
    check_prepared(plan.recipe.images, plan.config.data.source, plan.config.data.folder)
    check_same_images(plan.recipe.images)
    check_devices(plan)
    for note in plan_notes(plan):
        console.print(note, highlight=False, soft_wrap=True, markup=False)
    if is_first():
        folder.open()
    check_one_folder(folder.path)
    own = Run(plan, folder)
    if is_finished(own):
        results = load_results(plan, folder)
        console.print(f"{folder.path} is finished: {len(results.rows)} networks; nothing to train")
        return results
    train_and_report([own], folder, console, stop or StopRequest())
    return load_results(plan, folder)


def is_finished(run: Run) -> bool:
    """Whether a folder holds all results of this very plan.

    Args:
      run: the plan and the folder.

    Returns:
      True where nothing is left to do.

    Raises:
      WorkdirError: the folder is another run's.
    """
    plan, folder = run
    if not (folder.config.exists() and folder.results.exists()):
        return False
    claim(folder, plan.config, plan.recipe.images)
    return True


def train_and_report(runs: list[Run], folder: Workdir, console: Console, stop: StopRequest) -> None:
    """Train what is left of some runs, and write their results.

    Args:
      runs: the runs.
      folder: the folder whose lock is held meanwhile.
      console: where progress is shown.
      stop: whether the process was asked to stop.

    Raises:
      LockError: another process is using the folder.
      Stopped: the process was asked to stop, and did.
    """
    if not is_first():
        wait_for_all("the claim")
        Trainer(runs, console, stop).train()
        wait_for_all("the results")
        return

    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    with ExitStack() as held:
        paths = dict.fromkeys([folder.lock, *(own.lock for _, own in runs)])
        locks = [held.enter_context(Lock(path, say)) for path in paths]

        def still_ours() -> None:
            for lock in locks:
                lock.check()

        for plan, own in runs:
            claim(own, plan.config, plan.recipe.images)
            write_json(own.plan, {"networks": len(plan.networks)})
            if begun := began_with(own, plan.config):
                say(f"{own.path} was begun with {begun}")
            keep_split_images(own.split_images, plan.splits, plan.recipe.images)
            take_bases(plan, own, say)
        wait_for_all("the claim")
        Trainer(runs, console, stop, still_ours, folder.progress).train()
        for plan, own in runs:
            _write_results(plan, own)
    wait_for_all("the results")


def _write_results(plan: Plan, folder: Workdir) -> None:
    rows = [row for _, wave in plan.waves() for c in wave for row in read_rows(folder.column(c))]
    check_complete(folder.path / "columns", rows, plan.networks)
    evidence = read_evidence(folder.path, whole=True)
    write_report(evidence, numbers_of(evidence))
    # Last of all: a folder that holds this file is finished.
    write_rows(folder.results, rows)


def load_results(plan: Plan, folder: Workdir) -> Results:
    """The results of a finished run.

    Args:
      plan: the plan of the run.
      folder: the run's folder.

    Returns:
      The table of results.

    Raises:
      ResultsError: the file is damaged or does not hold what the plan asks for.
    """
    rows = read_rows(folder.results)
    check_complete(folder.results, rows, plan.networks)
    return Results(tuple(rows), str(folder.path))
