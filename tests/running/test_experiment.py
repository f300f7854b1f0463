"""From config to results, in seconds."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from etils import epath
from rich.console import Console

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import MeshError
from transfer_jax.folder.results import ResultsError
from transfer_jax.folder.workdir import Workdir, WorkdirError
from transfer_jax.grid.grid import base_condition
from transfer_jax.plan.config import load_config
from transfer_jax.plan.initialisers import initialiser
from transfer_jax.plan.plan import make_plan
from transfer_jax.plan.schema import Layers
from transfer_jax.running.bases import restore_base

COLUMNS = 2 * (2 + 4 + 2 + 2)  # seeds x (base networks, base x target, random, scratch)


@pytest.fixture(scope="module")
def config():
    return load_config("fashion_mnist", TINY)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    return tj.run(config, tmp_path_factory.mktemp("runs") / "a")


def test_every_condition_has_one_row(config, finished):
    plan = make_plan(config)
    assert len(finished.rows) == len(plan.networks)
    for condition in plan.networks:
        assert 0 <= finished.accuracy(condition) <= 1


def test_the_workdir_holds_what_it_should(config, finished):
    folder = Workdir(_path(finished))
    names = {path.name for path in folder.path.iterdir()}
    kept = {"bases", "columns", "config.json", "correct", "curves", "filters", "metrics",
            "plan.json", "progress.json", "results.csv", "split_images.npz", "tensorboard",
            "versions.json", "data.json", "validated"}  # fmt: skip
    # One test a network, at its end, is no learning curve.
    drawn = {"figure", "decomposition", "distance", "networks", "filters", "splits"}
    pictures = {f"{name}.{kind}" for name in drawn for kind in ("png", "svg")}
    tables = {"effects.csv", "effects.parquet", "results.parquet", "tables.md", "tables.tex"}
    assert names == kept | pictures | tables | {"report.html"}
    assert json.loads(folder.plan.read_text()) == {
        "networks": len(finished.rows),
        "layers": ["conv1", "conv2", "conv3", "conv4", "fc5", "fc6"],
    }
    assert json.loads(folder.config.read_text())["steps"] == config.steps
    assert "jax" in json.loads((folder.path / "versions.json").read_text())


def test_the_same_config_gives_the_same_results_to_the_bit(config, finished, tmp_path):
    again = tj.run(config, tmp_path / "b")
    assert again.rows == finished.rows
    plan = make_plan(config)
    for base in plan.bases:
        init = initialiser(plan)
        nets = [restore_base(Workdir(_path(r)), base, init) for r in (finished, again)]
        assert not tj.diff(*nets)


def test_another_seed_gives_other_results(config, finished):
    first, second = ([row.loss for row in finished.rows if row.seed == seed] for seed in (0, 1))
    assert first != second


def test_a_seed_is_the_same_alone_and_among_others(finished, tmp_path):
    flags = [flag for flag in TINY if "seeds" not in flag]
    alone = tj.run(load_config("fashion_mnist", [*flags, "--config.seeds=1"]), tmp_path / "one")
    assert set(alone.rows) < set(finished.rows)


def test_a_finished_run_is_not_trained_again(config, finished):
    folder = Path(finished.workdir)
    before = {p: p.stat().st_mtime_ns for p in folder.glob("**/*")}
    console = Console(record=True, file=io.StringIO())
    again = tj.run(config, finished.workdir, console=console)
    assert again.rows == finished.rows
    assert "is finished" in console.export_text()
    assert before == {p: p.stat().st_mtime_ns for p in folder.glob("**/*")}


@pytest.mark.slow
def test_variants_are_trained_and_reported_beside_the_paper(tmp_path):
    flags = [*TINY, "--config.seeds=1", "--config.preserved=(1,)"]
    config = load_config("fashion_mnist", flags)
    config = replace(config, variants={"top": Layers(copied=("*[1-5]",), frozen=("fc5",))})
    results = tj.run(config, tmp_path / "v")
    variants = [row.variant for row in results.rows if row.variant]
    assert variants == ["preserved1", "preserved1", "top"] * 4
    page = (tmp_path / "v" / "report.html").read_text()
    for name in ("AnB, preserved1", "BnB, preserved1", "AnB, top"):
        assert name in page
    assert not any(row.diverged for row in results.rows)


def test_little_target_data_is_crossed_with_n(tmp_path):
    """Bases had all images; the level to compare with is trained on the target's few."""
    flags = [*TINY, "--config.seeds=1", "--config.examples=(3,0)", "--config.test_every=2"]
    config = load_config("fashion_mnist", [*flags, "--config.treatments=('AnB',)"])
    results = tj.run(config, tmp_path / "r")
    found = {(r.treatment, r.examples): [] for r in results.rows}
    for row in results.rows:
        found[row.treatment, row.examples].append(row)
    assert {key: len(rows) for key, rows in found.items()} == {
        ("base", 3): 2, ("base", 0): 2, ("AnB", 3): 4, ("AnB", 0): 4,
    }  # fmt: skip
    page = (tmp_path / "r" / "report.html").read_text()
    assert "distant split, first 3" in page
    curve = (tmp_path / "r" / "curves" / "distant.seed0.A-B.first3.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in curve] == ["step", "2", "4", "5"]


def test_a_diverged_network_is_marked_in_results_and_report(tmp_path):
    flags = [*TINY, "--config.seeds=1", "--config.optimizer.learning_rate=1e30"]
    results = tj.run(load_config("fashion_mnist", flags), tmp_path / "d")
    assert all(1 <= row.diverged <= 5 for row in results.rows if row.treatment == "base")
    assert "Failed, and counted nowhere" in (tmp_path / "d" / "report.html").read_text()
    assert tj.run(load_config("fashion_mnist", flags), tmp_path / "d").rows[0].diverged


def test_a_run_that_was_stopped_goes_on_and_ends_the_same(config, finished, tmp_path, monkeypatch):
    run_slot, calls = CompiledProgram.run, []

    def stop_after_seven(self, *args, **kwargs):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return run_slot(self, *args, **kwargs)

    monkeypatch.setattr(CompiledProgram, "run", stop_after_seven)
    with pytest.raises(KeyboardInterrupt):
        tj.run(config, tmp_path / "c")
    assert len(list((tmp_path / "c" / "columns").iterdir())) == 7
    again = tj.run(config, tmp_path / "c")
    assert len(calls) == 8 + COLUMNS - 7
    assert again.rows == finished.rows


def test_a_workdir_of_another_config_is_refused(finished):
    flags = [flag for flag in TINY if not flag.startswith("--config.steps")]
    other = load_config("fashion_mnist", [*flags, "--config.steps=6"])
    with pytest.raises(WorkdirError, match="holds another run: steps is 5 there, 6 here"):
        tj.run(other, finished.workdir)


def test_devices_that_do_not_fit_are_told_before_the_workdir_is_made(tmp_path):
    flags = [*TINY, "--config.devices_per_column=7"]
    with pytest.raises(MeshError, match="devices_per_column is 7; it must divide"):
        tj.run(load_config("fashion_mnist", flags), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_folder_of_something_else_is_refused(config, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(WorkdirError, match="is not empty and holds no run"):
        tj.run(config, tmp_path)


def test_a_results_file_cut_in_half_is_told_and_can_be_made_again(config, finished):
    results = _path(finished) / "results.csv"
    content = results.read_text()
    try:
        results.write_text(content[: len(content) // 2])
        with pytest.raises(ResultsError, match="finished columns are kept"):
            tj.run(config, finished.workdir)
        results.unlink()
        assert tj.run(config, finished.workdir).rows == finished.rows
    finally:
        results.write_text(content)


def test_a_base_network_can_be_used_elsewhere(config, finished):
    plan = make_plan(config)
    network = base_condition("distant", 0, "A")
    base = restore_base(Workdir(_path(finished)), network, initialiser(plan))
    assert tuple(base) == plan.network.layer_names


def _path(results: tj.Results) -> epath.Path:
    return epath.Path(results.workdir)
