"""Killed at any moment, the same command ends with the same numbers to the bit."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.plan.config import load_config
from transfer_jax.running import training
from transfer_jax.running.progress import RunProgress
from transfer_jax.running.stopping import Stopped, StopRequest

from .commands import SMALL, assert_same, run, start, wait_for, what_it_made


@pytest.fixture(scope="module")
def duration(whole, tmp_path_factory) -> float:
    """Seconds that a run takes whose programs are compiled."""
    began = time.monotonic()
    run(tmp_path_factory.mktemp("again") / "run", *SMALL)
    return time.monotonic() - began


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


# What a workdir shows at the moments that matter; compiling is before the first progress.
MOMENTS = {
    "a checkpoint of conditions": lambda w: any((w / "checkpoints").glob("*A-B/8")),
    "compiling": lambda w: (w / "progress.json").exists(),
    "a checkpoint being written": lambda w: any((w / "checkpoints").glob("*/*tmp*")),
    "between waves": lambda w: len(list((w / "columns").glob("*base*.csv"))) == 2,
    "a column's tables": lambda w: any((w / "curves").glob("*A-A*")),
    "the report": lambda w: len(list((w / "columns").glob("*.csv"))) == 10,
}


@pytest.mark.slow_but_first
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_moment_and_run_again(moment, whole, tmp_path):
    process = start(tmp_path / "run", *SMALL)
    if moment == "a checkpoint being written":
        # The moment is short; should it be missed, the run is killed at a whole checkpoint.
        late = MOMENTS["a checkpoint of conditions"]
        wait_for(moment, lambda: MOMENTS[moment](tmp_path / "run") or late(tmp_path / "run"),
                 process)  # fmt: skip
    else:
        wait_for(moment, lambda: MOMENTS[moment](tmp_path / "run"), process)
    kill(process)
    assert not (tmp_path / "run" / "results.csv").exists()
    again = run(tmp_path / "run", *SMALL)
    assert "is gone; its lock is taken over" in again
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.parametrize("chance", range(100))
def test_killed_at_random_as_often_as_it_takes(chance, whole, duration, tmp_path):
    """A hundred random moments, in runs that are killed until they end by themselves."""
    generator = random.Random(chance)
    process = start(tmp_path / "run", *SMALL)
    try:
        process.communicate(timeout=generator.uniform(2, duration))
    except subprocess.TimeoutExpired:
        kill(process)
    run(tmp_path / "run", *SMALL)
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_stops_after_a_checkpoint_and_says_how_to_go_on(number, whole, tmp_path):
    """Checkpoints are by request alone here; a signal in a column's last steps needs none."""
    flags = [*SMALL, "--config.checkpoint.steps=0", "--config.logs.every=1"]
    workdir: Path = tmp_path / "run"
    process = start(workdir, *flags)
    wait_for("the conditions", lambda: len(list((workdir / "columns").glob("*"))) == 2, process)
    os.kill(process.pid, number)
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 128 + number, output
    assert f"{number.name}: stopping after a checkpoint" in output
    in_a_column = f"stopped by {number.name} at step" in output
    assert in_a_column or f"stopped by {number.name} between columns" in output, output
    assert "the same command goes on" in output and "Traceback" not in output
    assert not (workdir / "lock.json").exists()
    assert len(list((workdir / "checkpoints").glob("*/*"))) == in_a_column
    run(workdir, *flags)
    ours, theirs = what_it_made(workdir), whole
    # A line of metrics a step here, not one every four.
    assert [k for k in theirs if not k.startswith("metrics") and isinstance(theirs[k], bytes)
            and ours[k] != theirs[k]] == []  # fmt: skip


@pytest.mark.slow
def test_what_one_device_began_two_end_the_same(alone, tmp_path):
    flags = [*SMALL, "--config.devices_per_column=1"]
    process = start(tmp_path / "two", *flags, devices=2)
    checkpoints = tmp_path / "two" / "checkpoints"
    wait_for("two columns", lambda: len(list(checkpoints.glob("*-?/8"))) == 2, process)
    kill(process)
    run(tmp_path / "two", *flags, devices=1)
    assert_same(tmp_path / "two", alone)


def test_a_second_process_is_refused_while_the_first_is_alive(tmp_path):
    workdir = tmp_path / "run"
    first = start(workdir, *SMALL)
    wait_for("the lock", (workdir / "lock.json").exists, first)
    second = start(workdir, *SMALL)
    output = second.communicate(timeout=200)[0]
    assert second.returncode == 1
    assert f"is in use by process {first.pid} on " in output
    assert "Traceback" not in output
    output = first.communicate(timeout=200)[0]
    assert first.returncode == 0, output


def test_a_stop_in_the_last_steps_of_a_column_keeps_it(tmp_path):
    """The column is written; the stop is seen before the next one."""
    stop = StopRequest()
    workdir = tmp_path / "run"

    class AtTheEnd(RunProgress):
        def advance(self, column_steps, loss, accuracy) -> None:
            super().advance(column_steps, loss, accuracy)
            if self.done == 5:
                stop.signal = signal.SIGTERM

    config = load_config("fashion_mnist", [*TINY, "--config.checkpoint.minutes=0.0"])
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped, match="between columns"):
        patch.setattr(training, "RunProgress", AtTheEnd)
        tj.run(config, workdir, stop=stop)
    assert len(list((workdir / "columns").glob("*.csv"))) == 1
