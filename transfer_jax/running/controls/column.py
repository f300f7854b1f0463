"""The controls that a config asks for, of one column after its training."""

from collections.abc import Callable, Hashable, Iterator

import jax.numpy as jnp
from jax.sharding import Mesh

from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.feeds import Feed
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
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import RANDOM, Column
from transfer_jax.grid.grid import base_condition
from transfer_jax.models.layered import Params
from transfer_jax.plan.plan import Plan
from transfer_jax.running.bases import restore_base
from transfer_jax.running.controls.measure import (
    Finished,
    barriers,
    robustness,
    scores,
    similarities,
)
from transfer_jax.running.controls.probe import Looker, Probe
from transfer_jax.running.controls.stitching import stitched_networks, stitched_program

FeedOf = Callable[[Plan, list[ColumnStart], Mesh], Feed]
MEASURES = {
    CKA: similarities,
    BARRIER: barriers,
    REINITIALISATION: robustness,
    SCORES: scores,
}


class ColumnControls:
    """Measures controls; what is compiled is kept from column to column.

    Args:
      feed_of: where a stitch's training images come from.
      on_pause: called as a stitch is trained.
    """

    def __init__(self, feed_of: FeedOf, on_pause: Callable[[Pause], None]) -> None:
        self.feed_of, self.on_pause = feed_of, on_pause
        self.lookers: dict[Hashable, Looker] = {}
        self.stitches: dict[Hashable, tuple[CompiledProgram, Looker]] = {}

    def measure(
        self,
        plan: Plan,
        folder: Workdir,
        column: Column,
        start: ColumnStart,
        trained: dict[str, Params],
    ) -> Iterator[ControlRow]:
        """The controls of a column of conditions; none of base networks.

        Args:
          plan: the plan.
          folder: the run's folder, which holds the base networks.
          column: the column.
          start: what it started from.
          trained: cut label to the layers that its condition trained.

        Yields:
          Their numbers.
        """
        if column.base is None or not plan.config.controls:
            return
        own_base = base_condition(column.split, column.seed, column.target)
        target = restore_base(plan, folder, own_base)
        done = self._finished(plan, column, start, trained, target)
        for name in plan.config.controls:
            if name in MEASURES:
                yield from MEASURES[name](done)
        if STITCHING in plan.config.controls and column.base not in (column.target, RANDOM):
            yield from self._stitching(plan, start, done)

    def _finished(
        self,
        plan: Plan,
        column: Column,
        start: ColumnStart,
        trained: dict[str, Params],
        target: Params,
    ) -> Finished:
        split, recipe, count = plan.splits[column.split], plan.recipe, plan.config.control_examples
        own = split.task(column.target)
        source = own if column.base == RANDOM else split.task(column.base or "")

        def probe(task: object, *, test: bool) -> Probe:
            where = (recipe.images, task, start.inputs, count)
            return Probe(*where, test=test, crop=recipe.crop)  # pyright: ignore

        key = plan.program_key(())
        looker = self.lookers.setdefault(key, Looker(plan.network))
        return Finished(
            column,
            plan.network.layer_names,
            start.base,
            target,
            start.networks,
            trained,
            looker,
            probe(source, test=False),
            probe(own, test=False),
            probe(own, test=True),
        )

    def _stitching(self, plan: Plan, start: ColumnStart, done: Finished) -> Iterator[ControlRow]:
        """Accuracy of the base's first layers under the target's own last ones: at first, trained.

        Source: Lenc and Vedaldi (2015); Bansal et al. (2021), Revisiting model stitching.
        """
        mesh, x = column_mesh(1), jnp.zeros((1, *plan.recipe.network_shape))
        for n in dict.fromkeys(cut.n for cut in done.column.cuts if cut.variant is None):
            key = (n, plan.program_key(()))
            if key not in self.stitches:
                program = stitched_program(plan.program(()), n)
                streamed = plan.recipe.images.streamed
                compiled = CompiledProgram(program, mesh, streamed=streamed)
                self.stitches[key] = (compiled, Looker(program.network))
            compiled, looker = self.stitches[key]
            networks = stitched_networks(compiled.program, done.base, done.target, x)
            (whole,) = networks.values()
            yield done.row(STITCHING, n, looker.accuracy(whole, done.target_test))
            begun = start._replace(networks=dict(networks), base=whole, standing=None)
            feed = self.feed_of(plan, [begun], mesh)
            (outcome,) = compiled.run([begun], feed, plan.recipe.steps, self.on_pause)
            yield done.row(STITCHING, n, float(outcome.top1[0]), at=plan.recipe.steps)
