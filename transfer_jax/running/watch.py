"""What is done whenever the loop pauses: progress, logs, checkpoints; and stopping."""

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import jax
import numpy as np

from transfer_jax.engine.columns import ColumnStart, ResumePoint
from transfer_jax.engine.loop import Pause
from transfer_jax.engine.processes import agree, asked_of_any
from transfer_jax.grid.conditions import Column
from transfer_jax.plan.running_fields import Checkpoint
from transfer_jax.running.column_checkpoints import ColumnCheckpoints
from transfer_jax.running.logs import ColumnLog
from transfer_jax.running.run import Run
from transfer_jax.running.session import Session
from transfer_jax.running.stopping import Stopped, StopRequest

MEASURING = "while controls were measured"


def stop_if_asked(stop: StopRequest, where: str = "between columns") -> None:
    """Stop where all processes come by, and all that is done is on disk.

    Args:
      stop: whether the process was asked to stop.
      where: what is being done.

    Raises:
      Stopped: it was, or another process of the run.
    """
    (number,) = agree(stop.signal)
    if number:
        stop_now(number, where)


def stop_measuring_if_asked(stop: StopRequest, where: str = MEASURING) -> None:
    """Stop while the first process measures controls, or the like, and the others wait for it.

    A column whose controls are not whole is trained again from its last checkpoint.

    Args:
      stop: whether the process was asked to stop.
      where: what is being done.

    Raises:
      Stopped: it was, or another process of the run.
    """
    if number := asked_of_any(stop.signal):
        stop_now(number, where)


def stop_now(number: int, where: str) -> NoReturn:
    """End the training.

    Args:
      number: the signal.
      where: what was being done.

    Returns:
      Never.

    Raises:
      Stopped: always.
    """
    name = signal.Signals(number).name
    raise Stopped(number, f"stopped by {name} {where}; the same command goes on")


@dataclass(frozen=True)
class ColumnInTraining:
    """A column of a run, what it starts from, and what is written of it while it is trained."""

    run: Run
    column: Column
    start: ColumnStart
    checkpoints: ColumnCheckpoints
    log: ColumnLog


class SlotWatch:
    """Follows one slot of columns; it is called at every pause of the loop.

    Args:
      slot: the columns, one a row of the mesh.
      settings: `config.checkpoint`.
      done: steps done when training begins.
      steps: steps in all.
      session: who looks on, who may stop it, and whose the folder is.
      until: the step that training goes on from later; 0 for none.
    """

    def __init__(
        self,
        slot: Sequence[ColumnInTraining],
        settings: Checkpoint,
        done: int,
        steps: int,
        session: Session,
        until: int = 0,
    ) -> None:
        self.slot, self.settings, self.steps, self.until = slot, settings, steps, until
        self.session, self.progress = session, session.progress
        self.saved_at, self.saved_step = time.monotonic(), done

    def __call__(self, pause: Pause) -> None:
        """See to what is due.

        Args:
          pause: where the loop stands.

        Raises:
          Stopped: the process was asked to stop; what is done is on disk.
          LockError: the folder is another process's.
        """
        self.session.still_ours()
        self._note(pause)
        stop, due = agree(self.session.stop.signal, self._is_due(pause))
        if pause.done == self.steps:
            return  # What is finished is written first; a stop is seen before the next slot.
        if stop or due:
            self._save(pause)
        if stop:
            self._stop(stop, pause)

    def _note(self, pause: Pause) -> None:
        own = {row: m for row, m in pause.metrics.items() if row < len(self.slot)}
        for row, metrics in own.items():
            log = self.slot[row].log
            log.batch(pause.done, metrics)
            if pause.evaluations and pause.evaluations[-1][0] == pause.done:
                counts = jax.tree.map(lambda leaf, row=row: leaf[row], pause.evaluations[-1][1])
                log.evaluation(pause.done, counts)
            diverged = ~np.isfinite(metrics.loss)
            for condition, bad in zip(self.slot[row].column.conditions, diverged, strict=True):
                if bad:
                    self.progress.diverged(condition)
        loss = np.mean([m.loss for m in own.values()]) if own else 0.0
        accuracy = np.mean([m.score for m in own.values()]) if own else 0.0
        self.progress.advance(pause.steps * len(self.slot), float(loss), float(accuracy))

    def _is_due(self, pause: Pause) -> bool:
        minutes, steps = self.settings.minutes, self.settings.steps
        by_time = minutes and time.monotonic() - self.saved_at >= 60 * minutes
        by_steps = steps and pause.done - self.saved_step >= steps
        return bool(by_time or by_steps or pause.done == self.until)

    def _save(self, pause: Pause) -> None:
        """A checkpoint that cannot be written is told; training goes on from the device."""
        self.saved_at, self.saved_step = time.monotonic(), pause.done
        for row, state in pause.states().items():
            if row >= len(self.slot):
                continue
            evaluations = [
                (done, jax.tree.map(lambda leaf, row=row: np.asarray(leaf[row]), counts))
                for done, counts in pause.evaluations
            ]
            try:
                # First the lines: those of steps that are not done again must be there.
                self.slot[row].log.flush()
                self.slot[row].checkpoints.save(ResumePoint(state, evaluations))
                if pause.done == self.until:
                    # Of a race nobody goes on before it is there.
                    self.slot[row].checkpoints.wait()
            except OSError as error:
                self._say_unwritten(pause, error)

    def _stop(self, number: int, pause: Pause) -> None:
        for own in self.slot:
            try:
                own.checkpoints.wait()
            except OSError as error:
                self._say_unwritten(pause, error)
        names = ", ".join(own.column.name for own in self.slot)
        stop_now(number, f"at step {pause.done} of {self.steps} of {names}")

    def _say_unwritten(self, pause: Pause, error: OSError) -> None:
        self.progress.say(
            f"the checkpoint of step {pause.done} could not be written: {error.strerror or error}; "
            "the one before is kept"
        )
