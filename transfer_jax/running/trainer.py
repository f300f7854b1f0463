"""Trains what is left of one or several runs: wave by wave, slot by slot, from checkpoints."""

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath
from jax.sharding import Mesh
from rich.console import Console

from transfer_jax.data.order import DeviceImages
from transfer_jax.engine.columns import (
    ColumnStart,
    Standing,
    column_inputs,
    column_key,
    column_order,
    initial_networks,
    random_base,
)
from transfer_jax.engine.feeds import (
    Feed,
    ResidentFeed,
    StreamFeed,
    evaluation_batches,
    on_device,
)
from transfer_jax.engine.loop import ColumnOutcome, CompiledProgram, Pause
from transfer_jax.engine.mesh import replicate, slots
from transfer_jax.engine.processes import asked_of_any, first_alone, is_first, wait_for_all
from transfer_jax.folder.control_results import ControlRow, write_controls
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import RANDOM, Column
from transfer_jax.grid.grid import base_condition
from transfer_jax.models.layered import Params
from transfer_jax.plan.differences import fingerprint
from transfer_jax.plan.initialisers import Initialisers
from transfer_jax.plan.optimizer_fields import in_state
from transfer_jax.plan.plan import Plan, plan_mesh
from transfer_jax.running.bases import restore_base
from transfer_jax.running.column_checkpoints import ColumnCheckpoints, DamagedCheckpoint
from transfer_jax.running.column_files import keep_networks, keep_results, keep_tests
from transfer_jax.running.controls.column import ColumnControls
from transfer_jax.running.logs import ColumnLog, Writers
from transfer_jax.running.profiling import Profiled
from transfer_jax.running.progress import RunProgress
from transfer_jax.running.stopping import StopRequest
from transfer_jax.running.watch import SlotWatch, Watched, stop_if_asked, stop_now

MEASURING = "while controls were measured"


class Run(NamedTuple):
    """A plan and the folder that it is carried out in."""

    plan: Plan
    folder: Workdir


class Place(NamedTuple):
    """A column, and the run that it belongs to."""

    run: Run
    column: Column


class Trainer:
    """Trains the columns that the folders of some runs do not hold yet.

    Args:
      runs: the runs; columns of all that share a program are trained as one grid.
      console: where progress is shown.
      stop: whether the process was asked to stop.
      still_ours: raises an error where a folder is no longer this process's.
      progress_file: where other shells read how far it is; None writes none.
    """

    def __init__(
        self,
        runs: list[Run],
        console: Console,
        stop: StopRequest,
        still_ours: Callable[[], None] = lambda: None,
        progress_file: epath.Path | None = None,
    ) -> None:
        self.runs, self.console, self.stop, self.still_ours = runs, console, stop, still_ours
        self.progress_files = [progress_file] if progress_file else []
        self.images: dict[tuple[Mesh, str], DeviceImages] = {}
        self.writers: dict[Workdir, Writers] = {}
        self.inits = Initialisers()
        self.controls = ColumnControls(self._feed, self._stop_between)
        self.profiled = Profiled(runs[0].folder.path / "profile", runs[0].plan.config.profile_steps)

    def train(self) -> None:
        """Train wave by wave; each finished column is on disk before the next one starts."""
        todo = {place for _, wave in self._waves() for place in wave if not _finished(place)}
        wait_for_all("the list of columns")
        total = sum(place.run.plan.recipe.steps for place in todo)
        try:
            with RunProgress(total, self.console, self.progress_files) as progress:
                for name, wave in self._waves():
                    for group in _by_program(wave):
                        self._train_group(name, group, todo, progress)
        finally:
            self._close_writers()
        if is_first():
            # A process may have been killed between a column's rows and its checkpoints' end.
            for run in self.runs:
                if run.folder.checkpoints_folder.exists():
                    run.folder.checkpoints_folder.rmtree()

    def _close_writers(self) -> None:
        for writers in self.writers.values():
            with contextlib.suppress(OSError):  # A full disk is told of where tables are written.
                writers.close()

    def _waves(self) -> Iterator[tuple[str, list[Place]]]:
        """The waves of all runs side by side."""
        for waves in zip(*(run.plan.waves() for run in self.runs), strict=True):
            places = [
                Place(run, column)
                for run, (_, columns) in zip(self.runs, waves, strict=True)
                for column in columns
            ]
            yield waves[0][0], places

    def _train_group(
        self, wave: str, group: list[Place], todo: set[Place], progress: RunProgress
    ) -> None:
        plan, column = group[0].run.plan, group[0].column
        # The mesh is that of the whole group, so that a run which goes on after a stop divides
        # its batches as if it had never stopped.
        mesh = plan_mesh(plan, group)
        streamed = plan.recipe.images.streamed
        compiled = CompiledProgram(plan.program(column.cuts), mesh, streamed=streamed)
        for slot in slots([place for place in group if place in todo], mesh):
            stop_if_asked(self.stop)
            self._train_slot(wave, compiled, slot, progress)

    def _train_slot(
        self, wave: str, compiled: CompiledProgram, slot: list[Place], progress: RunProgress
    ) -> None:
        plan = slot[0].run.plan
        kept = [_checkpoints(place) for place in slot]
        standings = self._standings(compiled, slot, kept)
        done = int(standings[0].state.step) if standings else 0
        progress.begin(wave, slot[0].column.name, done * len(slot))
        starts = [self._start(place) for place in slot]
        starts = [
            start._replace(standing=standing)
            for start, standing in zip(starts, standings or [None] * len(slot), strict=True)
        ]
        watched = [
            Watched(place.column, checkpoints, self._log(place, done))
            for place, checkpoints in zip(slot, kept, strict=True)
        ]
        checkpoint, steps = plan.config.checkpoint, plan.recipe.steps
        watch = SlotWatch(watched, checkpoint, steps, progress, self.stop, self.still_ours)
        watch.saved_step = done
        try:
            outcomes = compiled.run(
                starts,
                self._feed(plan, starts, compiled.mesh),
                steps,
                self.profiled.around(watch),
                log_every=min(plan.config.logs.every, checkpoint.steps or steps),
                test_every=plan.config.test_every,
                extra_pauses=self.profiled.steps,
            )
        finally:
            self.profiled.stop()
            for checkpoints in kept:
                checkpoints.close()
        self._keep(slot, starts, watched, outcomes)

    def _keep(
        self,
        slot: list[Place],
        starts: list[ColumnStart],
        watched: list[Watched],
        outcomes: list[ColumnOutcome],
    ) -> None:
        """Write what a slot gave; the rows last, since they say that a column is finished."""

        def write() -> None:
            for place, start, held, outcome in zip(slot, starts, watched, outcomes, strict=True):
                (plan, folder), column = place
                held.log.flush()
                keep_networks(plan, folder, column, outcome)
                keep_tests(plan, folder, column, start, outcome)
                self._keep_controls(place, start, outcome)
                keep_results(plan, folder, column, outcome)
                held.checkpoints.delete()

        if number := first_alone(write, lambda: self.stop.signal):
            stop_now(number, MEASURING)

    def _keep_controls(self, place: Place, start: ColumnStart, outcome: ColumnOutcome) -> None:
        (plan, folder), column = place
        if column.base is not None and plan.config.controls:
            assert outcome.params is not None
            named = ", ".join(plan.config.controls)
            self.console.print(f"measuring {named} of {column.name}", highlight=False)
            where = (plan, folder, column, start, outcome.params)
            write_controls(folder.controls(column), self._measured(*where))

    def _measured(self, *where: Any) -> Iterator[ControlRow]:
        for row in self.controls.measure(*where):
            self._stop_between()
            yield row

    def _stop_between(self, _: Pause | None = None) -> None:
        """A column whose controls are not whole is trained again from its last checkpoint."""
        if number := asked_of_any(self.stop.signal):
            stop_now(number, MEASURING)

    def _standings(
        self, compiled: CompiledProgram, slot: list[Place], kept: list[ColumnCheckpoints]
    ) -> list[Standing]:
        """Where the columns of a slot stand: at the last step that all have a checkpoint of."""
        steps = sorted(set.intersection(*(set(c.steps()) for c in kept)), reverse=True)
        if not steps:
            return []
        like = jax.eval_shape(lambda: self._state_like(compiled, slot[0]))
        for step in steps:
            try:
                return [checkpoints.restore(step, like) for checkpoints in kept]
            except DamagedCheckpoint as error:
                earlier = [s for s in steps if s < step]
                then = f"going on from step {earlier[0]}" if earlier else "beginning anew"
                self.console.print(f"{error}; {then}", highlight=False, soft_wrap=True)
        return []

    def _state_like(self, compiled: CompiledProgram, place: Place) -> object:
        fresh = self.inits.of(place.run.plan)(jax.random.key(0))
        return compiled.program.init({cut.label: fresh for cut in place.column.cuts})

    def _log(self, place: Place, done: int) -> ColumnLog:
        folder = place.run.folder
        if folder not in self.writers and place.run.plan.config.logs.tensorboard:
            self.writers[folder] = Writers(folder.path / "tensorboard")
        writers = self.writers.get(folder)
        return ColumnLog(folder.metrics(place.column), place.column, done, writers)

    def _feed(self, plan: Plan, starts: list[ColumnStart], mesh: Mesh) -> Feed:
        images = plan.recipe.images
        if not images.streamed:
            data = plan.config.data
            key = (mesh, f"{data.source} {data.folder} {data.enlarge}")
            if key not in self.images:
                self.images[key] = replicate(on_device(images), mesh)
            return ResidentFeed(self.images[key])
        orders = [start.order for start in starts if start.order is not None]
        evaluations = [evaluation_batches(start.inputs) for start in starts]
        return StreamFeed(images, orders, evaluations, mesh, plan.config.reading)

    def _start(self, place: Place) -> ColumnStart:
        (plan, _), column = place
        init, base = self.inits.of(plan), self._base(place)
        where = (column, plan.splits[column.split], plan.recipe)
        return ColumnStart(
            networks=initial_networks(column, plan.network.layer_names, init, base),
            base=base or {},
            inputs=column_inputs(*where),
            order=column_order(*where) if plan.recipe.images.streamed else None,
            settings=in_state(plan.config.optimizer),
        )

    def _base(self, place: Place) -> Params | None:
        column = place.column
        if column.base is None:
            return None
        if column.base == RANDOM:
            return random_base(column, self.inits.of(place.run.plan))
        base = base_condition(column.split, column.seed, column.base)
        return restore_base(place.run.plan, place.run.folder, base)


def _finished(place: Place) -> bool:
    return place.run.folder.column(place.column).exists()


def _by_program(wave: list[Place]) -> list[list[Place]]:
    groups: dict[Hashable, list[Place]] = {}
    for place in wave:
        groups.setdefault(place.run.plan.program_key(place.column.cuts), []).append(place)
    return list(groups.values())


def _checkpoints(place: Place) -> ColumnCheckpoints:
    (plan, folder), column = place
    identity = {
        "run": fingerprint(plan.config, plan.recipe.images),
        "column": column.name,
        "cuts": [cut.label for cut in column.cuts],
        "key": np.asarray(jax.random.key_data(column_key(column))).tolist(),
    }
    return ColumnCheckpoints(folder.checkpoints(column), identity)
