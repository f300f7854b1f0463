"""A slot: columns that are trained side by side, one a row of the mesh."""

from collections.abc import Iterator, Sequence

import jax

from transfer_jax.engine.columns import ResumePoint
from transfer_jax.engine.loop import ColumnOutcome, CompiledProgram
from transfer_jax.engine.processes import agree, first_alone, said_by_first
from transfer_jax.engine.step import ColumnState
from transfer_jax.folder.control_results import ControlRow, write_controls
from transfer_jax.grid.conditions import PRETRAINED_BASE
from transfer_jax.models.layered import Variables
from transfer_jax.running.column_checkpoints import ColumnCheckpoints, DamagedCheckpoint
from transfer_jax.running.column_files import keep_networks, keep_results, keep_tests
from transfer_jax.running.logs import ColumnLog
from transfer_jax.running.run import RunColumn
from transfer_jax.running.session import Session
from transfer_jax.running.watch import (
    MEASURING,
    ColumnInTraining,
    SlotWatch,
    stop_measuring_if_asked,
    stop_now,
)


class Slot:
    """Prepares, trains and keeps at most as many columns as the mesh has rows.

    Args:
      wave: name of the wave, for who looks on.
      own: the columns; they share a program, hence all that is looked at here of one's plan.
      compiled: the program.
      session: what all slots share.
      until: the step to stop at, with a checkpoint; 0 for the last one.
    """

    def __init__(
        self,
        wave: str,
        own: Sequence[RunColumn],
        compiled: CompiledProgram,
        session: Session,
        until: int = 0,
    ) -> None:
        self.compiled, self.session, self.plan = compiled, session, own[0].run.plan
        self.of_all, self.until = own[0].run.of_all or self.plan, until
        self.steps, self.tests = own[0].steps, own[0].run.tests
        self.columns = self._prepare(wave, own)
        # Of training, looks and tests, without compilation.
        self.seconds = 0.0

    def _prepare(self, wave: str, own: Sequence[RunColumn]) -> list[ColumnInTraining]:
        """Each column with what it starts from, or goes on from."""
        kept = [run.checkpoints(column) for run, column in own]
        resume_points = self._resume_points(own[0], kept)
        self.done = int(resume_points[0].state.step) if resume_points else 0
        self.session.progress.begin(wave, own[0].column.name, self.done * len(own))
        each = zip(own, kept, resume_points or [None] * len(own), strict=True)
        return [self._in_training(*column) for column in each]

    def _in_training(
        self, own: RunColumn, checkpoints: ColumnCheckpoints, resume_point: ResumePoint | None
    ) -> ColumnInTraining:
        run, column = own
        start = run.start(column)._replace(resume_point=resume_point)
        writers = self.session.writers.get(run)
        log = ColumnLog(run.folder.metrics(column), column, self.done, writers)
        return ColumnInTraining(run, column, start, checkpoints, log)

    def _resume_points(self, first: RunColumn, kept: list[ColumnCheckpoints]) -> list[ResumePoint]:
        """Where the columns stand: at the last step that all have a checkpoint of."""
        each = said_by_first(lambda: [checkpoints.steps() for checkpoints in kept])
        steps = sorted(set.intersection(*map(set, each)), reverse=True)
        steps = [step for step in steps if step <= (self.until or self.steps)]
        for step in steps:
            points, error = self._at(step, first, kept)
            # What is damaged for one process is left by all.
            if not any(agree(bool(error))):
                return points
            earlier = [s for s in steps if s < step]
            then = f"going on from step {earlier[0]}" if earlier else "beginning anew"
            told = error or f"another process cannot read the checkpoint of step {step}"
            self.session.progress.say(f"{told}; {then}")
        return []

    def _at(
        self, step: int, first: RunColumn, kept: list[ColumnCheckpoints]
    ) -> tuple[list[ResumePoint], str]:
        """Where the columns stood at a step; or what is damaged."""
        like = self._fresh_state(first, step)
        try:
            return [checkpoints.restore(step, like) for checkpoints in kept], ""
        except DamagedCheckpoint as error:
            return [], str(error)

    def _fresh_state(self, own: RunColumn, step: int) -> ColumnState:
        """Shapes of the state at a step: it is that of the step's phase."""
        program = self.compiled.program.at(step, self.steps)

        def state() -> ColumnState:
            fresh = own.run.init(jax.random.key(0))
            return program.init({cut.label: fresh for cut in own.column.cuts})

        return jax.eval_shape(state)

    def train(self) -> list[ColumnOutcome]:
        """Train the columns; what a stop must not lose is written meanwhile.

        Returns:
          One outcome a column.
        """
        session, config, steps = self.session, self.plan.config, self.steps
        starts = [own.start for own in self.columns]
        watch = SlotWatch(self.columns, config.checkpoint, self.done, steps, session, self.until)
        feed = session.feeds.of(self.of_all, starts, self.compiled.mesh, self._given_base)
        since = session.progress.steps_begin()
        try:
            return self.compiled.run(
                starts,
                feed,
                steps,
                session.profiled.around(watch),
                log_every=min(config.logs.every, config.checkpoint.steps or steps),
                test_every=config.test_every if self.tests else 0,
                part=self.plan.recipe.part_batches,
                extra_pauses=session.profiled.steps,
                until=self.until,
            )
        finally:
            self.seconds = session.progress.compilation.clock() - since
            session.profiled.stop()
            for own in self.columns:
                own.checkpoints.close()

    @property
    def _given_base(self) -> Variables | None:
        """The network that all of its columns copy from, if it was given."""
        given = self.plan.given.get(PRETRAINED_BASE)
        shared = all(own.column.base == PRETRAINED_BASE for own in self.columns)
        frozen = any(cut.trunk_depth for own in self.columns for cut in own.column.cuts)
        return given.variables(0) if given and shared and frozen else None

    def keep(self, outcomes: Sequence[ColumnOutcome]) -> None:
        """Write what training gave; the rows last, since they say that a column is finished.

        Args:
          outcomes: one a column.
        """

        def write() -> None:
            for own, outcome in zip(self.columns, outcomes, strict=True):
                own.log.flush()
                keep_networks(own.run, own.column, outcome)
                keep_tests(own.run, own.column, own.start, outcome)
                self._keep_controls(own, outcome)
                keep_results(own.run, own.column, outcome)
                own.checkpoints.delete()

        if number := first_alone(write, lambda: self.session.stop.signal):
            stop_now(number, MEASURING)

    def _keep_controls(self, own: ColumnInTraining, outcome: ColumnOutcome) -> None:
        named = own.run.plan.config.controls
        if own.column.copies and named:
            assert outcome.networks is not None
            self.session.progress.say(f"measuring {', '.join(named)} of {own.column.name}")
            write_controls(
                own.run.folder.controls(own.column), self._measured(own, outcome.networks)
            )

    def _measured(
        self, own: ColumnInTraining, trained: dict[str, Variables]
    ) -> Iterator[ControlRow]:
        for row in self.session.controls.measure(own.run, own.column, own.start, trained):
            stop_measuring_if_asked(self.session.stop)
            yield row
