"""From a config to results. Safe to run again: what is finished is kept."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax.sharding import Mesh
from rich.console import Console

from transfer_jax.analysis.report import write_report
from transfer_jax.checkpoints import restore, save
from transfer_jax.conditions import RANDOM, Column, Condition
from transfer_jax.config import Config
from transfer_jax.data.pipeline import DeviceImages
from transfer_jax.data.sources import check_prepared
from transfer_jax.data.stream import Reading
from transfer_jax.engine.columns import (
    ColumnStart,
    Init,
    column_inputs,
    column_order,
    initial_networks,
    random_base,
)
from transfer_jax.engine.feeds import Feed, ResidentFeed, StreamFeed, on_device
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import replicate, slots
from transfer_jax.engine.processes import is_first, wait_for_all
from transfer_jax.grid import base_condition
from transfer_jax.models.layered import Params
from transfer_jax.plan import Plan, by_program, check_devices, make_plan, plan_mesh
from transfer_jax.progress import RunProgress
from transfer_jax.results import (
    Results,
    check_complete,
    mean_of_best,
    read_rows,
    rows_of,
    write_curves,
    write_rows,
)
from transfer_jax.workdir import Workdir


def run(config: Config, workdir: epath.PathLike, *, console: Console | None = None) -> Results:
    """Train every network that a config asks for and report on them.

    Args:
      config: the config.
      workdir: the run's folder. If it holds finished columns of the same config, these are
        kept; if it holds all of them, nothing is trained.
      console: where progress is shown; None shows none.

    Returns:
      The table of results.

    Raises:
      ConfigError: the config asks for what is impossible.
      MeshError: the devices and processes do not fit the columns and the batch.
      WorkdirError: the folder cannot be written or is another run's.
      ResultsError: the folder's results are damaged.
    """
    if console is None or not is_first():
        console = Console(quiet=True)
    plan = make_plan(config)
    check_prepared(plan.recipe.images, config.data.source, config.data.folder)
    check_devices(plan)
    folder = Workdir(epath.Path(workdir))
    if is_first():
        folder.claim(config)
    wait_for_all("the workdir")
    if folder.results.exists():
        results = load_results(plan, folder)
        console.print(f"{folder.path} is finished: {len(results.rows)} networks; nothing to train")
        return results
    Trainer(plan, folder).train(console)
    if is_first():
        _write_results(plan, folder)
    wait_for_all("the results")
    return load_results(plan, folder)


def _write_results(plan: Plan, folder: Workdir) -> None:
    rows = [row for _, wave in plan.waves() for c in wave for row in read_rows(folder.column(c))]
    check_complete(folder.path / "columns", rows, plan.networks)
    write_report(Results(tuple(rows), str(folder.path)))
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


class Trainer:
    """Trains the columns of a plan that a workdir does not hold yet.

    Args:
      plan: the plan.
      folder: the run's folder.
    """

    def __init__(self, plan: Plan, folder: Workdir) -> None:
        self.plan, self.folder = plan, folder
        self.init = initialiser(plan)
        self.images: dict[Mesh, DeviceImages] = {}

    def train(self, console: Console) -> None:
        """Train wave by wave; each finished column is on disk before the next one starts."""
        unfinished = {
            column
            for _, wave in self.plan.waves()
            for column in wave
            if not self.folder.column(column).exists()
        }
        wait_for_all("the list of columns")
        with RunProgress(self.plan.recipe.steps * len(unfinished), console) as progress:
            for name, wave in self.plan.waves():
                for cuts, group in by_program(wave):
                    # The mesh is that of the whole group, so that a run which goes on after a
                    # stop divides its batches as if it had never stopped.
                    mesh = plan_mesh(self.plan, group)
                    streamed = self.plan.recipe.images.streamed
                    compiled = CompiledProgram(self.plan.program(cuts), mesh, streamed=streamed)
                    for slot in slots([c for c in group if c in unfinished], mesh):
                        progress.begin(name, slot[0].name)
                        self._train_slot(compiled, slot, progress)

    def _train_slot(
        self,
        compiled: CompiledProgram,
        slot: list[Column],
        progress: RunProgress,
    ) -> None:
        def on_progress(steps: int, loss: float, accuracy: float) -> None:
            progress.advance(steps * len(slot), loss, accuracy)

        starts = [self._start(column) for column in slot]
        steps = self.plan.recipe.steps
        outcomes = compiled.run(
            starts,
            self._feed(starts, compiled.mesh),
            steps,
            on_progress,
            test_every=self.plan.config.test_every,
        )
        for column, outcome in zip(slot, outcomes, strict=True):
            if column.base is None:
                (base,), (cut,) = column.conditions, column.cuts
                save(self.folder.base_network(base), outcome.params[cut.label])
            if is_first():
                best10 = mean_of_best(outcome.tests)
                figures = (outcome.top1, outcome.loss, outcome.diverged, steps, best10)
                write_curves(self.folder.curves(column), column, outcome.tested, outcome.tests)
                write_rows(self.folder.column(column), rows_of(column, *figures))
        wait_for_all("the columns of a slot")

    def _feed(self, starts: list[ColumnStart], mesh: Mesh) -> Feed:
        images = self.plan.recipe.images
        if not images.streamed:
            if mesh not in self.images:
                self.images[mesh] = replicate(on_device(images), mesh)
            return ResidentFeed(self.images[mesh])
        reading = Reading(**self.plan.config.reading.to_dict())
        orders = [start.order for start in starts if start.order is not None]
        tests = [np.asarray(start.inputs.test_batches) for start in starts]
        return StreamFeed(images, orders, tests, mesh, reading)

    def _start(self, column: Column) -> ColumnStart:
        base = self._base(column)
        names = self.plan.network.layer_names
        place = (column, self.plan.splits[column.split], self.plan.recipe)
        return ColumnStart(
            networks=initial_networks(column, names, self.init, base),
            base=base or {},
            inputs=column_inputs(*place),
            order=column_order(*place) if self.plan.recipe.images.streamed else None,
        )

    def _base(self, column: Column) -> Params | None:
        if column.base is None:
            return None
        if column.base == RANDOM:
            return random_base(column, self.init)
        base = base_condition(column.split, column.seed, column.base)
        return restore_base(self.plan, self.folder, base)


def restore_base(plan: Plan, folder: Workdir, base: Condition) -> Params:
    """The parameters of a trained base network.

    Args:
      plan: the plan of the run.
      folder: the run's folder.
      base: the base network.

    Returns:
      Layer name to parameters.

    Raises:
      CheckpointError: the folder does not hold it, or it has another shape.
    """
    like = jax.eval_shape(initialiser(plan), jax.random.key(0))
    return restore(folder.base_network(base), like)


def initialiser(plan: Plan) -> Init:
    """The function that makes fresh parameters from a key, compiled.

    Args:
      plan: the plan.

    Returns:
      The function.
    """
    shape = (1, *plan.recipe.network_shape)
    init: Callable[..., Params] = jax.jit(lambda key: plan.network.init(key, jnp.zeros(shape)))
    return init
