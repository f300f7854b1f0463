"""The training loop: the columns of one slot, from their first step to their test accuracy."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from transfer_jax.data.pipeline import ColumnInputs, DeviceImages
from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.feeds import Feed
from transfer_jax.engine.mesh import COLUMN, DATA, fetch, fetch_rows, over_columns, place
from transfer_jax.engine.step import ColumnProgram, ColumnState, Metrics, TestCounts
from transfer_jax.models.layered import Params

LOG_EVERY = 20


class Pause(NamedTuple):
    """What is known when the loop pauses; columns are brought to the first process.

    Attributes:
      steps: steps since the last pause.
      done: steps done.
      metrics: row of the mesh to the loss and accuracy on the last batch.
      tests: the tests so far, of all columns: steps done, counts with a leading axis of columns.
      states: brings the states to the host, called by all processes: row of the mesh to state.
    """

    steps: int
    done: int
    metrics: dict[int, Metrics]
    tests: list[tuple[int, TestCounts]]
    states: Callable[[], dict[int, ColumnState]]


OnPause = Callable[[Pause], None]


class ColumnOutcome(NamedTuple):
    """What training a column gives, in the order of its cuts.

    `tests` is the accuracy at every test, the last one included; `tested` are the steps done then.
    `diverged` is the first step, counted from 1, whose loss was not finite; 0 for none.
    `right` says which test examples are classified right after the last step, in their order.
    `params` are there on the first process; None elsewhere.
    """

    tested: Int[np.ndarray, " test"]
    tests: Float[np.ndarray, "test cut"]
    top1: Float[np.ndarray, " cut"]
    loss: Float[np.ndarray, " cut"]
    diverged: Int[np.ndarray, " cut"]
    right: Bool[np.ndarray, "cut example"]
    params: dict[str, Params] | None


class CompiledProgram:
    """A column program, compiled once for a mesh and called for every slot of columns.

    Args:
      program: the computation of one column.
      mesh: the mesh of devices.
      in_chunks: whether the steps between two logs are one call; None lets the backend decide.
        A CPU is faster step by step: XLA runs a loop's convolutions on one thread.
    """

    def __init__(
        self,
        program: ColumnProgram,
        mesh: Mesh,
        in_chunks: bool | None = None,
        *,
        streamed: bool = False,
    ) -> None:
        self.program, self.mesh, self.streamed = program, mesh, streamed
        chunked = jax.default_backend() != "cpu" if in_chunks is None else in_chunks
        self.in_chunks = chunked and not streamed
        train, evaluate = program.train, program.evaluate
        if streamed:
            train, evaluate = program.train_batch, program.evaluate_batch
        # All columns share a dataset on the device; of a stream each has its own batch.
        shared = () if streamed else (2,)
        self.train = over_columns(train, mesh, shared=shared, donate=(0,))
        self.chunk = over_columns(self._chunk, mesh, shared=(2, 4), donate=(0,))
        self.evaluate = over_columns(
            evaluate, mesh, shared=tuple(i + 1 for i in shared), donate=(0,)
        )

    def run(
        self,
        starts: Sequence[ColumnStart],
        feed: Feed,
        steps: int,
        on_pause: OnPause,
        *,
        log_every: int = LOG_EVERY,
        test_every: int = 0,
        extra_pauses: Collection[int] = (),
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
          test_every: steps between two tests; 0 tests at the end only.
          extra_pauses: further steps to pause at.

        Returns:
          One outcome a column.
        """
        state = place([self._state(start) for start in starts], self.mesh)
        tests = _tests_so_far(starts, self.mesh)
        base = self.place_base(starts)
        inputs = self.place_inputs([start.inputs for start in starts])
        done = int(starts[0].standing.state.step) if starts[0].standing else 0
        batches = feed.train(steps, done)
        rights: list[Array] = []
        while done < steps:
            next_test = _next_multiple(done, test_every) if test_every else steps
            next_log = _next_multiple(done, log_every)
            later = [step for step in extra_pauses if step > done]
            count = min(next_log, next_test, steps, *later) - done
            state, metrics = self._advance(state, base, batches, inputs, count)
            done += count
            if done in (next_test, steps):
                counts, rights = self._test(state, base, feed, inputs, len(starts))
                tests.append((done, fetch(counts)))
            states = partial(fetch_rows, state, self.mesh)
            on_pause(Pause(count, done, fetch_rows(metrics, self.mesh), tests, states))
        right = np.concatenate([fetch(batch) for batch in rights], axis=-1)
        return self._outcomes(tests, state, right, len(starts), steps)

    def _state(self, start: ColumnStart) -> ColumnState:
        if start.standing:
            return start.standing.state
        return self.program.init(start.networks, start.settings)

    def _test(
        self, state: ColumnState, base: Params, feed: Feed, inputs: ColumnInputs, columns: int
    ) -> tuple[TestCounts, list[Array]]:
        """The counts, and batch by batch which examples are right; both stay on the device."""
        counts, rights = place([self.program.no_counts()] * columns, self.mesh), []
        for images in feed.test(inputs.test_batches.shape[1]):
            counts, right = self.evaluate(counts, state.conditions, base, images, inputs)
            rights.append(right)
        return counts, rights

    def place_base(self, starts: Sequence[ColumnStart]) -> Params:
        """The base networks' layers that the program reads, over the mesh."""
        return place([{n: s.base[n] for n in self.program.base_layers} for s in starts], self.mesh)

    def place_inputs(self, inputs: Sequence[ColumnInputs]) -> ColumnInputs:
        """The columns' inputs over the mesh, the batches divided over its axis `data`."""
        divided = [
            field
            for field in ("train_batches", "test_batches")
            if getattr(inputs[0], field).shape[1] % self.mesh.shape[DATA] == 0
        ]
        placed = {
            field: place(
                [getattr(own, field) for own in inputs],
                self.mesh,
                batch_axis=2 if field in divided else None,
            )
            for field in ColumnInputs._fields
        }
        return ColumnInputs(**placed)

    def _advance(
        self,
        state: ColumnState,
        base: Params,
        batches: Iterator[DeviceImages],
        inputs: ColumnInputs,
        count: int,
    ) -> tuple[ColumnState, Metrics]:
        if self.in_chunks:
            *_, images = islice(batches, count)
            return self.chunk(state, base, images, inputs, np.int32(count))
        recent: list[Metrics] = []
        for images in islice(batches, count):
            state, metrics = self.train(state, base, images, inputs)
            recent = [*recent[-1:], metrics]
            if self.streamed:
                # The host stays one batch ahead, so that batches do not pile up on the device.
                jax.block_until_ready(recent[0])
        return state, recent[-1]

    def _chunk(
        self,
        state: ColumnState,
        base: Params,
        images: DeviceImages,
        inputs: ColumnInputs,
        count: Array,
    ) -> tuple[ColumnState, Metrics]:
        """Steps in one call; their number is an argument, so that every chunk is one program."""

        def body(_: Array, held: tuple[ColumnState, Metrics]) -> tuple[ColumnState, Metrics]:
            return self.program.train(held[0], base, images, inputs)

        nothing = self.program.no_counts().loss
        return jax.lax.fori_loop(0, count, body, (state, Metrics(nothing, nothing)))

    def _outcomes(
        self,
        tests: list[tuple[int, TestCounts]],
        state: ColumnState,
        right: Bool[np.ndarray, "column cut example"],
        columns: int,
        steps: int,
    ) -> list[ColumnOutcome]:
        diverged = fetch(state.diverged)
        params = fetch_rows({n: held.params for n, held in state.conditions.items()}, self.mesh)
        examples = np.stack([np.asarray(counts.examples)[:, None] for _, counts in tests])
        top1 = np.stack([np.asarray(counts.correct) for _, counts in tests]) / examples
        loss = np.asarray(tests[-1][1].loss) / examples[-1]
        # The last step's loss is that before its update: what it broke shows in the test.
        diverged = np.where((diverged == 0) & ~np.isfinite(loss), steps, diverged)
        return [
            ColumnOutcome(
                tested=np.array([done for done, _ in tests]),
                tests=top1[:, i],
                top1=top1[-1, i],
                loss=loss[i],
                diverged=diverged[i],
                right=right[i, :, : int(examples[-1, i, 0])],
                params=params.get(i),
            )
            for i in range(columns)
        ]


def _next_multiple(number: int, factor: int) -> int:
    return number - number % factor + factor


def _tests_so_far(starts: Sequence[ColumnStart], mesh: Mesh) -> list[tuple[int, TestCounts]]:
    """The tests of columns that go on, as those of a slot: with a leading axis of columns."""
    own = [start.standing.tests for start in starts if start.standing]
    filled = own + own[-1:] * (mesh.shape[COLUMN] - len(own))
    return [
        (held[0][0], jax.tree.map(lambda *rows: np.stack(rows), *(counts for _, counts in held)))
        for held in zip(*filled, strict=True)
    ]
