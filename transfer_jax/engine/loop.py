"""The training loop: the columns of one slot, from their first step to their last test."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array

from transfer_jax.data.order import ColumnInputs, DeviceImages, Images
from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.counts import Counts, Evaluation
from transfer_jax.engine.feeds import Feed
from transfer_jax.engine.inputs import place_inputs
from transfer_jax.engine.mesh import COLUMN, fetch, fetch_rows, over_columns, place
from transfer_jax.engine.outcome import ColumnOutcome, Evaluations, outcomes
from transfer_jax.engine.step import ColumnProgram, ColumnState, Metrics
from transfer_jax.grid.conditions import Cut
from transfer_jax.models.backend import target_backend
from transfer_jax.models.layered import Variables

LOG_EVERY = 20
EVALUATED = ("validation_batches", "test_batches")


class Pause(NamedTuple):
    """What is known when the loop pauses; columns are brought to the first process.

    Attributes:
      steps: steps since the last pause.
      done: steps done.
      metrics: row of the mesh to the loss and score on the last batch.
      evaluations: those so far, of all columns: steps done, counts with a leading axis of columns.
      states: brings the states to the host, called by all processes: row of the mesh to state.
    """

    steps: int
    done: int
    metrics: dict[int, Metrics]
    evaluations: Evaluations
    states: Callable[[], dict[int, ColumnState]]


OnPause = Callable[[Pause], None]


class CompiledProgram:
    """A column program, compiled once for a mesh and called for every slot of columns.

    Args:
      program: the computation of one column.
      mesh: the mesh of devices.
      in_chunks: whether the steps between two logs are one call; None lets the backend decide.
        A CPU is faster step by step: XLA runs a loop's convolutions on one thread.
      lean: whether a CPU computes in the order that needs the least memory.
    """

    def __init__(
        self,
        program: ColumnProgram,
        mesh: Mesh,
        in_chunks: bool | None = None,
        lean: bool = False,
    ) -> None:
        self.program, self.mesh, self.lean = program, mesh, lean
        self.later: dict[tuple[Cut, ...], CompiledProgram] = {}
        self.in_chunks = target_backend() != "cpu" if in_chunks is None else in_chunks
        # All columns share a dataset on the device; of what is read each has its own batch.
        self.train, self.chunk, self.evaluate = (
            over_columns(fn, mesh, shared=(DeviceImages,), donate=(0,), lean=lean)
            for fn in (program.train, self._chunk, program.evaluate)
        )
        self.carried_over = over_columns(program.carried_over, mesh)
        # Op by op, each shape of an optimizer's state would be a program of its own.
        self._begun = jax.jit(lambda cut, *of: program.begun(cut, *of), static_argnums=0)

    def at(self, done: int, steps: int) -> "CompiledProgram":
        """The program of the phase in which the conditions are after some steps.

        Args:
          done: steps done.
          steps: steps in all.

        Returns:
          This program where no condition has a later phase.
        """
        program = self.program.at(done, steps)
        cuts = tuple(program.cuts)
        if cuts == tuple(self.program.cuts):
            return self
        if cuts not in self.later:
            self.later[cuts] = CompiledProgram(program, self.mesh, self.in_chunks, self.lean)
        return self.later[cuts]

    def run(
        self,
        starts: Sequence[ColumnStart],
        feed: Feed,
        steps: int,
        on_pause: OnPause,
        *,
        log_every: int = LOG_EVERY,
        test_every: int = 0,
        part: int = 0,
        extra_pauses: Collection[int] = (),
        until: int = 0,
    ) -> list[ColumnOutcome]:
        """Train and test one slot of columns, from their first step or from where they stand.

        Args:
          starts: what each column starts from; at most as many as the mesh has rows. Those that
            were stopped all stand at the same step.
          feed: where images come from.
          steps: training steps.
          on_pause: called every `log_every` steps, after each test and at the end; what it
            raises ends the training.
          log_every: steps between two pauses; metrics leave the device only then.
          test_every: steps between two evaluations; 0 evaluates at the end only.
          part: batches of the test that those on the way are made of, without validation; the
            last step has one of these, and then a whole one. 0 makes all of them whole.
          extra_pauses: further steps to pause at.
          until: the step to stop at; 0 for the last one. Before that, validation images alone are
            looked at.

        Returns:
          One outcome a column.
        """
        end = until or steps
        done = int(starts[0].resume_point.state.step) if starts[0].resume_point else 0
        phase = self.at(done, steps)
        state = phase.place_state(starts)
        evaluations = _evaluations_so_far(starts, self.mesh)
        base = phase.place_base(starts)
        inputs = place_inputs([start.inputs for start in starts], self.mesh)
        boundaries = self.program.boundaries(steps)
        extra_pauses = {*extra_pauses, *boundaries}
        feed.begin(end, done)
        scores: list[Array] = []
        first_test, tests = (_with_examples(starts, name) for name in EVALUATED)
        part = min(part, tests) if test_every else 0
        while done < end:
            next_test = _next_multiple(done, test_every) if test_every else steps
            next_log = _next_multiple(done, log_every)
            later = [step for step in extra_pauses if step > done]
            count = min(next_log, next_test, end, *later) - done
            state, metrics = phase.advance(state, base, feed, inputs, count)
            done += count
            if done in boundaries:
                # Before the pause: a checkpoint of this step is of the phase that begins.
                phase = self.at(done, steps)
                settings = place([start.settings or {} for start in starts], self.mesh)
                state = phase.carried_over(state, base, settings)
                base = phase.place_base(starts)
            if done in (next_test, steps):
                judge = partial(phase.judge, state, base, feed, inputs, len(starts))
                if part:
                    evaluations.append((done, fetch(judge(0, part)[0])))
                if done == steps or not part:
                    found, scores = judge(first_test, tests)
                    evaluations.append((done, fetch(found)))
            states = partial(fetch_rows, state, self.mesh)
            on_pause(Pause(count, done, fetch_rows(metrics, self.mesh), evaluations, states))
        if end < steps:
            found, scores = phase.judge(state, base, feed, inputs, len(starts), first_test, 0)
            evaluations = [(done, fetch(found))]
        fetched = [fetch(batch) for batch in scores]
        halves = fetched[:first_test], fetched[first_test:]
        return outcomes(evaluations, state, *halves, len(starts), self.mesh)

    def place_state(self, starts: Sequence[ColumnStart]) -> ColumnState:
        """What columns start from, over the mesh: where they stand, or fresh networks."""
        points = [start.resume_point.state for start in starts if start.resume_point]
        if points:
            return place(points, self.mesh)
        whole = place([self.program.not_begun() for _ in starts], self.mesh)
        for cut in self.program.cuts:
            # One condition after the other: the host does not hold all that devices hold.
            own = [
                self._begun(cut, start.networks[cut.label], (start.settings or {}).get(cut.label))
                for start in starts
            ]
            whole.conditions[cut.label] = place(own, self.mesh)
        return whole

    def judge(
        self,
        state: ColumnState,
        base: Variables,
        feed: Feed,
        inputs: ColumnInputs,
        columns: int,
        validation: int,
        tests: int,
    ) -> tuple[Evaluation, list[Array]]:
        """The counts, and batch by batch the score of each example; both stay on the device.

        Only the first batches of the validation, and of the test, are run: as many as is said.
        """
        first_test, scores, found = inputs.validation_batches.shape[1], [], []
        for begin, batches in ((0, validation), (first_test, tests)):
            counts = self._no_counts(columns, begin)
            for batch in feed.evaluate(begin + batches, begin):
                counts, score = self.evaluate(counts, state.conditions, base, batch, inputs)
                jax.block_until_ready(scores[-1:])
                scores.append(score)
            found.append(counts)
        return Evaluation(*found), scores

    def _no_counts(self, columns: int, batch: int) -> Counts:
        return place([self.program.no_counts(batch)] * columns, self.mesh)

    def place_base(self, starts: Sequence[ColumnStart]) -> Variables:
        """The base networks' layers that the program reads, over the mesh."""
        return place([{n: s.base[n] for n in self.program.base_layers} for s in starts], self.mesh)

    def advance(
        self,
        state: ColumnState,
        base: Variables,
        feed: Feed,
        inputs: ColumnInputs,
        count: int,
    ) -> tuple[ColumnState, Metrics]:
        """The state after some steps of this phase, and the metrics of the last one."""
        before = metrics = None
        for images, steps in feed.take(count):
            for _ in range(1 if self.in_chunks else steps):
                if self.in_chunks:
                    state, metrics = self.chunk(state, base, images, inputs, np.int32(steps))
                else:
                    state, metrics = self.train(state, base, images, inputs)
                # The host stays one call ahead: those that wait have their memory already. Steps of
                # large networks are so long that this saves nothing, and their memory is large.
                jax.block_until_ready(metrics if self.lean else before)
                before = metrics
        assert metrics is not None
        return state, metrics

    def _chunk(
        self,
        state: ColumnState,
        base: Variables,
        images: Images,
        inputs: ColumnInputs,
        count: Array,
    ) -> tuple[ColumnState, Metrics]:
        """Steps in one call; their number is an argument, so that every chunk is one program."""

        def body(_: Array, held: tuple[ColumnState, Metrics]) -> tuple[ColumnState, Metrics]:
            return self.program.train(held[0], base, images, inputs)

        nothing = self.program.no_counts().loss
        return jax.lax.fori_loop(0, count, body, (state, Metrics(nothing, nothing)))


def _with_examples(starts: Sequence[ColumnStart], name: str) -> int:
    """How many of some batches hold an example of some column; those after are padding."""
    batches = [np.asarray(getattr(start.inputs, name)) for start in starts]
    return max(int((own >= 0).any(axis=1).sum()) for own in batches)


def _next_multiple(number: int, factor: int) -> int:
    return number - number % factor + factor


def _evaluations_so_far(starts: Sequence[ColumnStart], mesh: Mesh) -> Evaluations:
    """Those of columns that go on, as those of a slot: with a leading axis of columns."""
    own = [start.resume_point.evaluations for start in starts if start.resume_point]
    filled = own + own[-1:] * (mesh.shape[COLUMN] - len(own))
    return [
        (held[0][0], jax.tree.map(lambda *rows: np.stack(rows), *(counts for _, counts in held)))
        for held in zip(*filled, strict=True)
    ]
