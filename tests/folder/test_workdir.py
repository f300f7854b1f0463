"""Where everything of a run lies, and what a folder must hold to be one."""

import pytest
from etils import epath

from transfer_jax.folder.workdir import Workdir, WorkdirError, workdir_at
from transfer_jax.grid.conditions import Column, Cut
from transfer_jax.grid.grid import base_condition

COLUMN = Column("random-0", 2, "A", "B", (Cut(1, False),), 7)


def test_the_folder_is_laid_out_so():
    found = workdir_at("runs/a")
    names = {
        "results": "results.csv", "config": "config.json", "versions": "versions.json",
        "data": "data.json", "plan": "plan.json", "split_images": "split_images.npz",
        "checkpoints_folder": "checkpoints", "lock": "lock.json", "progress": "progress.json",
        "seconds": "seconds.json", "race": "race.json",
    }  # fmt: skip
    assert {name: str(getattr(found, name)) for name in names} == {
        name: f"runs/a/{place}" for name, place in names.items()
    }
    of_column = {
        "column": "columns/{}.csv", "curves": "curves/{}.csv", "correct": "correct/{}.npz",
        "validated": "validated/{}.npz", "filters": "filters/{}.npz",
        "controls": "controls/{}.csv", "metrics": "metrics/{}.jsonl", "networks": "networks/{}",
        "checkpoints": "checkpoints/{}",
    }  # fmt: skip
    for name, place in of_column.items():
        expected = place.format("random-0.seed2.A-B.first7")
        assert str(getattr(found, name)(COLUMN)) == f"runs/a/{expected}"
    bases = [found.base_network(base_condition("random-0", 2, "B", k)).name for k in (None, 7)]
    assert bases == ["random-0.seed2.B", "random-0.seed2.B.first7"]
    assert found.base_network(base_condition("x", 0, "A")).parent == epath.Path("runs/a/bases")


@pytest.mark.parametrize("held", ["config.json", "lock.json", "versions.json", "sweep.json"])
def test_a_folder_that_holds_a_run_or_nothing_is_taken(held, tmp_path):
    path = epath.Path(tmp_path) / "new" / "run"
    Workdir(path).open()
    assert path.is_dir()
    (path / ".hidden").touch()
    Workdir(path).open()
    (path / held).touch()
    (path / "other.txt").touch()
    Workdir(path).open()


def test_a_folder_that_holds_something_else_is_not(tmp_path):
    (tmp_path / "results.csv").touch()
    with pytest.raises(WorkdirError, match=r"is not empty and holds no run; choose another"):
        workdir_at(tmp_path).open()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "run").touch()
    for path in ("run", "run/below"):
        with pytest.raises(WorkdirError, match=f"/{path} is a file, or lies in one; a run needs"):
            workdir_at(tmp_path / path).open()
