"""The programs of a plan, and how often a run calls them."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax
import pytest
from jaxtyping import PyTree

from tests.conftest import TINY
from transfer_jax.data.order import Batch, DeviceImages
from transfer_jax.engine.columns import (
    ColumnStart,
    column_inputs,
    initial_networks,
    input_shapes,
)
from transfer_jax.engine.feeds import on_device
from transfer_jax.engine.inputs import place_inputs
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import MeshError, column_mesh, place, replicate
from transfer_jax.models.backend import made_for
from transfer_jax.plan.accelerators import accelerator
from transfer_jax.plan.compilation.calls import planned_calls
from transfer_jax.plan.compilation.compiled import Compiled
from transfer_jax.plan.compilation.placed_shapes import evaluate_arguments, train_arguments
from transfer_jax.plan.compilation.room import room_note
from transfer_jax.plan.config import load_config
from transfer_jax.plan.evaluated_batches import evaluated_batches
from transfer_jax.plan.initialisers import initialiser
from transfer_jax.plan.plan import Plan, make_plan


def planned(*flags: str) -> Plan:
    """Judged at the end, if not said otherwise."""
    given = ["test_every=0", "test_part=0", *flags]
    return make_plan(load_config("fashion_mnist", [*TINY, *(f"--config.{f}" for f in given)]))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned()


class Device:
    """One that nothing is compiled for."""

    platform, device_kind = "tpu", "TPU v5 lite"


def devices(count: int) -> list[Device]:
    return [Device() for _ in range(count)]


def layout(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.sharding), tree)


def test_the_least_is_that_of_the_mathematics(plan):
    """However convolutions are lowered: a GPU fills a kernel of 5 pixels up to 6."""
    found = []
    for kind in ("cpu", "gpu", "tpu"):
        with made_for(kind):
            found.append([call.least for call in planned_calls(plan, devices(1))])
    assert found[0] == found[1] == found[2]


def test_shapes_are_those_of_what_the_loop_places(plan):
    """Shapes, dtypes and shardings are those of the arrays that a run makes."""
    (_, columns) = list(plan.waves())[1]
    column, mesh = columns[0], column_mesh(1)
    compiled = CompiledProgram(plan.program(column.cuts), mesh)
    init = initialiser(plan)
    base = init(jax.random.key(0))
    start = ColumnStart(
        initial_networks(column, plan.network.layer_names, init, base),
        base,
        column_inputs(column, plan.splits[column.split], plan.recipe),
    )
    state = compiled.place_state([start])
    inputs = place_inputs([start.inputs], compiled.mesh)
    images = replicate(on_device(plan.recipe.images), mesh)
    real = (state, compiled.place_base([start]), images, inputs)
    of_train = train_arguments(plan, compiled.program, 1, mesh)
    assert layout(of_train[:-1]) == layout(real)
    assert of_train[-1].shape == ()
    counts = place([compiled.program.no_counts()], mesh)
    of_test = evaluate_arguments(plan, compiled.program, 1, mesh)
    assert layout(of_test) == layout((counts, state.conditions, *real[1:]))


def test_what_is_read_from_disk_is_a_batch_a_column():
    plan = make_plan(load_config("imagenet_random", ["--config.network.width=0.0625"]))
    (_, columns) = next(plan.waves())
    program = plan.program(columns[0].cuts)
    images = train_arguments(plan, program, 1, column_mesh(1))[2]
    assert isinstance(images, Batch) and images.images.shape == (1, 256, 256, 256, 3)
    assert not isinstance(images, DeviceImages)


@pytest.mark.slow
def test_calls_are_steps_and_batches_of_all_slots(plan, monkeypatch):
    """4 columns of base networks, 8 that copy, 4 of random layers; a step is one of a column."""
    for chips, slots in ((4, (1, 2, 1, 1)), (8, (1, 1, 1, 1)), (1, (4, 8, 4, 4))):
        found = {call.name: call for call in planned_calls(plan, devices(chips))}
        names = ["base networks", "conditions, 4 networks", "conditions, 2 networks", "scratch"]
        assert list(found) == [f"{name}: {what}" for name in names for what in ("step", "test")]
        for name, times in zip(names, slots, strict=True):
            steps = 10 if name == "scratch" else 5
            assert found[f"{name}: step"].calls == times * steps
            # 100 validation images of a task, 100 to test on, in batches of 30: 4 and 4.
            assert found[f"{name}: test"].calls == times * (4 + 4)


@pytest.mark.slow
def test_devices_that_no_column_needs_share_a_batch(plan):
    whole, half = (
        {call.name: call for call in planned_calls(plan, devices(count))} for count in (8, 16)
    )
    step = "conditions, 4 networks: step"
    assert dict(whole[step].mesh.shape) == {"column": 8, "data": 1}
    assert dict(half[step].mesh.shape) == {"column": 8, "data": 2}
    assert half[step].least == whole[step].least / 2
    with pytest.raises(MeshError, match="devices_per_column is 3"):
        planned_calls(planned("devices_per_column=3"), devices(4))


@pytest.mark.slow
def test_a_pilot_calls_the_programs_of_the_grid(plan):
    without = {call.name: call.calls for call in planned_calls(plan, devices(4))}
    rates = planned("optimizer.rates=(0.3,1.0,3.0)")
    found = {call.name: call.calls for call in planned_calls(rates, devices(4))}
    assert list(found) == list(without)
    # At each of three rates the base networks of one seed: 2 columns, in two slots of 4.
    assert found["base networks: step"] == without["base networks: step"] + 2 * 5


def test_every_phase_is_a_program_of_its_own():
    plan = planned("schedules=('lp-ft',)", "test_every=2", "treatments=('AnB+',)", "steps=6")
    calls = [call for call in planned_calls(plan, devices(4)) if "conditions" in call.name]
    steps = [call for call in calls if call.name.endswith(": step")]
    assert len(steps) > 1 and sum(call.calls for call in steps) == 6
    assert re.search(r"conditions, from step \d: step", steps[1].name)
    # Judged after 2, 4 and 6 steps.
    assert sum(call.calls for call in calls if call.name.endswith(": test")) == 3 * (4 + 4)


def counted(steps: int, every: int, part: int, ends: list[int]) -> list[int]:
    """As the loop goes, step by step: 4 batches to validate on, 4 to test on."""
    found = [0] * len(ends)
    for done in range(1, steps + 1):
        if done != steps and (not every or done % every):
            continue
        phase = sum(done >= end for end in ends[:-1])
        found[phase] += part if part and every else 8
        found[phase] += 8 if part and every and done == steps else 0
    return found


@pytest.mark.parametrize("every", [0, 1, 2, 3, 5, 6, 7])
@pytest.mark.parametrize("part", [0, 30])
@pytest.mark.parametrize("ends", [[6], [1, 6], [2, 6], [2, 3, 6], [5, 6]])
def test_batches_are_counted_as_the_loop_evaluates(plan, every, part, ends):
    config = replace(plan.config, test_every=every)
    changed = replace(plan, config=config, recipe=replace(plan.recipe, test_part=part))
    inputs = input_shapes(plan.recipe)
    assert evaluated_batches(changed, inputs, ends) == counted(6, every, part // 30, ends)
    of_pilot = evaluated_batches(changed, inputs, ends, is_pilot=True)
    assert of_pilot == [*[0] * (len(ends) - 1), 4]


def note(plan: Plan, found: Compiled, *, columns: int = 4) -> str:
    mesh: Any = SimpleNamespace(
        shape={"column": columns, "data": 1}, devices=SimpleNamespace(size=columns)
    )
    return room_note(plan, "a step", mesh, found, accelerator("v5e"))


def test_what_would_be_enough_is_told_by_proportion(plan):
    """2 GiB are held; 20 of temporaries are 10 with half of the batch or in half of the bytes."""
    told = note(plan, Compiled(2 * 2**30, 20 * 2**30, has_room=False))
    assert told == (
        "a step does not fit: it takes 22.0 of 15.8 GiB; by proportion "
        "--config.devices_per_column=2 (about 12.0 GiB) or --config.devices_per_column=4 (about "
        "7.0 GiB) or --config.precision=bfloat16 (about 12.0 GiB) would be enough"
    )
    narrow = planned("precision=bfloat16")
    told = note(narrow, Compiled(2 * 2**30, 20 * 2**30, has_room=False), columns=1)
    assert "--config.batch_size=4 (about 12.0 GiB)" in told and "precision" not in told


def test_what_no_smaller_batch_changes_is_told(plan):
    told = note(plan, Compiled(20 * 2**30, 2**30, has_room=False))
    assert "what its networks hold takes 20.0" in told and "--config.cuts" in told
    told = note(plan, Compiled(10 * 2**30, 400 * 2**30, has_room=False))
    assert "would be enough" not in told and "--config.cuts" in told
