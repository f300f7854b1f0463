"""What `status` says of a race, from the files that its looks leave."""

import json
import re
import shutil

import pytest
from etils import epath

from transfer_jax.cli import main
from transfer_jax.folder.race_files import RaceFile, WayPrice, write_look, write_race
from transfer_jax.folder.workdir import SWEEP, Workdir

TASK = "whole.A"
FULL, FREEZE, PROBE = "full", "freeze:2", "probe:2"
IMAGES = 40


@pytest.fixture
def race(tmp_path) -> Workdir:
    """Three ways, none of which a look has seen."""
    folder = Workdir(epath.Path(tmp_path))
    ways = (("AnB+", 2, "freeze", 0.5), ("AnB+", 0, "full", 1.0), ("AnB", 2, "probe", 0.0))
    prices = tuple(WayPrice(*way) for way in ways)
    write_race(folder.race, RaceFile((TASK,), prices, 2.0, 0.125, 0.0, 0.01, 1, 9))
    folder.config.write_text("{}")
    return folder


def looked(folder: Workdir, number: int, **ways: tuple[int, bool]) -> None:
    """A look at ways: how many of the images each has right, and whether its loss was a number."""
    names = {"full": FULL, "freeze": FREEZE, "probe": PROBE}
    for name, (right, failed) in ways.items():
        path = folder.way(names[name].replace(":", "@")).look(TASK, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_look(path, [image < right for image in range(IMAGES)], failed)


def told(folder: Workdir, capsys) -> str:
    assert main(["status", str(folder.path)]) == 0
    return re.sub(r"\s+", " ", capsys.readouterr().out)


def test_before_the_first_look(race, capsys):
    found = told(race, capsys)
    assert "0 of 3 ways finished" in found and "diverged: none" in found
    assert " race: no look yet nothing is being trained" in found


def test_a_way_that_failed_is_told_at_every_later_look(race, capsys):
    """Prices by hand: the shares of three looks, of 0.125 that came first, and 1.5 in all."""
    looked(race, 0, full=(0, True), freeze=(30, False), probe=(29, False))
    failed = f"diverged: {TASK} {FULL} (after 0.25 of the steps)"
    found = told(race, capsys)
    assert "0 of 3 ways finished" in found and failed in found
    first = 0.125 + 0.25 * 1.5
    line = "race after 0.25 of the steps: failed: full; going on: freeze at n = 2; probe at n = 2; "
    assert f"{line}{first:.2f} of 2 spent" in found
    for number in (1, 2):
        looked(race, number, freeze=(30, False), probe=(29, False))
    found = told(race, capsys)
    assert "2 of 3 ways finished" in found and failed in found
    line = "race after one seed: finished: freeze at n = 2; probe at n = 2; "
    assert f"{line}{first + 0.75 * 0.5:.2f} of 2 spent" in found


def test_the_end_is_that_of_the_race_and_not_of_what_is_shown(race, capsys):
    """An answer of a smaller budget lies there, and the last process trained all that it could."""
    race.results.write_text("")
    race.progress.write_text(json.dumps({"state": "trained", "steps_done": 7, "steps": 7}))
    looked(race, 0, full=(20, False), freeze=(30, False), probe=(29, False))
    found = told(race, capsys)
    assert "not finished" in found and "is over" not in found
    assert "nothing is being trained (trained); 7 steps done; run it again" in found
    for number in (1, 2):
        looked(race, number, full=(20, False), freeze=(30, False), probe=(29, False))
    found = told(race, capsys)
    assert "not finished" not in found and "nothing is being trained; the race is over" in found


@pytest.mark.parametrize(
    ("field", "value"),
    [("budget", None), ("budget", "2"), ("first", None), ("seeds", "1"), ("tasks", [[1]]),
     ("margin", None), ("unit", 1.5), ("looking", True)],
)  # fmt: skip
def test_a_damaged_race_is_told_beside_the_others(field, value, race, capsys):
    race.race.write_text(json.dumps({**json.loads(race.race.read_text()), field: value}))
    found = told(race, capsys)
    assert "race.json is damaged: " in found and "delete it and results.csv beside it" in found
    assert field in found


def test_races_of_a_sweep_are_told_by_name(race, tmp_path, capsys):
    looked(race, 0, full=(0, True), freeze=(30, False), probe=(29, False))
    for name in ("lr=1", "lr=2"):
        shutil.copytree(tmp_path, tmp_path.parent / "sweep" / name)
    folder = Workdir(epath.Path(tmp_path.parent / "sweep"))
    (folder.path / SWEEP).write_text("{}")
    found = told(folder, capsys)
    for name in ("lr=1", "lr=2"):
        assert f" {name}: race after 0.25 of the steps: failed: full;" in found
        assert f"{name}: {TASK} {FULL} (after 0.25 of the steps)" in found.partition("diverged")[2]
