"""One program a kind of column, compiled once, its buffers donated."""

import os
import subprocess
import sys

import jax
import jax.monitoring
import numpy as np
import optax
import pytest

from tests.conftest import TINY
from transfer_jax import run
from transfer_jax.engine.feeds import ResidentFeed
from transfer_jax.engine.inputs import place_inputs
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, place, replicate
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.plan.config import load_config

from .test_step import start_of

COMPILED = "/jax/core/compile/backend_compile_duration"


@pytest.fixture(scope="module")
def events():
    found: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration, **_: found.append(event) if event == COMPILED else None
    )
    return found


def test_compilations_do_not_grow_with_seeds_and_splits(tmp_path, events):
    """4 columns of conditions, then 24."""
    counts = []
    for name, extra in (
        ("small", ["--config.seeds=1"]),
        ("large", ["--config.seeds=3", "--config.splits=('distant','random-0')"]),
    ):
        jax.clear_caches()
        events.clear()
        run(load_config("fashion_mnist", [*TINY, *extra]), tmp_path / name)
        counts.append(len(events))
    assert counts[0] == counts[1] > 0


@pytest.fixture(scope="module")
def program(whole_column, network):
    tx = optax.sgd(0.05, momentum=0.9)
    return ColumnProgram(network, whole_column.cuts[:4], tx)


@pytest.mark.parametrize("in_chunks", [False, True])
def test_nothing_is_compiled_after_the_first_slot(
    in_chunks, program, whole_column, network, init, split, recipe, device_images, events
):
    """Nor by a chunk of another length."""
    compiled = CompiledProgram(program, column_mesh(1), in_chunks)
    start = start_of(whole_column, network, init, split, recipe)
    images = replicate(device_images, compiled.mesh)
    compiled.run([start], ResidentFeed(images), 3, lambda *_: None, log_every=2)
    events.clear()
    compiled.run([start], ResidentFeed(images), 6, lambda *_: None, log_every=4)
    assert not events


@pytest.fixture
def placed(program, whole_column, network, init, split, recipe, device_images):
    """A compiled program, a state, and what its steps share."""
    compiled = CompiledProgram(program, column_mesh(1))
    start = start_of(whole_column, network, init, split, recipe)
    images = replicate(device_images, compiled.mesh)
    state = place([program.init(start.networks)], compiled.mesh)
    inputs = place_inputs([start.inputs], compiled.mesh)
    return compiled, state, (compiled.place_base([start]), images, inputs)


def test_the_first_state_is_one_program_a_condition(
    program, whole_column, network, init, split, recipe, events
):
    """Not one for each shape of a parameter, of which large networks have fifty."""
    compiled = CompiledProgram(program, column_mesh(1))
    start = start_of(whole_column, network, init, split, recipe)
    place([program.not_begun()], compiled.mesh)
    jax.clear_caches()
    events.clear()
    state = compiled.place_state([start])
    # And two for where the column stands: its step, and which of its networks diverged.
    assert len(events) <= len(program.cuts) + 2
    expected = place([program.init(start.networks)], compiled.mesh)
    jax.tree.map(np.testing.assert_array_equal, state, expected)


def test_the_state_is_donated_and_what_columns_share_is_not(placed):
    compiled, state, (base, images, inputs) = placed
    after, _ = compiled.train(state, base, images, inputs)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.conditions))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((base, images, inputs)))
    assert np.isfinite(jax.device_get(after.conditions["1"].params["fc5"]["kernel"])).all()


def test_metrics_leave_the_device_once_an_interval(
    placed, whole_column, network, init, split, recipe
):
    """Within an interval nothing is read back and nothing is sent."""
    compiled, state, args = placed
    state, _ = compiled.train(state, *args)
    with jax.transfer_guard("disallow"):
        for _ in range(3):
            state, metrics = compiled.train(state, *args)
    assert np.isfinite(metrics.loss).all()
    calls: list[int] = []
    start = start_of(whole_column, network, init, split, recipe)
    compiled.run(
        [start], ResidentFeed(args[1]), 5, lambda pause: calls.append(pause.steps), log_every=2
    )
    assert calls == [2, 2, 1]


@pytest.mark.slow
def test_a_second_run_finds_its_programs_on_disk(tmp_path):
    """The command line keeps compiled programs; the second run compiles none of the large ones."""
    cache = tmp_path / "cache"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = (sys.executable, "-m", "transfer_jax", "run")
    found = []
    for name in ("a", "b"):
        subprocess.run(
            [*command, f"--workdir={tmp_path / name}", *TINY],
            env=environment,
            check=True,
            capture_output=True,
        )
        found.append(sorted(p.name for p in (cache / "transfer_jax").glob("*-cache")))
    assert found[0] == found[1]
    assert any("program" in name for name in found[0])
    tables = [(tmp_path / name / "results.csv").read_text() for name in ("a", "b")]
    assert tables[0] == tables[1]
