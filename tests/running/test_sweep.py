"""Sweeps: what shares a program is one grid, and each run is what it is alone."""

import csv

import jax
import jax.monitoring
import pytest

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.cli import main
from transfer_jax.folder.results import read_rows
from transfer_jax.folder.workdir import WorkdirError
from transfer_jax.plan.config import ConfigError, load_config
from transfer_jax.plan.plan import make_plan
from transfer_jax.running.sweep import Axis, name_of, parse_axis, run_sweep

FLAGS = [*(flag for flag in TINY if "seeds" not in flag), "--config.seeds=1"]
RATES = Axis("optimizer.learning_rate", (0.03, 0.1))
COMPILED = "/jax/core/compile/backend_compile_duration"


@pytest.mark.slow
def test_rates_decays_and_sizes_share_programs_and_each_run_is_what_it_is_alone(tmp_path):
    found: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration, **_: found.append(event) if event == COMPILED else None
    )
    jax.clear_caches()
    alone = tj.run(load_config("fashion_mnist", FLAGS), tmp_path / "alone")
    compilations = len(found)
    jax.clear_caches()
    found.clear()
    decays, sizes = (
        Axis("optimizer.weight_decay", (0.0, 5e-4)),
        Axis("data.train_per_class", (10, 8)),
    )
    axes = [RATES, decays, sizes]
    table = run_sweep("fashion_mnist", FLAGS, axes, tmp_path / "sweep")
    assert len(found) == compilations
    folder = tmp_path / "sweep" / "learning_rate=0.03,weight_decay=0.0005,train_per_class=10"
    assert tuple(read_rows(folder / "results.csv")) == alone.rows
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 8 * len(alone.rows)
    losses = {(r["optimizer.learning_rate"], r["loss"]) for r in rows}
    assert len(losses) > len(alone.rows)
    # Each run is one that the command line knows, and is finished.
    assert tj.run(load_config("fashion_mnist", FLAGS), folder).rows == alone.rows


@pytest.mark.slow
def test_all_that_an_optimizer_is_but_its_schedule_shares_programs(tmp_path):
    found: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, duration, **_: found.append(event) if event == COMPILED else None
    )
    own = ["name=adamw", "layer_decay=0.5"]
    flags = [*FLAGS, "--config.treatments=('AnB+',)", "--config.cuts=(1,)"]
    flags += [f"--config.optimizer.{flag}" for flag in own]
    jax.clear_caches()
    alone = tj.run(load_config("fashion_mnist", flags), tmp_path / "alone")
    compilations = len(found)
    jax.clear_caches()
    found.clear()
    multiples = Axis("optimizer.head_multiple", (1.0, 10.0))
    table = run_sweep("fashion_mnist", flags, [multiples], tmp_path / "sweep")
    assert len(found) == compilations
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len({row["loss"] for row in rows}) == 2 * len(alone.rows)
    again = tmp_path / "sweep" / "head_multiple=1.0" / "results.csv"
    assert tuple(read_rows(again)) == alone.rows


def test_one_program_is_for_all_values_that_lie_in_the_state():
    def key(*flags):
        own = [f"--config.optimizer.{flag}" for flag in flags]
        return make_plan(load_config("fashion_mnist", [*FLAGS, *own])).program_key(())

    others = ("learning_rate=1", "weight_decay=1", "beta1=0", "beta2=0", "head_multiple=2",
              "layer_decay=0.5")  # fmt: skip
    assert len({key("name=adamw"), *(key("name=adamw", one) for one in others)}) == 1
    by_layer = {key("head_multiple=2", one) for one in ("learning_rate=1", "layer_decay=0.5")}
    assert len(by_layer) == 1 and key() == key("learning_rate=1") not in by_layer
    assert key("name=adamw", "warmup_steps=2") != key("name=adamw") != key()


def test_a_sweep_over_structure_is_runs_one_after_the_other_and_goes_on(tmp_path, capsys):
    flags = [f for f in FLAGS if "dense_widths" not in f] + ["--config.treatments=('AnB',)"]
    over = ["--over", "network.dense_widths=(4,),(6,)"]
    assert main(["sweep", f"--workdir={tmp_path / 's'}", *over, *flags]) == 0
    (tmp_path / "s" / "dense_widths=6" / "results.csv").unlink()
    capsys.readouterr()
    assert main(["sweep", f"--workdir={tmp_path / 's'}", *over, *flags]) == 0
    assert "2 runs, 1 of them finished" in capsys.readouterr().out
    assert main(["status", str(tmp_path / "s")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("finished") >= 4 and "diverged: none" in printed
    assert main(["report", str(tmp_path / "s")]) == 0
    page = (tmp_path / "s" / "comparison" / "comparison.html").read_text()
    assert "dense_widths=4 and dense_widths=6" in page and "network.dense_widths" in page


def test_axes_are_checked(tmp_path):
    for text, message in (("steps", "write --over"), ("steps=5,5", "twice")):
        with pytest.raises(ConfigError, match=message):
            parse_axis(text)
    with pytest.raises(ConfigError, match="no field 'stepz'"):
        run_sweep("fashion_mnist", FLAGS, [Axis("stepz", (1,))], tmp_path / "x")
    assert name_of([Axis("data.source", ("../../etc",))], ["../../etc"]) == "source=etc"


def test_a_sweep_of_other_fields_is_refused(tmp_path):
    (tmp_path / "sweep.json").write_text('{"steps": ["5"]}')
    with pytest.raises(WorkdirError, match=r"varies steps; here optimizer\.learning_rate"):
        run_sweep("fashion_mnist", FLAGS, [RATES], tmp_path)
