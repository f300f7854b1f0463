"""Learning rates chosen by a pilot: by validation images, the same whatever happens meanwhile."""

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import jax
import jax.monitoring
import numpy as np
import pytest
from etils import epath
from rich.console import Console

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.folder.rates import read_chosen, read_rates
from transfer_jax.folder.results import ResultsError
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.families import Family
from transfer_jax.plan.choice import Tried, best_rate, chosen_rate
from transfer_jax.plan.config import load_config
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.plan import make_plan
from transfer_jax.running.experiment import carry_out
from transfer_jax.running.rates import rate_lines
from transfer_jax.running.run import Run
from transfer_jax.running.sweep import Axis, run_sweep
from transfer_jax.running.taken_bases import take_bases

from .commands import SMALL, assert_same, run, start, wait_for, what_it_made
from .test_processes import two

ONE = [*(flag for flag in TINY if "seeds" not in flag), "--config.seeds=1"]
RATES = "--config.optimizer.rates=(0.25,1.0,8.0)"
COMPILED = "/jax/core/compile/backend_compile_duration"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run whose pilot chooses, with what it said in `said`."""
    folder = tmp_path_factory.mktemp("rates") / "run"
    with (folder.parent / "said").open("w") as file:
        console = Console(file=file, width=200)
        carry_out(load_config("fashion_mnist", [*ONE, RATES]), folder, console=console)
    return folder


def table(workdir: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((workdir / "rates.csv").read_text().splitlines()))


def test_the_table_has_each_family_split_and_target_at_each_rate(finished):
    found = {(r["split"], r["target"], r["family"], float(r["rate"])) for r in table(finished)}
    assert found == {
        ("distant", target, family, rate)
        for target in "AB"
        for family in ("scratch", "frozen", "fine-tuned")
        for rate in (0.25, 1.0, 8.0)
    }
    # Two cuts of a column; base networks alone stand for all that is trained from scratch.
    counts = {(r["family"], r["networks"], r["diverged"]) for r in table(finished)}
    assert counts == {("scratch", "1", "0"), ("frozen", "2", "0"), ("fine-tuned", "2", "0")}


def best_of(rows: list[dict[str, str]], family: str) -> float:
    """The rate of the highest mean over both targets, which have as many networks."""
    found: dict[float, float] = {}
    for row in rows:
        if row["family"] == family:
            rate = float(row["rate"])
            found[rate] = round(found.get(rate, 0.0) + float(row["validation"]), 9)
    return max(found, key=lambda rate: found[rate])


def test_what_was_chosen_is_written_and_said_and_can_be_read(finished):
    chosen = json.loads((finished / "rates.json").read_text())
    assert set(chosen) == {"scratch", "frozen", "fine-tuned"}
    said = (finished.parent / "said").read_text()
    for family, rate in chosen.items():
        assert f"learning rate of {family} networks: {rate:g} x learning_rate" in said
    best = {family: best_of(table(finished), family) for family in chosen}
    ends = sum(rate != 1.0 and rate == best[family] for family, rate in chosen.items())
    assert said.count("tried: widen optimizer.rates") == ends
    evidence = read_evidence(epath.Path(finished))
    assert evidence.chosen_rates == chosen and len(evidence.rates) == len(table(finished))
    assert not evidence.problems


def test_the_end_of_the_range_is_said():
    rates = (0.25, 1.0, 8.0)
    (low,), (middle,), (high,) = (
        list(rate_lines({"frozen": rate}, {"frozen": rate}, rates)) for rate in rates
    )
    assert "the best rate is the smallest tried: widen optimizer.rates" in low
    assert "the best rate is the largest tried: widen optimizer.rates" in high
    assert middle == "learning rate of frozen networks: 1 x learning_rate"


def test_a_rate_that_is_taken_for_being_nearest_to_1_is_not_called_the_best():
    """At 3.0 eleven other images are right and ten of those at 1.0 wrong, which is noise."""
    right = {1.0: np.arange(100) < 60, 3.0: (np.arange(100) >= 10) & (np.arange(100) < 71)}
    tried = {rate: Tried(own / 100, 0) for rate, own in right.items()}
    chosen, best = {"frozen": chosen_rate(tried)}, {"frozen": best_rate(tried)}
    assert (chosen, best) == ({"frozen": 1.0}, {"frozen": 3.0})
    (line,) = rate_lines(chosen, best, (1.0, 3.0))
    assert line == "learning rate of frozen networks: 1 x learning_rate"


def test_each_network_is_trained_at_the_rate_of_its_family(finished):
    run_of = Run(
        make_plan(load_config("fashion_mnist", [*ONE, RATES])), Workdir(epath.Path(finished))
    )
    chosen = json.loads((finished / "rates.json").read_text())
    families = {
        "1": "frozen",
        "3": "frozen",
        "1+": "fine-tuned",
        "3+": "fine-tuned",
        "0+": "scratch",
    }
    seen = set()
    for _, wave in run_of.plan.waves():
        for column in wave:
            for label, own in run_of.start(column).settings.items():
                assert own["learning_rate"] == 0.03 * chosen[families[label]]
                seen.add(label)
    assert seen == set(families)
    pilot = run_of.pilot.runs[8.0]
    (column, *_) = [c for _, wave in pilot.plan.waves() for c in wave]
    assert pilot.start(column).settings["0+"]["learning_rate"] == 8.0 * 0.03


def test_base_networks_are_those_of_a_run_at_the_chosen_rate(finished, tmp_path):
    rate = json.loads((finished / "rates.json").read_text())["scratch"]
    flags = [
        *ONE,
        "--config.treatments=('scratch',)",
        f"--config.optimizer.learning_rate={0.03 * rate}",
    ]
    alone = tj.run(load_config("fashion_mnist", flags), tmp_path / "alone").rows
    found = tj.Results.read(finished).rows
    assert [row for row in found if row.treatment in ("base", "scratch")] == list(alone)


def test_no_test_image_is_seen_by_a_pilot(finished, tmp_path):
    for path in finished.glob("pilot/*/columns/*.csv"):
        for row in csv.DictReader(path.read_text().splitlines()):
            assert row["top1"] == row["loss"] == row["best10"] == "nan"
            assert 0 <= float(row["validation"]) <= 1
    assert not list(finished.glob("pilot/*/correct/*")) + list(finished.glob("pilot/*/curves/*"))
    flags = [*(flag for flag in ONE if "test_per_class" not in flag), RATES, "--config.seeds=2"]
    tj.run(load_config("fashion_mnist", [*flags, "--config.data.test_per_class=7"]), tmp_path / "x")
    # Nor do the run's seeds matter.
    assert table(tmp_path / "x") == table(finished)


def test_the_pilots_accuracies_are_those_of_its_networks(finished):
    row = next(
        r
        for r in table(finished)
        if (r["target"], r["family"], r["rate"]) == ("A", "frozen", "8.0")
    )
    rows = list(csv.DictReader(
        (finished / "pilot/rate8/columns/distant.seed1000000.B-A.csv").read_text().splitlines()
    ))  # fmt: skip
    own = [float(r["validation"]) for r in rows if r["treatment"] == "AnB"]
    assert float(row["validation"]) == pytest.approx(np.mean(own))


def test_conditions_of_a_pilot_copy_from_its_base_networks_at_the_chosen_rate(finished):
    run_of = Run(
        make_plan(load_config("fashion_mnist", [*ONE, RATES])), Workdir(epath.Path(finished))
    )
    rate = run_of.pilot.rate(Family.SCRATCH)
    base = tj.load_tree(finished / f"pilot/rate{rate:g}/bases/distant.seed1000000.A")
    for own in run_of.pilot.copying.values():
        column = next(c for _, w in own.plan.waves() for c in w if (c.base, c.target) == ("A", "B"))
        held = own.start(column).base
        for layer, params in held.items():
            assert not tj.diff(base[layer], params["params"])


@pytest.mark.slow
def test_a_pilot_compiles_nothing_of_its_own(tmp_path):
    counts = []
    found: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration, **_: found.append(event) if event == COMPILED else None
    )
    for name, flags in (("one", []), ("three", [RATES])):
        jax.clear_caches()
        found.clear()
        tj.run(load_config("fashion_mnist", [*ONE, *flags]), tmp_path / name)
        counts.append(len(found))
    assert counts[0] == counts[1] > 0


@pytest.mark.slow
def test_one_rate_is_a_run_at_another_learning_rate(tmp_path):
    rows, stitches = [], []
    for name, flag in (("a", "rates=(0.5,)"), ("b", "learning_rate=0.015")):
        flags = [*ONE, "--config.treatments=('AnB',)", f"--config.optimizer.{flag}"]
        flags += ["--config.controls=('stitching',)"]
        rows.append(tj.run(load_config("fashion_mnist", flags), tmp_path / name).rows)
        stitches.append((tmp_path / name / "controls" / "distant.seed0.A-B.csv").read_text())
    assert rows[0] == rows[1]
    assert stitches[0] == stitches[1] != ""
    assert not (tmp_path / "a" / "rates.csv").exists()


def test_a_rate_at_which_networks_diverge_is_out(tmp_path):
    flags = [*ONE, "--config.optimizer.rates=(1.0,1000000.0)", "--config.treatments=('AnB+',)"]
    tj.run(load_config("fashion_mnist", flags), tmp_path / "x")
    assert set(json.loads((tmp_path / "x" / "rates.json").read_text()).values()) == {1.0}
    assert sum(int(row["diverged"]) for row in table(tmp_path / "x")) >= 4
    assert not any(row.diverged for row in tj.Results.read(tmp_path / "x").rows)


@pytest.mark.slow
def test_a_run_of_a_sweep_is_what_it_is_alone(finished, tmp_path):
    axes = [Axis("optimizer.learning_rate", (0.03, 0.01))]
    run_sweep("fashion_mnist", [*ONE, RATES], axes, tmp_path / "s")
    own = tmp_path / "s" / "learning_rate=0.03"
    for name in ("results.csv", "rates.csv", "rates.json"):
        assert (own / name).read_bytes() == (finished / name).read_bytes(), name
    assert table(tmp_path / "s" / "learning_rate=0.01") != table(finished)


@pytest.mark.slow
def test_base_networks_of_another_rate_are_not_taken_over(finished, tmp_path):
    """The fields are the same; what the pilots chose is not."""
    other = tmp_path / "other"
    shutil.copytree(finished, other)
    chosen = json.loads((other / "rates.json").read_text())
    flags = [*ONE, RATES, f"--config.bases={other}"]
    tj.run(load_config("fashion_mnist", flags), tmp_path / "same")
    assert tj.Results.read(tmp_path / "same").rows == tj.Results.read(finished).rows
    (other / "rates.json").write_text(json.dumps(chosen | {"scratch": 2.5}))
    with pytest.raises(ConfigError, match=r"their rate of optimizer.rates is 2.5, that chosen"):
        tj.run(load_config("fashion_mnist", flags), tmp_path / "x")
    assert not list((tmp_path / "x" / "columns").iterdir())


def test_a_damaged_table_is_told(tmp_path):
    (tmp_path / "rates.csv").write_text("split,rate\nx,y\n")
    with pytest.raises(ResultsError, match=r"rates.csv cannot be read"):
        read_rates(epath.Path(tmp_path / "rates.csv"))
    assert read_rates(epath.Path(tmp_path / "none.csv")) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[1.0]", '{"scratch": "3"}', '{"scratch": NaN}', '{"scratch": -1}', "\x00"]
)
def test_a_damaged_choice_is_told_and_is_no_agreement(text, tmp_path):
    path = epath.Path(tmp_path / "rates.json")
    assert read_chosen(path) == {}
    path.write_text(text)
    with pytest.raises(ResultsError, match=r"rates.json"):
        read_chosen(path)
    found = read_evidence(epath.Path(tmp_path))
    assert any("rates.json" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("bases", "said"), [("nowhere", "which holds no run"), ("s3://bucket/a", "gs://BUCKET/FOLDER")]
)
def test_bases_that_are_not_there_are_told_before_rates_are_tried(bases, said, tmp_path):
    config = load_config("fashion_mnist", [*ONE, RATES, f"--config.bases={bases}"])
    with pytest.raises(ValueError, match=said):
        tj.run(config, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.csv"))


def test_base_networks_of_an_unknown_rate_are_not_taken_over(finished, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(finished, other)
    (other / "rates.json").unlink()
    here = Run(
        make_plan(load_config("fashion_mnist", [*ONE, RATES, f"--config.bases={other}"])),
        Workdir(epath.Path(finished)),
    )
    with pytest.raises(ConfigError, match=r"rates.json does not say which its base networks have"):
        take_bases(here, print)
    (other / "rates.json").write_text("{")
    with pytest.raises(ResultsError, match=r"rates.json cannot be read"):
        take_bases(here, print)


MOMENTS = {
    "base networks": "pilot/rate0.25/columns/*base-A.csv",
    "conditions": "pilot/rate1/checkpoints/*A-B/4",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, dict[str, object]]:
    workdir = tmp_path_factory.mktemp("whole") / "run"
    run(workdir, *SMALL, RATES)
    return workdir, what_it_made(workdir)


@pytest.mark.slow_but_first
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_in_its_pilot_a_run_goes_on_to_the_same_bits(moment, whole, tmp_path):
    process = start(tmp_path / "run", *SMALL, RATES)
    wait_for(moment, lambda: any((tmp_path / "run").glob(MOMENTS[moment])), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "run" / "rates.csv").exists()
    run(tmp_path / "run", *SMALL, RATES)
    assert_same(tmp_path / "run", whole[1])
    assert table(tmp_path / "run") == table(whole[0])
    assert not list((tmp_path / "run").glob("pilot/*/checkpoints/*"))


@pytest.mark.slow
def test_two_processes_choose_what_one_chooses(whole, tmp_path):
    processes = two(tmp_path / "run", RATES)
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert_same(tmp_path / "run", whole[1])
    assert table(tmp_path / "run") == table(whole[0])
