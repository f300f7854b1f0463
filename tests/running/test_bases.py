"""Base networks of every kind: what conditions copy from them, and how they see images."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import pytest
from etils import epath
from rich.console import Console

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.data.tasks import first_examples
from transfer_jax.engine.columns import Normalisation
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Column, Cut
from transfer_jax.plan.config import load_config
from transfer_jax.plan.initialisers import initialiser
from transfer_jax.plan.plan import Plan, make_plan
from transfer_jax.running.bases import OfCopies
from transfer_jax.running.experiment import train_and_report
from transfer_jax.running.run import Run
from transfer_jax.running.stopping import StopRequest

FLAGS = [
    *(flag for flag in TINY if "seeds" not in flag),
    "--config.seeds=1",
    "--config.treatments=('AnB','AnB+')",
    "--config.checkpoint.networks=all",
    "--config.controls=('cka','scores','stitching')",
    "--config.control_examples=40",
]
MEAN = np.float32(100.0)


@dataclass(frozen=True)
class TreeFile(OfCopies):
    """A network in a file, which says itself how it saw images: that of nobody's task."""

    path: Path
    classes = None

    def variables(self, seed):
        return tj.load_tree(self.path)

    def mean(self, recipe):
        shape = recipe.images.images.shape[1:]
        return Normalisation(np.full(shape, MEAN), np.float32(0.02))


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> tuple[Plan, TreeFile]:
    """A plan whose conditions of base A copy from a file instead, and those of base B do not."""
    plan = make_plan(load_config("fashion_mnist", FLAGS))
    base = TreeFile(tmp_path_factory.mktemp("file") / "mine.safetensors")
    tj.save_tree(base.path, initialiser(plan)(jax.random.key(123)))
    grid = tuple(replace(c, base="mine") if c.base == "A" else c for c in plan.grid)
    return replace(plan, grid=grid, given={"mine": base}), base


@pytest.fixture(scope="module")
def folder(given, tmp_path_factory) -> Workdir:
    folder = Workdir(epath.Path(tmp_path_factory.mktemp("run") / "mine"))
    folder.open()
    console = Console(file=io.StringIO())
    train_and_report([Run(given[0], folder)], folder, console, StopRequest())
    return folder


def test_copied_layers_are_the_files_to_the_bit_and_frozen_ones_are_nobodys(given, folder):
    plan, base = given
    file, run = base.variables(0), Run(plan, folder)
    column = next(c for _, wave in plan.waves() for c in wave if c.base == "mine")
    kept = tj.load_tree(str(folder.path / "networks" / column.name))
    start, names = run.start(column), plan.network.layer_names
    assert {cut.n for cut in column.cuts} == {1, 3}
    for cut in column.cuts:
        own = start.networks[cut.label]
        same = [name for name in names if not tj.diff(file[name], own[name])]
        assert same == list(names[: cut.n])
        assert set(kept[cut.label]) == set(names if cut.fine_tuned else names[cut.n :])


def test_images_are_seen_as_the_file_says(given, folder):
    run = Run(given[0], folder)
    seen = {c.base: run.start(c).inputs for _, wave in run.plan.waves() for c in wave}
    assert (np.asarray(seen["mine"].mean) == MEAN).all()
    assert float(seen["mine"].scale) == pytest.approx(0.02)
    images, task = run.plan.recipe.images, run.plan.splits["distant"].task("B")
    examples = first_examples(images.labels, images.is_train, task, 10)
    expected = images.in_memory[examples].astype(np.float64).mean(0)
    np.testing.assert_allclose(seen["B"].mean, expected, rtol=1e-5)


def test_the_run_is_whole_and_reported(given, folder):
    rows = tj.Results.read(str(folder.path)).rows
    assert len(rows) == len(given[0].networks)
    mine = [row for row in rows if row.base == "mine"]
    assert {row.treatment for row in mine} == {"AnB", "AnB+"}
    assert {row.n for row in mine} == {1, 3}
    assert (folder.path / "report.html").exists()
    controls = (folder.path / "controls" / "distant.seed0.mine-B.csv").read_text()
    assert "cka" in controls and "leep" in controls
    # Nobody's task: there is no other network of it to be joined with.
    assert "stitching" not in controls
    assert "stitching" in (folder.path / "controls" / "distant.seed0.B-A.csv").read_text()


def test_no_base_network_of_its_name_is_trained(given, folder):
    names = {path.name for path in (folder.path / "bases").iterdir()}
    assert names == {"distant.seed0.A", "distant.seed0.B"}


def test_what_copies_from_the_others_is_what_it_was(given, folder, tmp_path):
    """Columns of base B do not see that those of base A have another one."""
    flags = [flag for flag in FLAGS if "controls=" not in flag]
    alone = tj.run(load_config("fashion_mnist", flags), tmp_path / "alone").rows
    rows = tj.Results.read(str(folder.path)).rows
    assert [r for r in rows if r.base != "mine"] == [r for r in alone if r.base != "A" or not r.n]
    assert [r.loss for r in rows if r.base == "mine"] != [
        r.loss for r in alone if r.base == "A" and r.n
    ]


def run_of(folder: Path) -> tuple[Run, Callable]:
    plan = make_plan(load_config("fashion_mnist", [*FLAGS, "--config.seeds=2"]))
    return Run(plan, Workdir(epath.Path(folder))), initialiser(plan)


def test_a_random_base_is_one_a_seed_and_saw_nothing(tmp_path):
    run, _ = run_of(tmp_path)
    base = run.bases("distant")["random"]
    assert not tj.diff(base.variables(0), base.variables(0))
    assert tj.diff(base.variables(0), base.variables(1))
    assert base.classes is None and base.mean(run.plan.recipe) is None


def test_base_networks_copy_nothing(tmp_path):
    run, _ = run_of(tmp_path)
    base = run.bases("distant")[None]
    assert base.variables(0) == {} and base.classes is None
    column = Column("distant", 0, None, "A", (Cut(0, True),))
    start = run.start(column)
    assert start.base == {} and tuple(start.networks["0+"]) == run.plan.network.layer_names


def test_a_trained_base_has_its_tasks_classes_and_mean(tmp_path):
    run, _ = run_of(tmp_path)
    base, task = run.bases("distant")["A"], run.plan.splits["distant"].task("A")
    assert base.classes == task.classes
    of_target = replace(run.plan.recipe, mean="target")
    assert base.mean(of_target) is None and base.mean(run.plan.recipe) is not None
