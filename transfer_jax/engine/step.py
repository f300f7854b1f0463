"""One training step, and one evaluation step, of all conditions of a column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from transfer_jax.data.order import Batch, ColumnInputs, Images
from transfer_jax.engine.condition import HELD, ConditionProgram, ConditionState
from transfer_jax.engine.counts import Counts, added, no_counts
from transfer_jax.engine.in_turn import one_after_another
from transfer_jax.engine.objective import CLASSIFICATION, Objective
from transfer_jax.engine.settings import Settings, is_of_a_schedule, with_settings
from transfer_jax.engine.trunk import NOTHING, Trunk, step_rngs
from transfer_jax.engine.view import Seen, View
from transfer_jax.grid.conditions import Cut
from transfer_jax.models.layered import Layered, Rngs, Variables
from transfer_jax.surgery.stacking import stack, unstack

PACKINGS = ("unroll", "vmap")


class ColumnState(NamedTuple):
    """What a step changes: of each cut, what its condition owns; and where training stands.

    `diverged` is the first step, counted from 1, whose loss was not finite; 0 for none.
    """

    conditions: dict[str, ConditionState]
    diverged: Int[Array, " cut"]
    step: Int[Array, ""]


class Metrics(NamedTuple):
    """Loss and score on one batch, in the order of the column's cuts."""

    loss: Float[Array, " cut"]
    score: Float[Array, " cut"]


@dataclass(frozen=True)
class ColumnProgram:
    """The computation that all columns with the same cuts share.

    Its methods take the state of a column; the base network's layers that `base_layers` names;
    images, as a feed gives them; and the column's inputs.

    Attributes:
      network: the layered network.
      cuts: the cuts of the column, in order.
      tx: the optimizer of one condition.
      mirror: whether training images are mirrored at random.
      shift: largest random shift of training images, in pixels.
      crop: side of the square that is cut out of each image, at random in training; 0 for none.
      views: at how many places training looks, where it shifts or crops; 0 draws at every step.
      frozen_dropout: whether dropout stays on in frozen layers.
      packing: "unroll" writes the conditions out one after the other; "vmap" maps over those
        of one structure.
      copied_statistics: whether trainable layers that were copied keep the base network's
        statistics ("held") or learn their own ("moves").
      objective: what is made small, and what networks are judged by.
      keeps: how activations of the trunk may be kept, so that numbers stay the same to the bit.
    """

    network: Layered
    cuts: Sequence[Cut]
    tx: optax.GradientTransformation
    mirror: bool = False
    shift: int = 0
    crop: int = 0
    views: int = 0
    frozen_dropout: bool = True
    packing: str = "unroll"
    copied_statistics: str = HELD
    objective: Objective = CLASSIFICATION
    keeps: str = NOTHING

    @property
    def base_layers(self) -> tuple[str, ...]:
        """The layers of the base network that some condition keeps for good."""
        layers = {layer for cut in self.cuts for layer in cut.from_base}
        return tuple(name for i, name in enumerate(self.network.layer_names) if i in layers)

    @property
    def trunk_depth(self) -> int:
        """Number of first layers that run once for all conditions that keep them."""
        return max((cut.trunk_depth for cut in self.cuts), default=0)

    def boundaries(self, steps: int) -> list[int]:
        """The steps after which some condition's later phase begins, in order."""
        return sorted({step for cut in self.cuts for step in cut.boundaries(steps)})

    def at(self, done: int, steps: int) -> "ColumnProgram":
        """The program of the phases in which the conditions are after some steps."""
        return replace(self, cuts=tuple(cut.at(done, steps) for cut in self.cuts))

    def phases(self, steps: int) -> list[tuple[int, "ColumnProgram"]]:
        """The programs that follow one another, and for how many steps each."""
        begin = sorted({0, *self.boundaries(steps)})
        return [(end - done, self.at(done, steps)) for done, end in pairwise([*begin, steps])]

    def init(
        self, whole: dict[str, Variables], settings: Mapping[str, Settings] | None = None
    ) -> ColumnState:
        """The state before the first step.

        Args:
          whole: cut label to that condition's whole network.
          settings: cut label to values that its optimizer keeps in its state, such as a learning
            rate; where there are none, those of `tx`.

        Returns:
          The state; it holds what each condition owns only.
        """
        own = settings or {}
        conditions = {
            cut.label: self.begun(cut, whole[cut.label], own.get(cut.label)) for cut in self.cuts
        }
        return self.not_begun()._replace(conditions=conditions)

    def begun(self, cut: Cut, network: Variables, settings: Settings | None) -> ConditionState:
        """The state of one condition before the first step, as in `init`; all of it is its own."""
        return with_settings(self.condition(cut).init(network), settings)

    def not_begun(self) -> ColumnState:
        """The state before the first step, without any condition."""
        return ColumnState({}, jnp.zeros(len(self.cuts), jnp.int32), jnp.zeros((), jnp.int32))

    def carried_over(
        self, state: ColumnState, base: Variables, settings: Mapping[str, Settings]
    ) -> ColumnState:
        """The state at the beginning of these cuts' phase.

        Args:
          state: the state at the end of the phase before.
          base: the base network's layers that the phase before read.
          settings: as `init` takes them; what is set free has them too.

        Returns:
          The state that this program takes. What is set free follows the schedule of the others
          from where it stands; other counts, such as that of Adam's bias correction, begin anew.
        """
        conditions = {}
        for cut in self.cuts:
            held = self.condition(cut).carried_over(state.conditions[cut.label], base)
            held = with_settings(held, settings.get(cut.label))
            follows = optax.tree.set(held.opt_state, is_of_a_schedule, count=state.step)
            conditions[cut.label] = held._replace(opt_state=follows)
        return state._replace(conditions=conditions)

    def train(
        self, state: ColumnState, base: Variables, images: Images, inputs: ColumnInputs
    ) -> tuple[ColumnState, Metrics]:
        """One step of every condition on the batch of `state.step`; metrics are those before it."""
        batch = images.take(jnp.asarray(inputs.train_batches), state.step)
        seen = self.see(base, batch, inputs, state.step)
        return self.learn(state, base, seen, batch.labels, inputs)

    def evaluate(
        self,
        counts: Counts,
        conditions: dict[str, ConditionState],
        base: Variables,
        images: Images,
        inputs: ColumnInputs,
    ) -> tuple[Counts, Float[Array, "cut example"]]:
        """Add the batch of `counts.batch` to the sums, the validation's batches before the test's.

        Returns:
          The next sums, and each condition's score of each example; 0 for padding.
        """
        batches = jnp.concatenate([inputs.validation_batches, inputs.test_batches])
        batch = images.take(batches, counts.batch)
        seen = self.see(base, batch, inputs)
        return self.judge(counts, conditions, base, seen, batch.labels, inputs)

    def see(
        self,
        base: Variables,
        batch: Batch,
        inputs: ColumnInputs,
        step: Int[Array, ""] | None = None,
    ) -> Seen:
        """The activations at which conditions begin, in training at a step, or in evaluation."""
        depths = tuple(sorted({cut.trunk_depth for cut in self.cuts}))
        return self.trunk(depths).see(base, batch, inputs, step)

    def trunk(self, depths: tuple[int, ...]) -> Trunk:
        """The base network's first layers, with the activations that are wanted."""
        return Trunk(self.network, depths, self.view, self.frozen_dropout, self.keeps)

    @property
    def view(self) -> View:
        """How images are seen."""
        return View(self.mirror, self.shift, self.crop, self.views)

    def learn(
        self,
        state: ColumnState,
        base: Variables,
        seen: Seen,
        classes: Int[Array, " example"],
        inputs: ColumnInputs,
    ) -> tuple[ColumnState, Metrics]:
        """The step of every condition, from what `see` gives, computed now or kept."""
        labels, rngs = jnp.asarray(inputs.ranks)[classes], step_rngs(inputs, state.step)
        conditions, losses, scores = {}, {}, {}
        found: list[tuple[ConditionState, Array, Array]] = []
        for group in self._groups(state):
            held = [state.conditions[cut.label] for cut in group]
            held = one_after_another(found, held, state.step)
            found = self._step(group, held, base, seen, labels, rngs)
            for cut, (condition, loss, score) in zip(group, found, strict=True):
                conditions[cut.label] = condition
                losses[cut.label], scores[cut.label] = loss, score
        loss = jnp.stack([losses[cut.label] for cut in self.cuts])
        score = jnp.stack([scores[cut.label] for cut in self.cuts])
        first = (state.diverged == 0) & ~jnp.isfinite(loss)
        diverged = jnp.where(first, state.step + 1, state.diverged)
        return ColumnState(conditions, diverged, state.step + 1), Metrics(loss, score)

    def judge(
        self,
        counts: Counts,
        conditions: dict[str, ConditionState],
        base: Variables,
        seen: Seen,
        classes: Int[Array, " example"],
        inputs: ColumnInputs,
    ) -> tuple[Counts, Float[Array, "cut example"]]:
        """The evaluation of every condition, from what `see` gives; class -1 is padding."""
        real = classes >= 0
        labels = jnp.where(real, jnp.asarray(inputs.ranks)[classes], 0)
        losses, scores = [], []
        for cut in self.cuts:
            own = conditions[cut.label].variables
            logits, _ = self.condition(cut).logits(own, base, seen[cut.trunk_depth])
            losses.append(self.objective.loss.of_each(logits, labels))
            scores.append(jnp.where(real, self.objective.score.of_each(logits, labels), 0.0))
        weights = jnp.ones(len(classes))
        if self.objective.score.by_class:
            is_test = counts.batch >= len(inputs.validation_batches)
            weights = 1 / jnp.asarray(inputs.class_sizes)[is_test.astype(jnp.int32)][classes]
        each = jnp.stack(scores)
        return added(counts, jnp.stack(losses), each, weights, real), each

    def no_counts(self, batch: int = 0) -> Counts:
        """Counts of no examples; the first batch to be added is this one."""
        return no_counts(len(self.cuts), batch)

    def condition(self, cut: Cut) -> ConditionProgram:
        """The computation of one of the column's conditions."""
        return ConditionProgram(
            self.network, cut, self.tx, self.frozen_dropout, self.copied_statistics, self.objective
        )

    def _groups(self, state: ColumnState) -> list[list[Cut]]:
        """The cuts that step together: under "vmap", those of one structure."""
        if self.packing == "unroll":
            return [[cut] for cut in self.cuts]
        groups: dict[tuple[object, ...], list[Cut]] = {}
        for cut in self.cuts:
            with_statistics = state.conditions[cut.label].statistics
            modes = [
                self.condition(cut).mode(layer)
                for layer, name in enumerate(self.network.layer_names)
                if name in with_statistics
            ]
            groups.setdefault((cut.frozen, cut.from_base, *modes), []).append(cut)
        return list(groups.values())

    def _step(
        self,
        group: list[Cut],
        held: list[ConditionState],
        base: Variables,
        seen: Seen,
        labels: Array,
        rngs: Rngs,
    ) -> list[tuple[ConditionState, Array, Array]]:
        """One step of conditions of one structure."""
        program, x = self.condition(group[0]), seen[group[0].trunk_depth]

        def step(state: ConditionState) -> tuple[ConditionState, Array, Array]:
            return program.step(state, base, x, labels, rngs)

        return [step(held[0])] if len(group) == 1 else unstack(jax.vmap(step)(stack(held)))
