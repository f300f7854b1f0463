"""Two runs from one start, and the straight line between where they end."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import jax
import numpy as np

from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.loop import Pause
from transfer_jax.engine.mesh import column_mesh
from transfer_jax.folder.control_results import TWO_RUNS, ControlRow
from transfer_jax.grid.conditions import Column
from transfer_jax.grid.grid import base_condition, columns
from transfer_jax.grid.keys import fold_in_name
from transfer_jax.models.layered import Variables
from transfer_jax.plan.plan import Plan
from transfer_jax.running.bases import restore_base
from transfer_jax.running.controls.measure import Finished
from transfer_jax.running.controls.probe import Evaluator, Probe, probe_of
from transfer_jax.running.feeds import Feeds
from transfer_jax.running.programs import Programs
from transfer_jax.running.run import Run

# 0 is the first run, 1 the second.
PLACES = np.linspace(0, 1, 11)
# Part of what names a second run's random numbers; a pass over the data has a number from 0 on.
AGAIN = 1


class SecondRuns:
    """Trains networks of a column once more.

    Args:
      feeds: where training images come from.
      programs: those of training, so that what is compiled already is not compiled again.
      on_pause: called as they are trained.
    """

    def __init__(self, feeds: Feeds, programs: Programs, on_pause: Callable[[Pause], None]) -> None:
        self.feeds, self.programs, self.on_pause = feeds, programs, on_pause
        # Columns with one target have the same networks from scratch.
        self.scratch: dict[tuple[Run, Column], list[tuple[float, float]]] = {}

    def barriers(self, run: Run, start: ColumnStart, done: Finished) -> Iterator[ControlRow]:
        """Accuracy between two runs from one start that saw other batches.

        Args:
          run: its run, whose base networks are trained.
          start: what the column started from.
          done: the column after its training.

        Yields:
          Accuracy on the target's test images at each of `PLACES`: at n between two fine-tuned
          networks; at n = 0 between two networks from scratch, the base network of the target and
          one that was as it is before training.

        Returns:
          An iterator over rows.

        Source: Neyshabur, Sedghi and Zhang (2020), What is being transferred in transfer
        learning?
        """
        c = done.column
        (alone,) = columns([base_condition(c.split, c.seed, c.target, c.examples)])
        if (run, alone) not in self.scratch:
            self.scratch[run, alone] = list(self._from_scratch(run, alone, done.evaluator))
        for place, accuracy in self.scratch[run, alone]:
            yield done.row(TWO_RUNS, 0, accuracy, at=place)
        again = self._trained(run.plan, start, replace(c, cuts=tuple(done.tuned)))
        for cut in done.tuned:
            ends = done.trained[cut.label], again[cut.label]
            for place, accuracy in on_the_line(*ends, done.evaluator, done.target_test):
                yield done.row(TWO_RUNS, cut.n, accuracy, at=place)

    def _from_scratch(
        self, run: Run, alone: Column, evaluator: Evaluator
    ) -> Iterator[tuple[float, float]]:
        """Of a base network, in whose own column it is trained once more."""
        start, (cut,), (condition,) = run.start(alone), alone.cuts, alone.conditions
        first = restore_base(run.folder, condition, run.init)
        again = self._trained(run.plan, start, alone)
        task = run.plan.splits[alone.split].task(alone.target)
        probe = probe_of(run.plan, task, start.inputs, test=True)
        yield from on_the_line(first, again[cut.label], evaluator, probe)

    def _trained(self, plan: Plan, start: ColumnStart, column: Column) -> dict[str, Variables]:
        """What a column's conditions become on the same images in another order."""
        mesh, begun = column_mesh(1), begun_again(start)
        compiled = self.programs.of(plan, column, mesh)
        feed = self.feeds.of(plan, [begun], mesh)
        (outcome,) = compiled.run([begun], feed, plan.recipe.steps, self.on_pause)
        assert outcome.networks is not None
        return outcome.networks


def begun_again(start: ColumnStart) -> ColumnStart:
    """The same networks before their first step, for a run that sees other batches.

    Args:
      start: what the first run started from.

    Returns:
      The start: networks, images and normalisation are the same; the order of the images, and
      what is drawn in training, such as shifts and dropout, are others.
    """
    assert start.order is not None
    order = replace(start.order, words=(*start.order.words, AGAIN))
    key = jax.random.wrap_key_data(start.inputs.key)
    inputs = start.inputs._replace(
        train_batches=order.batches(len(start.inputs.train_batches)),
        key=jax.random.key_data(fold_in_name(key, "again")),
    )
    return start._replace(order=order, inputs=inputs, resume_point=None)


def on_the_line(
    first: Variables, second: Variables, evaluator: Evaluator, probe: Probe
) -> Iterator[tuple[float, float]]:
    """Accuracy on the straight line between two networks; batch statistics lie on it too.

    Args:
      first: the network at 0.
      second: the network at 1.
      evaluator: runs them.
      probe: the images.

    Yields:
      A place and the accuracy there.

    Returns:
      An iterator over `PLACES`.

    Source: Neyshabur, Sedghi and Zhang (2020), What is being transferred in transfer learning?;
    Frankle, Dziugaite, Roy and Carbin (2020), Linear mode connectivity and the lottery ticket
    hypothesis.
    """
    for place in PLACES.tolist():
        between = jax.tree.map(lambda x, y, p=place: (1 - p) * x + p * y, first, second)
        yield place, evaluator.accuracy(between, probe)
