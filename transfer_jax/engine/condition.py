"""One condition of a column: what it owns, its loss, its step."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from transfer_jax.engine.layouts import as_parameters_lie
from transfer_jax.engine.mesh import under_axis
from transfer_jax.engine.objective import CLASSIFICATION, Objective
from transfer_jax.grid.conditions import Cut
from transfer_jax.models.layered import (
    INFERENCE,
    Layered,
    Mode,
    Modes,
    Params,
    Rngs,
    Statistics,
    Variables,
    join,
    params_of,
    statistics_of,
)
from transfer_jax.surgery.freeze import freeze
from transfer_jax.surgery.thaw import thaw

STATISTICS = HELD, MOVES = "held", "moves"


class ConditionState(NamedTuple):
    """What a condition owns: parameters, the optimizer's state, the statistics of its layers.

    The optimizer's state is that of trainable parameters alone. Layers without statistics are not
    among these.
    """

    params: Params
    opt_state: optax.OptState
    statistics: Statistics

    @property
    def variables(self) -> Variables:
        """The layers that the condition owns."""
        return join(self.params, self.statistics)


@dataclass(frozen=True)
class ConditionProgram:
    """The computation of one condition, from the activation that leaves the shared trunk.

    Attributes:
      network: the layered network.
      cut: which layers are the base network's, and which are frozen.
      tx: the optimizer.
      frozen_dropout: whether dropout stays on in frozen layers, as in the original.
      copied_statistics: whether trainable layers that were copied keep the statistics of the base
        network ("held") or learn their own ("moves"). Frozen ones always keep theirs, fresh ones
        always learn.
      objective: what is made small.
    """

    network: Layered
    cut: Cut
    tx: optax.GradientTransformation
    frozen_dropout: bool = True
    copied_statistics: str = HELD
    objective: Objective = CLASSIFICATION

    def init(self, whole: Variables) -> ConditionState:
        """The state before the first step.

        Args:
          whole: the condition's whole network.

        Returns:
          The state; layers that are the base network's for good are not in it.
        """
        owned = set(range(len(self.network.layer_names))) - set(self.cut.from_base)
        own, every = {name: whole[name] for name in self._names(owned)}, params_of(whole)
        opt_state = self._optimizer(every).init(every)
        return ConditionState(params_of(own), opt_state, statistics_of(own))

    def carried_over(self, state: ConditionState, base: Variables) -> ConditionState:
        """The state at the beginning of this cut's phase.

        What was trainable keeps its parameters and its optimizer's state; what is set free begins
        with a fresh one.

        Args:
          state: the state at the end of the phase before.
          base: the base network's layers that the phase before read.

        Returns:
          The state; layers that are the base network's no longer are in it.
        """
        layers = {**base, **state.variables}
        owned = set(range(len(self.network.layer_names))) - set(self.cut.from_base)
        own = {name: layers[name] for name in self._names(owned)}
        whole = params_of({name: layers[name] for name in self.network.layer_names})
        opt_state = thaw(state.opt_state, self._optimizer(whole), whole, copy=False)
        return ConditionState(params_of(own), opt_state, statistics_of(own))

    def mode(self, layer: int) -> Mode:
        """What a layer does in training.

        Args:
          layer: its index.

        Returns:
          Whether its dropout is on, and whether it learns statistics.
        """
        frozen, copied = layer in self.cut.frozen, layer in self.cut.copied
        learns = not frozen and (not copied or self.copied_statistics == MOVES)
        return Mode(dropout=self.frozen_dropout or not frozen, statistics=learns)

    def logits(
        self,
        own: Variables,
        base: Variables,
        x: Array,
        *,
        mode: Modes = INFERENCE,
        rngs: Rngs | None = None,
    ) -> tuple[Float[Array, "batch output"], Statistics]:
        """The network's output, from the activation that leaves the trunk.

        Args:
          own: the layers that the condition owns.
          base: the base network's layers.
          x: the activation after the first `trunk_depth` layers of the base network.
          mode: what each layer does.
          rngs: keys by name.

        Returns:
          The logits, and the statistics of layers that learn them.
        """
        start = self.cut.trunk_depth
        return self.network.apply({**base, **own}, x, start, mode=mode, rngs=rngs)

    def step(
        self, state: ConditionState, base: Variables, x: Array, labels: Array, rngs: Rngs
    ) -> tuple[ConditionState, Float[Array, ""], Float[Array, ""]]:
        """One step: differentiated with respect to the trainable parameters only.

        Args:
          state: the condition's state.
          base: the base network's layers.
          x: the activation after the first `trunk_depth` layers of the base network.
          labels: the batch's labels.
          rngs: keys by name.

        Returns:
          (next state, loss, score), the latter two before the step.
        """
        frozen = set(self._names(set(self.cut.frozen)))
        held = {name: layer for name, layer in state.params.items() if name in frozen}
        modes = {name: self.mode(i) for i, name in enumerate(self.network.layer_names)}

        def loss_of(trained: Params) -> tuple[Array, tuple[Array, Statistics]]:
            own = join({**held, **trained}, state.statistics)
            logits, changed = self.logits(own, base, x, mode=modes, rngs=rngs)
            return self.objective.loss.of_each(logits, labels).mean(), (logits, changed)

        trained = {name: state.params[name] for name in state.params if name not in frozen}
        (loss, found), grads = jax.value_and_grad(loss_of, has_aux=True)(trained)
        logits, changed = found
        score = jnp.mean(self.objective.score.of_each(logits, labels))
        params, opt_state = self._updated(state, base, as_parameters_lie(grads))
        return ConditionState(params, opt_state, {**state.statistics, **changed}), loss, score

    def _updated(
        self, state: ConditionState, base: Variables, grads: Params
    ) -> tuple[Params, optax.OptState]:
        """The optimizer sees the whole network; what it says of frozen layers is zero."""
        of_base = params_of(base)

        def update(
            own: Params, opt_state: optax.OptState, grads: Params
        ) -> tuple[Params, optax.OptState]:
            layers = {**of_base, **own}
            whole = {name: layers[name] for name in self.network.layer_names}
            zeros = {n: jax.tree.map(jnp.zeros_like, p) for n, p in whole.items() if n not in grads}
            whole_grads = {name: {**zeros, **grads}[name] for name in whole}
            updates, opt_state = self._optimizer(whole).update(whole_grads, opt_state, whole)
            own_updates: Params = {name: updates[name] for name in own}  # pyright: ignore
            return optax.apply_updates(own, own_updates), opt_state  # pyright: ignore

        return under_axis(update, state.params, state.opt_state, grads)

    def _optimizer(self, whole: Params) -> optax.GradientTransformationExtraArgs:
        def mask(layers: tuple[int, ...]) -> Params:
            names = self._names(set(layers))
            return {n: jax.tree.map(lambda _, own=n in names: own, whole[n]) for n in whole}

        thawed = [mask(free) for free in self.cut.set_free]
        return freeze(self.tx, mask(self.cut.frozen), thawed=thawed)

    def _names(self, layers: set[int]) -> tuple[str, ...]:
        return tuple(name for i, name in enumerate(self.network.layer_names) if i in layers)
