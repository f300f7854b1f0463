"""What is said of a training while it goes on."""

import io
import json
import time

import jax
import jax.numpy as jnp
import pytest
from etils import epath
from rich.console import Console

from transfer_jax.running import progress
from transfer_jax.running.progress import RunProgress


@pytest.fixture
def at_once(monkeypatch):
    """Every line is due, and every file."""
    monkeypatch.setattr(progress, "LINE_SECONDS", -1.0)
    monkeypatch.setattr(progress, "FILE_SECONDS", -1.0)


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """What all clocks show; nothing was compiled before."""
    shown = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: shown[0])
    monkeypatch.setattr(progress, "compilation", progress.Compilation)
    return shown


def test_a_race_says_which_way_up_to_which_step(at_once, tmp_path):
    said, file = io.StringIO(), epath.Path(tmp_path / "progress.json")
    with RunProgress(8, Console(file=said, width=200), [file]) as own:
        own.begin("scratch", "one")
        own.advance(4, 0.5, 0.25)
        own.at("freeze:6, to step 16 of 32, 3 of 5 ways")
        own.expect(16)
        own.begin("race", "two")
        own.advance(4, 0.5, 0.25)
        held = json.loads(file.read_text())
        own.at("")
        own.advance(4, 0.5, 0.25)
    lines = [line.split(" loss ")[0] for line in said.getvalue().splitlines()]
    way = "race: freeze:6, to step 16 of 32, 3 of 5 ways,"
    starts = f"{way} starts; a new program is compiled first"
    assert lines == ["scratch: step 4/8", starts, way, "race: step 12/20"]
    assert held["where"] == "freeze:6, to step 16 of 32, 3 of 5 ways"
    assert (held["steps_done"], held["steps"]) == (8, 20)


def test_the_time_left_is_that_of_the_steps_that_are_left(at_once, now):
    """Eight steps took 40 s, of which a way's name changes nothing; twelve are left."""
    said = io.StringIO()
    own = RunProgress(20, Console(file=said, width=200))
    own.at("full, to step 8 of 32, 1 of 2 ways")
    own.begin("race", "one")
    now[0] += 40.0
    own.advance(8, 0.5, 0.25)
    assert said.getvalue().endswith(", 60 s left\n")


def test_steps_up_to_the_look_before_are_not_to_be_done_again(at_once, now):
    """Four of eight took 8 s; what came before they began took 5 s more."""
    said = io.StringIO()
    own = RunProgress(0, Console(file=said, width=200))
    own.at("full, to step 16 of 32, 1 of 1 ways")
    own.expect(8)
    own.begin("race", "one", steps_done=8)
    now[0] += 5.0
    own.steps_begin()
    now[0] += 8.0
    own.advance(4, 0.5, 0.25)
    assert said.getvalue().endswith(", 8 s left\n")


def test_compilation_is_not_taken_for_steps(at_once, now):
    """Of 100 s JAX compiled 60, in which it traced 20: eight steps took 40 s."""
    said = io.StringIO()
    with RunProgress(20, Console(file=said, width=200)) as own:
        own.begin("conditions", "one")
        now[0] += 25.0
        own.compilation.note("/jax/core/compile/jaxpr_trace_duration", 20.0)
        now[0] += 40.0
        own.compilation.note("/jax/core/compile/backend_compile_duration", 60.0)
        own.compilation.note("/jax/something_else", 30.0)
        now[0] += 35.0
        own.advance(8, 0.5, 0.25)
    assert said.getvalue().endswith(", 60 s left\n")


def test_what_jax_compiles_is_heard(tmp_path):
    own = progress.compilation()
    began, before = time.monotonic(), own.clock()
    compiled = jax.jit(lambda x: x * 3.5 + tmp_path.stat().st_ino % 7)
    compiled(jnp.ones(11))
    assert own.clock() - before < time.monotonic() - began
    ended, after = time.monotonic(), own.clock()
    compiled(jnp.ones(11))
    assert own.clock() - after == pytest.approx(time.monotonic() - ended, abs=0.5)
