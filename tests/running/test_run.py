"""Logs, the profile, base networks taken over, and files of strangers."""

import contextlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from etils import epath
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorboardX.proto.event_pb2 import Event

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.cli import main
from transfer_jax.data.sources import load_images
from transfer_jax.engine.step import ColumnState
from transfer_jax.folder.checkpoints import CheckpointError
from transfer_jax.folder.curves import read_metrics
from transfer_jax.folder.lock import holder
from transfer_jax.folder.results import ResultsError, read_rows
from transfer_jax.folder.workdir import Workdir, WorkdirError
from transfer_jax.plan.config import ConfigError, load_config
from transfer_jax.running.claim import began_with, claim
from transfer_jax.running.column_checkpoints import ColumnCheckpoints

FLAGS = [*(flag for flag in TINY if "seeds" not in flag), "--config.seeds=1"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    flags = [
        *FLAGS,
        "--config.logs.every=2",
        "--config.profile_steps=(2,4)",
        "--config.test_every=2",
    ]
    workdir = tmp_path_factory.mktemp("run") / "a"
    tj.run(load_config("fashion_mnist", flags), workdir)
    return workdir


def test_metrics_have_a_line_for_each_condition_and_pause(finished):
    lines = list(read_metrics(epath.Path(finished / "metrics" / "distant.seed0.A-B.jsonl")))
    steps = [line["step"] for line in lines if line["condition"] == "A3B+" and "loss" in line]
    assert steps == [2, 4, 5]
    (last,) = [
        x for x in lines if x["condition"] == "A3B" and x["step"] == 5 and "test_accuracy" in x
    ]
    row = next(r for r in read_rows(epath.Path(finished / "results.csv"))
               if (r.base, r.n, r.target, r.fine_tuned) == ("A", 3, "B", False))  # fmt: skip
    assert last["test_accuracy"] == pytest.approx(row.top1)


def test_tensorboard_has_one_run_a_treatment_with_the_same_tags(finished):
    runs = {path.name: path for path in (finished / "tensorboard").iterdir()}
    assert set(runs) == {"base", "scratch", "BnB", "BnB+", "AnB", "AnB+", "random"}
    tags = {name: set(events(runs[name])) for name in ("AnB", "AnB+")}
    assert tags["AnB"] == tags["AnB+"]
    assert ("loss/distant.seed0.B/n3", 4) in tags["AnB"]


def events(folder: Path):
    """Of each event: tag and step. Records are length, checksum, content, checksum."""
    (file,) = folder.iterdir()
    content = file.read_bytes()
    while content:
        length = int.from_bytes(content[:8], "little")
        event = Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]
        for value in event.summary.value:
            yield value.tag, event.step


def test_the_profile_is_written_once(finished):
    assert len(list((finished / "profile").rglob("*.xplane.pb"))) == 1


def test_base_networks_of_another_run_are_taken_over(finished, tmp_path, capsys):
    flags = [f for f in FLAGS if "cuts" not in f and "seeds" not in f]
    flags += ["--config.cuts=(2,)", "--config.seeds=2", "--config.test_every=2"]
    config = load_config("fashion_mnist", [*flags, f"--config.bases={finished}"])
    alone = tj.run(load_config("fashion_mnist", flags), tmp_path / "alone")
    taken = tj.run(config, tmp_path / "taken")
    assert taken.rows == alone.rows
    names = [{p.name for p in (tmp_path / n / "bases").iterdir()} for n in ("taken", "alone")]
    assert names[0] == names[1]
    tree = tj.load_tree(tmp_path / "taken" / "bases" / "distant.seed0.A")
    assert set(tree) == {"conv1", "conv2", "conv3", "conv4", "fc5", "fc6"}


def test_base_networks_of_other_training_are_refused(finished, tmp_path):
    flags = [f for f in FLAGS if "steps" not in f] + ["--config.optimizer.warmup_steps=1"]
    flags += ["--config.steps=4", f"--config.bases={finished}"]
    with pytest.raises(ConfigError, match=r"are others: steps is 5 there, 4 here; test_every"):
        tj.run(load_config("fashion_mnist", flags), tmp_path / "x")
    with pytest.raises(ConfigError, match="which holds no run"):
        tj.run(load_config("fashion_mnist", [*FLAGS, "--config.bases=nowhere"]), tmp_path / "y")


def test_a_run_cannot_take_over_its_own_base_networks(tmp_path):
    with pytest.raises(ConfigError, match="this run's own folder"):
        tj.run(load_config("fashion_mnist", [*FLAGS, f"--config.bases={tmp_path}"]), tmp_path)


def test_how_a_run_goes_about_its_work_may_change_between_starts(finished):
    flags = [*FLAGS, "--config.test_every=2", "--config.checkpoint.steps=3"]
    assert tj.run(load_config("fashion_mnist", flags), finished).rows


def test_the_names_of_splits_cannot_leave_the_workdir(tmp_path):
    config = replace(load_config("fashion_mnist", FLAGS), splits=("../../out",))
    with pytest.raises(ConfigError, match="is no name of a split"):
        tj.run(config, tmp_path / "x")


def test_status_of_a_finished_run_and_of_none(finished, tmp_path, capsys):
    assert main(["status", str(finished)]) == 0
    printed = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "2 finished" in printed and "8 finished" in printed
    assert "nothing is being trained; all columns are done" in printed
    assert "diverged: none" in printed
    assert main(["status", str(tmp_path)]) == 1
    assert "holds no run" in capsys.readouterr().err


ODD = st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda t: t.encode()))
FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def damaged(content: bytes, at: int, change: bytes) -> bytes:
    at = at % (len(content) + 1)
    return content[:at] + change + content[at + len(change) // 2 :]


@FUZZ
@given(ODD, st.integers(0, 10**6))
def test_whatever_a_results_file_holds_the_error_is_clear(finished, tmp_path, change, at):
    file = epath.Path(tmp_path / "results.csv")
    file.write_bytes(damaged((finished / "results.csv").read_bytes(), at, change))
    try:
        rows = read_rows(file)
    except ResultsError:
        return
    assert all(len(row.split) >= 0 for row in rows)


@pytest.mark.slow
@FUZZ
@given(ODD, st.integers(0, 10**6))
def test_whatever_a_config_lock_or_log_holds_the_error_is_clear(finished, tmp_path, change, at):
    content = damaged((finished / "config.json").read_bytes(), at, change)
    for name in (
        "config.json",
        "lock.json",
        "data.json",
        "progress.json",
        "m.jsonl",
        "versions.json",
    ):
        (tmp_path / name).write_bytes(content)
    folder = Workdir(epath.Path(tmp_path))
    with contextlib.suppress(WorkdirError):
        claim(folder, load_config("fashion_mnist", FLAGS), load_images("fashion_mnist"))
    assert isinstance(holder(folder.lock), str)
    assert isinstance(began_with(folder, load_config("fashion_mnist", FLAGS)), str)
    list(read_metrics(folder.path / "m.jsonl"))


# Orbax's threads may speak of its loop when it is closed by an error, at any later time.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(FUZZ, max_examples=25)
@given(
    ODD,
    st.integers(0, 10**6),
    st.sampled_from(
        ["about/metadata", "state/_METADATA", "_CHECKPOINT_METADATA", "state/manifest.ocdbt"]
    ),
)
def test_whatever_a_checkpoint_holds_the_error_is_clear(written, change, at, name):
    kept, state, held = written
    file = Path(kept.folder) / "3" / name
    file.write_bytes(damaged(held[name], at, change))
    try:
        resume_point = kept.restore(3, state)
    except CheckpointError:
        pass
    else:
        assert not tj.diff(resume_point.state.conditions, state.conditions)
    finally:
        file.write_bytes(held[name])


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    import numpy as np

    from transfer_jax.engine.columns import ResumePoint

    kept = ColumnCheckpoints(epath.Path(tmp_path_factory.mktemp("c") / "column"), {"config": "a"})
    conditions = {"1": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}}
    state = ColumnState(conditions, np.zeros(1, np.int32), np.asarray(3, np.int32))  # pyright: ignore
    kept.save(ResumePoint(state, []))
    kept.wait()
    kept.close()
    folder = Path(kept.folder) / "3"
    names = ("about/metadata", "state/_METADATA", "_CHECKPOINT_METADATA", "state/manifest.ocdbt")
    return kept, state, {name: (folder / name).read_bytes() for name in names}
