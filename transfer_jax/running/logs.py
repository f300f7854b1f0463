"""Loss and accuracy as training goes on: lines of JSON, and TensorBoard events."""

import json
import time
from typing import TYPE_CHECKING

import numpy as np
from etils import epath

from transfer_jax.engine.counts import Evaluation
from transfer_jax.engine.step import Metrics
from transfer_jax.folder.curves import read_metrics
from transfer_jax.folder.extras import is_installed
from transfer_jax.folder.whole_file import write_whole
from transfer_jax.grid.conditions import Column, Condition

if TYPE_CHECKING:
    from tensorboardX.event_file_writer import EventsWriter

FLUSH_SECONDS = 10.0


class ColumnLog:
    """The metrics of one column, a line for each condition and pause.

    Lines are `{"step", "condition", "loss", "accuracy"}` of a training batch, the loss in nats,
    and `{"step", "condition", "test_accuracy"}`, with `"validation_accuracy"` where there are
    validation images.

    Args:
      path: the file; lines of steps that are done stay, those of later steps are written anew.
      done: steps done.
      writers: TensorBoard's writers, or None.
    """

    def __init__(
        self, path: epath.Path, column: Column, done: int, writers: "Writers | None"
    ) -> None:
        self.path, self.column, self.writers = path, column, writers
        self.lines = [line for line in read_metrics(path) if line["step"] <= done]
        self.flushed = time.monotonic()

    def batch(self, step: int, metrics: Metrics) -> None:
        """Note the loss and accuracy of a training batch.

        Args:
          step: steps done.
          metrics: of the column's conditions.
        """
        for condition, loss, accuracy in zip(
            self.column.conditions, metrics.loss.tolist(), metrics.score.tolist(), strict=True
        ):
            self._note(step, condition, {"loss": loss, "accuracy": accuracy})
        if time.monotonic() - self.flushed > FLUSH_SECONDS:
            self.flush()

    def evaluation(self, step: int, found: Evaluation) -> None:
        """Note the accuracy on validation and test images.

        Args:
          step: steps done.
          found: the counts of the column's conditions.
        """
        shares = {
            f"{subset}_accuracy": np.asarray(counts.score, np.float64) / counts.weight
            for subset, counts in found._asdict().items()
            if counts.examples
        }
        for i, condition in enumerate(self.column.conditions):
            self._note(step, condition, {name: float(own[i]) for name, own in shares.items()})

    def flush(self) -> None:
        """Write the lines so far."""
        self.flushed = time.monotonic()
        if self.writers:
            self.writers.flush()
        write_whole(self.path, "".join(f"{json.dumps(line)}\n" for line in self.lines))

    def _note(self, step: int, condition: Condition, values: dict[str, float]) -> None:
        self.lines.append({"step": step, "condition": condition.label, **values})
        if self.writers:
            self.writers.add(step, condition, values)


class Writers:
    """TensorBoard's writers, one run a treatment.

    Conditions of one split, seed, target and n have one tag in all runs, so that their treatments
    lie over each other in one chart. Without the extra `tensorboard` nothing is written.

    Args:
      folder: where the runs lie.
    """

    def __init__(self, folder: epath.Path) -> None:
        self.folder = folder
        self.installed = is_installed("tensorboard")
        self.by_treatment: dict[str, EventsWriter] = {}

    def add(self, step: int, condition: Condition, values: dict[str, float]) -> None:
        """Note values of a condition.

        Args:
          step: steps done.
          values: name to value.
        """
        if not self.installed:
            return
        # It takes seconds to import, where it finds what it needs for buckets.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore
        from tensorboardX.summary import scalar

        variant = f"-{condition.variant.name}" if condition.variant else ""
        run = condition.treatment.value + variant
        if run not in self.by_treatment:
            (self.folder / run).mkdir(parents=True, exist_ok=True)
            # In this thread: what cannot be written is told where it was asked for.
            self.by_treatment[run] = EventsWriter(str(self.folder / run / "events"))
        first = f".first{condition.examples}" if condition.examples else ""
        place = f"{condition.split}.seed{condition.seed}.{condition.target}{first}/n{condition.n}"
        for name, value in values.items():
            summary = scalar(f"{name}/{place}", value)
            event = Event(summary=summary, wall_time=time.time(), step=step)
            self.by_treatment[run].write_event(event)

    def flush(self) -> None:
        """Write what was noted so far."""
        for writer in self.by_treatment.values():
            writer.flush()

    def close(self) -> None:
        """Write what is left."""
        for writer in self.by_treatment.values():
            writer.close()
