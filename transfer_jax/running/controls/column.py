"""The controls that a config asks for, of one column after its training."""

from collections.abc import Callable, Hashable, Iterator

import jax.numpy as jnp

from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.loop import CompiledProgram, Pause
from transfer_jax.engine.mesh import column_mesh
from transfer_jax.folder.control_results import (
    BARRIER,
    CKA,
    REINITIALISATION,
    SCORES,
    STITCHING,
    ControlRow,
)
from transfer_jax.grid.conditions import RANDOM_BASE, Column, Task
from transfer_jax.grid.families import Family
from transfer_jax.models.layered import Variables
from transfer_jax.plan.optimizer_fields import in_state
from transfer_jax.running.controls.measure import (
    Finished,
    robustness,
    scores,
    similarities,
)
from transfer_jax.running.controls.probe import Evaluator, Probe, probe_of
from transfer_jax.running.controls.second_run import SecondRuns
from transfer_jax.running.controls.stitching import stitched_networks, stitched_program
from transfer_jax.running.feeds import Feeds
from transfer_jax.running.programs import Programs
from transfer_jax.running.run import Run

MEASURES = {
    CKA: similarities,
    REINITIALISATION: robustness,
    SCORES: scores,
}


class ColumnControls:
    """Measures controls; what is compiled is kept from column to column.

    Args:
      feeds: where the training images of stitches and second runs come from.
      programs: those of training, which second runs share.
      on_pause: called as one is trained.
    """

    def __init__(self, feeds: Feeds, programs: Programs, on_pause: Callable[[Pause], None]) -> None:
        self.feeds, self.on_pause = feeds, on_pause
        self.evaluators: dict[Hashable, Evaluator] = {}
        self.stitches: dict[Hashable, tuple[CompiledProgram, Evaluator]] = {}
        self.second_runs = SecondRuns(feeds, programs, on_pause)

    def measure(
        self, run: Run, column: Column, start: ColumnStart, trained: dict[str, Variables]
    ) -> Iterator[ControlRow]:
        """The controls of a column of conditions.

        Args:
          run: its run, whose base networks are trained.
          start: what it started from.
          trained: cut label to the layers that its condition trained.

        Yields:
          Their numbers.
        """
        asked = run.plan.config.controls
        done = self._finished(run, column, start, trained)
        for name in asked:
            if name in MEASURES:
                yield from MEASURES[name](done)
        source = run.bases(column.split)[column.base].classes
        target = run.plan.splits[column.split].task(column.target).classes
        if STITCHING in asked and source not in (None, target):
            yield from self._stitching(run, start, done)
        if BARRIER in asked and column.base not in (column.target, RANDOM_BASE) and done.tuned:
            yield from self.second_runs.barriers(run, start, done)

    def _finished(
        self, run: Run, column: Column, start: ColumnStart, trained: dict[str, Variables]
    ) -> Finished:
        plan = run.plan
        bases, own = run.bases(column.split), plan.splits[column.split].task(column.target)
        source = Task("source", bases[column.base].classes or own.classes)

        def probe(task: Task, *, test: bool) -> Probe:
            return probe_of(plan, task, start.inputs, test=test)

        return Finished(
            column,
            plan.network.layer_names,
            start.base,
            bases[column.target].variables(column.seed),
            start.networks,
            trained,
            self.evaluators.setdefault(plan.program_key(()), Evaluator(plan.network)),
            probe(source, test=False),
            probe(own, test=False),
            probe(own, test=True),
        )

    def _stitching(self, run: Run, start: ColumnStart, done: Finished) -> Iterator[ControlRow]:
        """Accuracy of the base's first layers under the target's own last ones: at first, trained.

        All that is copied is frozen, so a stitch has the learning rate of frozen networks.

        Source: Lenc and Vedaldi (2015); Bansal et al. (2021), Revisiting model stitching.
        """
        plan = run.plan
        rate = in_state(plan.config.optimizer, run.rate(Family.FROZEN))
        mesh, x = column_mesh(1), jnp.zeros((1, *plan.recipe.network_shape))
        for n in dict.fromkeys(cut.n for cut in done.column.cuts if cut.variant is None):
            key = (n, plan.program_key(()))
            if key not in self.stitches:
                program = stitched_program(plan.program(()), n)
                compiled = CompiledProgram(program, mesh)
                self.stitches[key] = (compiled, Evaluator(program.network))
            compiled, evaluator = self.stitches[key]
            networks = stitched_networks(compiled.program, done.base, done.target, x)
            (whole,) = networks.values()
            yield done.row(STITCHING, n, evaluator.accuracy(whole, done.target_test))
            settings = dict.fromkeys(networks, rate)
            begun = start._replace(
                networks=dict(networks), base=whole, resume_point=None, settings=settings
            )
            feed = self.feeds.of(plan, [begun], mesh)
            (outcome,) = compiled.run([begun], feed, plan.recipe.steps, self.on_pause)
            yield done.row(STITCHING, n, float(outcome.top1[0]), at=plan.recipe.steps)
