"""Runs whose frozen layers are computed once: the numbers of runs that compute them always."""

import os
import re
import signal

import pytest
from etils import epath

import transfer_jax as tj
from transfer_jax.engine.columns import ColumnStart, column_inputs, column_order
from transfer_jax.engine.feeds import on_device
from transfer_jax.engine.mesh import column_mesh, replicate
from transfer_jax.folder.results import read_rows
from transfer_jax.folder.workdir import Workdir
from transfer_jax.plan.config import load_config
from transfer_jax.plan.plan import make_plan
from transfer_jax.running.kept_trunks import KeptTrunks
from transfer_jax.running.run import Run
from transfer_jax.running.sweep import Axis, run_sweep

from .commands import assert_same, run, start, wait_for, what_it_made
from .pretrained import FLAGS, weights

NOWHERE = Workdir(epath.Path("nowhere"))
OURS = [
    *(flag for flag in FLAGS if not flag.startswith(("--config.steps", "--config.batch"))),
    "--config.steps=40",
    "--config.batch_size=16",
    "--config.seeds=2",
    "--config.cuts=(1,3,4)",
    "--config.families=('freeze','full','gradual','AnB','random')",
    "--config.data.mirror=True",
    "--config.checkpoint.steps=10",
    "--config.checkpoint.networks=all",
    "--config.logs.tensorboard=False",
]
NEVER = "--config.cache.share=0.0"
KEPT = r"Kept: what leaves stem, block2, block3, frozen,\s+of 120 images, as they are and mirrored"


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    tj.save_tree(file, weights())
    return [*OURS, f"--config.network.weights={file}"]


@pytest.fixture(scope="module")
def never(flags, tmp_path_factory):
    """What a run makes that computes frozen layers at every step."""
    folder = tmp_path_factory.mktemp("never") / "run"
    assert not re.search(KEPT, run(folder, *flags, NEVER))
    return what_it_made(folder)


@pytest.mark.slow
def test_a_run_that_keeps_them_makes_the_same_to_the_bit(flags, never, tmp_path):
    said = run(tmp_path / "run", *flags)
    assert len(re.findall(KEPT, said)) == 1
    assert_same(tmp_path / "run", never)


@pytest.mark.slow
def test_where_memory_is_too_small_they_are_read_from_disk(flags, never, tmp_path):
    small = ["--config.cache.share=0.000001", "--config.cache.disk=0.5"]
    said = run(tmp_path / "run", *flags, *small)
    assert re.search(KEPT + r":\s+\d+\s+MiB\s+on\s+disk", said)
    assert_same(tmp_path / "run", never)


def test_a_disk_that_is_full_is_told_and_they_are_computed_at_every_step(flags, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transfer_jax.running.kept_trunks.on_disk", full)
    small = ["--config.cache.share=0.000001", "--config.cache.disk=0.5"]
    own = Run(make_plan(load_config("fashion_mnist", [*flags, *small])), NOWHERE)
    mesh, said = column_mesh(1), []
    trunks = KeptTrunks(said.append, lambda: None)
    images = replicate(on_device(own.plan.recipe.images), mesh)
    base = own.plan.given["pretrained"].variables(0)
    assert trunks.of(own.plan, base, [_start_of(own)], mesh, images) is None
    assert said == ["Frozen layers are computed at every step: the disk has no room for them"]


@pytest.mark.slow
def test_killed_without_and_gone_on_with_them_on_two_devices(flags, never, tmp_path):
    process = start(tmp_path / "run", *flags, NEVER)
    checkpoint = tmp_path / "run" / "checkpoints"
    wait_for("a checkpoint", lambda: any(checkpoint.glob("*pretrained*/20")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    said = run(tmp_path / "run", *flags, devices=2)
    assert re.search(KEPT, said)
    assert_same(tmp_path / "run", never)


@pytest.mark.slow
def test_where_two_devices_share_a_batch(flags, tmp_path):
    """And see each image at one of two places."""
    few = ["--config.families=('freeze',)", "--config.data.crop=24", "--config.data.views=2"]
    run(tmp_path / "never", *flags, *few, NEVER, devices=4)
    said = run(tmp_path / "run", *flags, *few, devices=4)
    assert re.search(KEPT.replace("images,", r"images\s+at\s+2\s+places,"), said)
    assert_same(tmp_path / "run", what_it_made(tmp_path / "never"))


def test_columns_of_a_run_on_other_images_take_nothing_of_what_is_kept(flags):
    """In a sweep they may share a program, and stand beside each other in a slot."""
    few, all_of_them = (
        Run(make_plan(load_config("fashion_mnist", [*flags, f"--config.examples=({k},)"])), NOWHERE)
        for k in (4, 0)
    )
    mesh, said = column_mesh(1), []
    trunks = KeptTrunks(said.append, lambda: None)
    base = few.plan.given["pretrained"].variables(0)
    images = replicate(on_device(few.plan.recipe.images), mesh)
    starts = [_start_of(run) for run in (few, all_of_them)]
    assert trunks.of(few.plan, base, starts[:1], mesh, images) is not None
    assert trunks.of(few.plan, base, starts[1:], mesh, images) is None
    assert trunks.of(few.plan, base, starts, mesh, images) is None


@pytest.mark.slow
def test_networks_of_a_sweep_begin_with_weights_of_their_own(flags, tmp_path):
    """Nor are they beside each other in a slot, whose columns copy from one network."""
    file = tmp_path / "other.safetensors"
    tj.save_tree(file, weights(seed=5))
    few = [flag for flag in flags if "network.weights" not in flag]
    few += ["--config.families=('freeze',)", "--config.seeds=1"]
    given = [flag.partition("=")[2] for flag in flags if "network.weights" in flag]
    axis = Axis("network.weights", (*given, str(file)))
    run_sweep("fashion_mnist", few, [axis], tmp_path / "sweep")
    alone = load_config("fashion_mnist", [*few, NEVER, f"--config.network.weights={file}"])
    expected = tj.run(alone, tmp_path / "alone").rows
    folders = sorted((tmp_path / "sweep").glob("weights=*/results.csv"))
    found = [tuple(read_rows(epath.Path(table))) for table in folders]
    assert len(found) == 2 and found[0] != found[1] and expected in found


def _start_of(run: Run) -> ColumnStart:
    column = next(c for c in run.plan.columns(run.plan.grid) if c.base == "pretrained")
    where = (column, run.plan.splits[column.split], run.plan.recipe)
    return ColumnStart({}, {}, column_inputs(*where), column_order(*where))
