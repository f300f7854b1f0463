"""The training loop: the columns of one slot, from their first step to their test accuracy."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, Int

from transfer_jax.data.order import ColumnInputs, DeviceImages
from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.feeds import Feed
from transfer_jax.engine.mesh import COLUMN, DATA, fetch, fetch_rows, over_columns, place
from transfer_jax.engine.step import ColumnProgram, ColumnState, Counts, Evaluation, Metrics
from transfer_jax.models.layered import Params

LOG_EVERY = 20


class Pause(NamedTuple):
    """What is known when the loop pauses; columns are brought to the first process.

    Attributes:
      steps: steps since the last pause.
      done: steps done.
      metrics: row of the mesh to the loss and accuracy on the last batch.
      evaluations: those so far, of all columns: steps done, counts with a leading axis of columns.
      states: brings the states to the host, called by all processes: row of the mesh to state.
    """

    steps: int
    done: int
    metrics: dict[int, Metrics]
    evaluations: list[tuple[int, Evaluation]]
    states: Callable[[], dict[int, ColumnState]]


OnPause = Callable[[Pause], None]


class ColumnOutcome(NamedTuple):
    """What training a column gives, in the order of its cuts.

    `steps` are the steps done at every evaluation, the last one included; `test` and `validation`
    the accuracy then, not a number where there are no validation examples.
    `loss` is that of the test examples after the last step.
    `diverged` is the first step, counted from 1, whose loss was not finite; 0 for none.
    `right` says which test examples are classified right after the last step, in their order;
    `validation_right` likewise.
    `params` are there on the first process; None elsewhere.
    """

    steps: Int[np.ndarray, " evaluation"]
    test: Float[np.ndarray, "evaluation cut"]
    validation: Float[np.ndarray, "evaluation cut"]
    loss: Float[np.ndarray, " cut"]
    diverged: Int[np.ndarray, " cut"]
    right: Bool[np.ndarray, "cut example"]
    validation_right: Bool[np.ndarray, "cut example"]
    params: dict[str, Params] | None

    @property
    def top1(self) -> Float[np.ndarray, " cut"]:
        """Accuracy on the test examples after the last step."""
        return self.test[-1]


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
          test_every: steps between two evaluations; 0 evaluates at the end only.
          extra_pauses: further steps to pause at.

        Returns:
          One outcome a column.
        """
        state = place([self._state(start) for start in starts], self.mesh)
        evaluations = _evaluations_so_far(starts, self.mesh)
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
                found, rights = self._evaluate(state, base, feed, inputs, len(starts))
                evaluations.append((done, fetch(found)))
            states = partial(fetch_rows, state, self.mesh)
            on_pause(Pause(count, done, fetch_rows(metrics, self.mesh), evaluations, states))
        fetched = [fetch(batch) for batch in rights]
        rows = inputs.validation_batches.shape[1]
        return self._outcomes(evaluations, state, fetched[:rows], fetched[rows:], len(starts))

    def _state(self, start: ColumnStart) -> ColumnState:
        if start.standing:
            return start.standing.state
        return self.program.init(start.networks, start.settings)

    def _evaluate(
        self, state: ColumnState, base: Params, feed: Feed, inputs: ColumnInputs, columns: int
    ) -> tuple[Evaluation, list[Array]]:
        """The counts, and batch by batch which examples are right; both stay on the device."""
        counts, rights = self._no_counts(columns, 0), []
        first_test = inputs.validation_batches.shape[1]
        validation = counts
        for number, images in enumerate(feed.evaluate(first_test + inputs.test_batches.shape[1])):
            if number == first_test:
                validation, counts = counts, self._no_counts(columns, number)
            counts, right = self.evaluate(counts, state.conditions, base, images, inputs)
            rights.append(right)
        return Evaluation(validation, counts), rights

    def _no_counts(self, columns: int, batch: int) -> Counts:
        return place([self.program.no_counts(batch)] * columns, self.mesh)

    def place_base(self, starts: Sequence[ColumnStart]) -> Params:
        """The base networks' layers that the program reads, over the mesh."""
        return place([{n: s.base[n] for n in self.program.base_layers} for s in starts], self.mesh)

    def place_inputs(self, inputs: Sequence[ColumnInputs]) -> ColumnInputs:
        """The columns' inputs over the mesh, the batches divided over its axis `data`."""
        divided = [
            field
            for field in ("train_batches", "validation_batches", "test_batches")
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
        evaluations: list[tuple[int, Evaluation]],
        state: ColumnState,
        validation_rights: list[np.ndarray],
        test_rights: list[np.ndarray],
        columns: int,
    ) -> list[ColumnOutcome]:
        diverged = fetch(state.diverged)
        params = fetch_rows({n: held.params for n, held in state.conditions.items()}, self.mesh)
        validation = [found.validation for _, found in evaluations]
        test = [found.test for _, found in evaluations]
        loss = np.asarray(test[-1].loss) / np.asarray(test[-1].examples)[:, None]
        # The last step's loss is that before its update: what it broke shows in the test.
        steps = evaluations[-1][0]
        diverged = np.where((diverged == 0) & ~np.isfinite(loss), steps, diverged)
        validation_shares, shares = _accuracy(validation), _accuracy(test)
        validation_right = _right(validation_rights, validation[-1])
        right = _right(test_rights, test[-1])
        return [
            ColumnOutcome(
                steps=np.array([done for done, _ in evaluations]),
                test=shares[:, i],
                validation=validation_shares[:, i],
                loss=loss[i],
                diverged=diverged[i],
                right=right[i],
                validation_right=validation_right[i],
                params=params.get(i),
            )
            for i in range(columns)
        ]


def _next_multiple(number: int, factor: int) -> int:
    return number - number % factor + factor


def _accuracy(counts: Sequence[Counts]) -> Float[np.ndarray, "evaluation column cut"]:
    """Shares of right examples; not a number where there are no examples."""
    examples = np.stack([np.asarray(own.examples)[:, None] for own in counts])
    correct = np.stack([np.asarray(own.correct) for own in counts])
    return np.divide(correct, examples, out=np.full(correct.shape, np.nan), where=examples > 0)


def _right(batches: list[np.ndarray], counts: Counts) -> list[Bool[np.ndarray, "cut example"]]:
    """Of each column, which of its examples each condition classifies right; padding cut off."""
    examples = np.asarray(counts.examples).tolist()
    if not batches:
        return [np.zeros((counts.correct.shape[1], 0), bool) for _ in examples]
    whole = np.concatenate(batches, axis=-1)
    return [whole[i, :, :count] for i, count in enumerate(examples)]


def _evaluations_so_far(starts: Sequence[ColumnStart], mesh: Mesh) -> list[tuple[int, Evaluation]]:
    """Those of columns that go on, as those of a slot: with a leading axis of columns."""
    own = [start.standing.evaluations for start in starts if start.standing]
    filled = own + own[-1:] * (mesh.shape[COLUMN] - len(own))
    return [
        (held[0][0], jax.tree.map(lambda *rows: np.stack(rows), *(counts for _, counts in held)))
        for held in zip(*filled, strict=True)
    ]
