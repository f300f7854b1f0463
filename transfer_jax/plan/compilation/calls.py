"""Every program that a run of a plan compiles for its devices, and how often it calls each."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import accumulate
from typing import Any

import jax
from jax.sharding import Mesh

from transfer_jax.data.order import DeviceImages
from transfer_jax.engine.columns import input_shapes
from transfer_jax.engine.cost import multiply_adds
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import COLUMN, DATA, column_mesh
from transfer_jax.grid.conditions import Column
from transfer_jax.models.backend import PLAIN, made_for
from transfer_jax.plan.compilation.placed_shapes import (
    evaluate_arguments,
    on_every_device,
    train_arguments,
)
from transfer_jax.plan.estimate import pilot_waves
from transfer_jax.plan.evaluated_batches import evaluated_batches
from transfer_jax.plan.pilot import PILOT_WAVES
from transfer_jax.plan.plan import Plan, by_program, plan_mesh
from transfer_jax.plan.probe_costs import PROBES, feature_program, solved_once


@dataclass(frozen=True)
class Call:
    """One program of a plan.

    Attributes:
      name: the wave, and what it does.
      mesh: the devices.
      fn: the function, as the training loop calls it.
      arguments: those of a call, of `jax.ShapeDtypeStruct` with shardings.
      least: floating-point operations of one device that the mathematics of a call needs; of a
        loop of steps those of one.
      calls: how often each device does it in the whole run.
    """

    name: str
    mesh: Mesh
    fn: Any
    arguments: tuple[Any, ...]
    least: float
    calls: int


def planned_calls(plan: Plan, devices: Sequence[Any]) -> list[Call]:
    """The programs of a plan: steps and evaluations of every phase.

    A pilot's are those of the grid. Where the devices are not this machine's, it is to be called
    inside of `made_for`.

    Args:
      devices: those of all processes.

    Returns:
      One entry a program.

    Raises:
      MeshError: the devices do not fit the batch.
    """
    found: dict[Hashable, _Shared] = {}
    for wave, columns in (*plan.waves(), *pilot_waves(plan)):
        groups = by_program(columns)
        for group in groups:
            mesh, column = plan_mesh(plan, group, devices), group[0]
            many = f", {len(column.cuts)} networks" if len(groups) > 1 else ""
            key = (mesh, plan.program_key(column.cuts, column.trainings))
            shared = found.setdefault(key, _Shared(f"{wave}{many}", plan, column, mesh))
            shared.count(len(group), wave in PILOT_WAVES)
    calls = [call for shared in found.values() for call in shared.calls()]
    return [*_feature_calls(plan, devices), *calls]


def _feature_calls(plan: Plan, devices: Sequence[Any]) -> Iterator[Call]:
    """What linear heads are solved on, which the first device computes."""
    columns = solved_once(plan)
    if not columns:
        return
    mesh = column_mesh(devices[:1])
    program, seen, _ = feature_program(plan, columns[0])
    placed = on_every_device(seen, mesh)
    number = sum(feature_program(plan, column)[-1] for column in columns)
    least = _least(program.of, *seen)
    yield Call(f"{PROBES}: features", mesh, jax.jit(program.of), placed, least, number)


def _least(fn: Callable[..., Any], *arguments: Any) -> int:
    """Floating-point operations of the mathematics, however a device's convolutions are lowered."""
    with made_for(PLAIN):
        return 2 * multiply_adds(fn, *arguments)


class _Shared:
    """The programs that some columns share, phase by phase."""

    def __init__(self, name: str, plan: Plan, column: Column, mesh: Mesh) -> None:
        self.name, self.plan, self.column, self.mesh = name, plan, column, mesh
        self.compiled = CompiledProgram(plan.program(column.cuts, column.trainings), mesh)
        self.steps = column.steps(plan.recipe.steps)
        self.counts = [count for count, _ in self.compiled.program.phases(self.steps)]
        self.trained = self.evaluated = [0] * len(self.counts)

    def count(self, columns: int, is_pilot: bool) -> None:
        """Some columns more are trained, in slots of as many as the mesh has rows."""
        slots = -(-columns // self.mesh.shape[COLUMN])
        inputs = input_shapes(self.plan.recipe, self.column.trainings)
        ends = list(accumulate(self.counts))
        batches = evaluated_batches(self.plan, inputs, ends, is_pilot=is_pilot)
        self.trained = _added(self.trained, self.counts, slots)
        self.evaluated = _added(self.evaluated, batches, slots)

    def calls(self) -> Iterator[Call]:
        """Of each phase its steps, and its evaluations where there are any."""
        begins = [0, *accumulate(self.counts)]
        phases = zip(begins, self.trained, self.evaluated, strict=False)
        for begin, trained, evaluated in phases:
            compiled = self.compiled.at(begin, self.steps)
            given = (self.plan, compiled.program, self.column.trainings, self.mesh)
            late = f", from step {begin:,}" if begin else ""
            of_train, of_test = train_arguments(*given), evaluate_arguments(*given)
            train, test = compiled.program.train, compiled.program.evaluate
            name = f"{self.name}{late}"
            yield self._call(f"{name}: step", compiled.chunk, of_train, train, trained)
            if evaluated:
                yield self._call(f"{name}: test", compiled.evaluate, of_test, test, evaluated)

    def _call(
        self, name: str, fn: Any, arguments: tuple[Any, ...], one: Callable[..., Any], calls: int
    ) -> Call:
        """A function of the mesh, and that of one column which it is made of."""
        columns = [_of_one_column(argument) for argument in arguments]
        # A loop takes the number of its steps, too, which one step does not.
        least = _least(one, *columns[: len(signature(one).parameters)])
        return Call(name, self.mesh, fn, arguments, least / self.mesh.shape[DATA], calls)


def _added(before: list[int], more: Sequence[int], times: int) -> list[int]:
    return [own + times * new for own, new in zip(before, more, strict=True)]


def _of_one_column(argument: Any) -> Any:
    """Its shapes without the axis of columns, which the images of a whole dataset do not have."""
    first = 0 if isinstance(argument, DeviceImages) else 1
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[first:], leaf.dtype), argument)
