"""What of a plan's frozen layers is computed once an image and kept, and why not more of it."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from transfer_jax.engine.columns import column_order
from transfer_jax.engine.cost import multiply_adds
from transfer_jax.engine.trunk import ROUNDED
from transfer_jax.grid.conditions import PRETRAINED_BASE
from transfer_jax.models.backend import PLAIN, made_for
from transfer_jax.models.layered import Mode
from transfer_jax.plan.initialisers import initialiser
from transfer_jax.plan.plan import Plan, by_program
from transfer_jax.plan.trunk_cache import TrunkCache


def trunk_cache(plan: Plan, memory: int, disk: int = 0) -> TrunkCache:
    """What of a plan's frozen layers is kept: first what saves most multiply-adds a byte.

    Args:
      memory: bytes that a device has for itself; `cache.share` of it may be taken.
      disk: bytes of disk that may be taken where that is too small for what is wanted.

    Returns:
      The choice.
    """
    if reason := _obstacle(plan):
        return _nothing(reason)
    trunks = _Trunks(plan)
    if not trunks.wanted_depths:
        return _nothing(trunks.why_not)
    chosen = trunks.chosen(plan.config.cache.share * memory)
    if disk and (larger := trunks.chosen(disk)).within < chosen.within:
        chosen = replace(larger, on_disk=True)
    if not chosen.shapes:
        return _nothing("cache.share of memory is too small for it")
    if not chosen.pays:
        return _nothing("so few steps are trained that computing it once takes longer")
    return chosen


def _nothing(reason: str) -> TrunkCache:
    return TrunkCache(np.zeros(0, np.int32), {}, reason=reason)


def _obstacle(plan: Plan) -> str:
    """Why nothing can be kept, whatever its size."""
    config = plan.config
    if not plan.is_pretrained:
        return "base networks are trained here, and differ from column to column"
    if not (config.cache.share or config.cache.disk):
        return "cache.share is 0"
    for name in ("shift", "crop"):
        if (size := getattr(config.data, name)) and not config.data.views:
            return (
                f"data.{name} is {size}, so that an image is never seen twice alike; with "
                "data.views=1 it is always seen in the middle, with more at as many places"
            )
    if not plan.keeps:
        return "the network does not say what it wants to see, and each task has a mean of its own"
    return ""


class _Trunks:
    """The frozen first layers of a plan's columns: what is wanted of them, and what it costs."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.network = plan, plan.program(()).network
        waves = (wave for _, wave in plan.waves())
        self.columns = [c for wave in waves for c in wave if c.base == PRETRAINED_BASE]
        self.wanted = list(self._wanted())

    def _wanted(self) -> Iterator[tuple[tuple[int, ...], int]]:
        """Of each phase: the depths that are wanted at once, and in how many steps."""
        for group in by_program(self.columns):
            column = group[0]
            program = self.plan.program(column.cuts, column.trainings)
            for count, phase in program.phases(column.steps(self.plan.recipe.steps)):
                depths = {cut.trunk_depth for cut in phase.cuts}
                yield tuple(sorted(depths)), count * len(group)

    @cached_property
    def dropped(self) -> int | None:
        """The first frozen layer that drops activations at random; None for none."""
        if not self.plan.config.frozen_dropout:
            return None
        depth = max((n for depths, _ in self.wanted for n in depths), default=0)
        return next((n for n in range(depth) if self._drops(n)), None)

    @cached_property
    def wanted_depths(self) -> set[int]:
        """The depths that can be kept: those below the first dropout."""
        depths = {n for depths, _ in self.wanted for n in depths if n}
        return {n for n in depths if self.dropped is None or n <= self.dropped}

    @property
    def why_not(self) -> str:
        """Why no depth, or no deeper one, can be kept."""
        if self.dropped is None:
            return (
                "" if self.wanted_depths else "no network that is trained has frozen first layers"
            )
        name = self.network.layer_names[self.dropped]
        return f"dropout is on in frozen layer {name}; frozen_dropout=False turns it off"

    @cached_property
    def examples(self) -> Int[np.ndarray, " example"]:
        """The images that some column trains on."""
        splits, recipe = self.plan.splits, self.plan.recipe
        orders = [column_order(c, splits[c.split], recipe) for c in self.columns]
        return np.unique(np.concatenate([order.examples for order in orders]))

    @cached_property
    def entering(self) -> list[jax.ShapeDtypeStruct]:
        """What enters each layer, of a training batch; and what leaves the last one."""
        recipe = self.plan.recipe
        shapes = [jax.ShapeDtypeStruct((recipe.batch_size, *recipe.network_shape), jnp.float32)]
        for n in range(len(self.network.layer_names)):
            shapes.append(jax.eval_shape(self._layer(n), self.variables, shapes[-1]))
        return shapes

    @cached_property
    def variables(self) -> object:
        """Shapes of the whole network."""
        return jax.eval_shape(initialiser(self.plan), jax.random.key(0))

    @cached_property
    def multiply_adds(self) -> list[int]:
        """Of each layer, for a training batch."""
        shapes = self.entering[:-1]
        return [multiply_adds(self._layer(n), self.variables, x) for n, x in enumerate(shapes)]

    def _layer(self, n: int, *, dropout: bool = False) -> Callable[..., Any]:
        keys = {"dropout": jax.random.key(0)}
        mode = Mode(dropout=dropout)
        return lambda v, x: self.network.apply(v, x, n, n + 1, mode=mode, rngs=keys)[0]

    def _drops(self, n: int) -> bool:
        """Whether a layer is another computation where dropout is on."""
        return self._traced(n, dropout=False) != self._traced(n, dropout=True)

    def _traced(self, n: int, *, dropout: bool) -> str:
        """What a layer computes, in words that are the same in every trace."""
        with made_for(PLAIN):  # As prices are counted, so that both share traces.
            layer = self._layer(n, dropout=dropout)
            text = str(jax.make_jaxpr(layer)(self.variables, self.entering[n]))
        return re.sub("0x[0-9a-f]+", "", text)

    def chosen(self, room: float) -> TrunkCache:
        """What is kept where there is so much room."""
        best, candidates = self._of(()), set(self.wanted_depths)
        while candidates:
            found = [self._of({*best.depths, n}) for n in sorted(candidates)]
            fitting = [own for own in found if own.size <= room and own.within < best.within]
            if not fitting:
                break
            now = best
            best = max(fitting, key=lambda own: (now.within - own.within) / (own.size - now.size))
            candidates -= set(best.depths)
        left = sorted(n for n in candidates if self._of({*best.depths, n}).within < best.within)
        names = ", ".join(self.network.layer_names[n - 1] for n in left)
        small = [f"no room for what leaves {names}"] if names else []
        return replace(best, reason="; ".join([*small, *filter(None, [self.why_not])]))

    def _of(self, kept: Collection[int]) -> TrunkCache:
        """What keeping some depths gives."""
        views = self.plan.program(()).view.kept_views
        rounds, count = self.plan.keeps == ROUNDED, len(self.examples)
        shapes = {
            n: jax.ShapeDtypeStruct(
                (views, count, *self.entering[n].shape[1:]),
                jnp.bfloat16 if rounds else self.entering[n].dtype,
            )
            for n in kept
        }
        passes = views * -(-count // self.plan.recipe.batch_size)
        steps = sum(times for _, times in self.wanted)
        without, within = (
            sum(times * self._computed(depths, own) for depths, times in self.wanted) / steps
            for own in ((), kept)
        )
        fill = passes * sum(self.multiply_adds[: max(kept, default=0)])
        return TrunkCache(self.examples, shapes, fill, without, within, steps)  # pyright: ignore

    def _computed(self, depths: Sequence[int], kept: Collection[int]) -> int:
        """Multiply-adds of the layers that a step computes."""
        known = {0} if self.plan.keeps == ROUNDED else {0, *kept}
        layers: set[int] = set()
        for depth in set(depths) - set(kept):
            layers |= set(range(max(n for n in known if n <= depth), depth))
        return sum(self.multiply_adds[n] for n in layers)
