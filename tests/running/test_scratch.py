"""Networks trained from scratch with the whole budget: as many steps as base and transfer."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from etils import epath

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.folder.curves import read_curves
from transfer_jax.plan.config import load_config
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.optimizer_fields import Caffe, Sgd, make_optimizer
from transfer_jax.plan.schema import Config, check_together

from .commands import SMALL, assert_same, run, start, wait_for, what_it_made

ONE = [*(flag for flag in TINY if "seeds" not in flag), "--config.seeds=1"]
SCRATCH = "--config.treatments=('scratch',)"
# A rate that neither rises nor falls in so few steps.
CONSTANT = [
    *(flag for flag in ONE if "warmup" not in flag),
    "--config.optimizer.name=caffe",
    "--config.test_every=5",
]


def rows_of(workdir: Path, *flags: str) -> list:
    rows = tj.run(load_config("fashion_mnist", [*ONE, *flags]), workdir).rows
    return [row for row in rows if row.treatment == "scratch"]


@pytest.fixture(scope="module")
def in_the_grid(tmp_path_factory) -> list:
    return rows_of(tmp_path_factory.mktemp("grid") / "run")


@pytest.mark.slow
def test_it_is_the_same_alone_and_in_the_grid(in_the_grid, tmp_path):
    assert [(row.target, row.base, row.n, row.step) for row in in_the_grid] == [
        ("A", "scratch", 0, 10),
        ("B", "scratch", 0, 10),
    ]
    assert rows_of(tmp_path / "alone", SCRATCH) == in_the_grid
    assert rows_of(tmp_path / "two", SCRATCH, "--config.seeds=2")[:2] == in_the_grid


@pytest.mark.slow
def test_images_from_disk_give_the_same_numbers(in_the_grid, tmp_path):
    assert rows_of(tmp_path / "stream", SCRATCH, "--config.data.stream=True") == in_the_grid


@pytest.mark.slow
def test_packing_changes_rounding_at_most(in_the_grid, tmp_path):
    (a, b) = rows_of(tmp_path / "vmap", SCRATCH, "--config.packing=vmap")
    assert [a.loss, b.loss] == pytest.approx([row.loss for row in in_the_grid], abs=1e-5)


def test_where_the_rate_stays_its_first_half_is_the_base_network(tmp_path):
    """Same first network, batches and random numbers: what differs is how long it is trained."""
    dropout = "--config.network.dropout=0.5"
    flags = [*CONSTANT, dropout, SCRATCH, "--config.data.mirror=True", "--config.data.shift=1"]
    tj.run(load_config("fashion_mnist", flags), tmp_path / "run")
    for target in "AB":
        (base,), (scratch,) = (
            read_curves(
                epath.Path(tmp_path / f"run/curves/distant.seed0.{name}-{target}.csv")
            ).values()
            for name in ("base", "scratch")
        )
        assert list(base) == [5] and list(scratch) == [5, 10]
        assert scratch[5] == base[5]


@pytest.mark.parametrize(
    ("fields", "rates"),
    [
        # A cosine from 1 after 10 steps to 0 after 100, or after 200; 1/2 half way down.
        (Sgd(learning_rate=1.0, warmup_steps=10), {10: (1, 1), 55: (0.5, None), 105: (0, 0.5)}),
        (Caffe(learning_rate=1.0, step_every=50), {49: (1, 1), 50: (0.1, 1), 100: (0.01, 0.1)}),
    ],
)
def test_its_rate_falls_over_its_own_steps(fields, rates):
    once, twice = moves(fields, 1), moves(fields, 2)
    for step, (of_one, of_two) in rates.items():
        assert once[step] == pytest.approx(of_one, abs=1e-6)
        assert of_two is None or twice[step] == pytest.approx(of_two, abs=1e-6)


def moves(fields: Sgd | Caffe, trainings: int) -> list[float]:
    """How far a gradient of 1 moves a weight at each step, without momentum and decay."""
    plain = replace(fields, momentum=0.0, weight_decay=0.0)
    tx = make_optimizer(plain, 100, trainings, layers=("w",))
    params = {"w": jnp.zeros(1)}
    state, found = tx.init(params), []
    for _ in range(110):
        updates, state = jax.jit(tx.update)({"w": jnp.ones(1)}, state, params)
        found.append(-float(updates["w"][0]))  # pyright: ignore
    return found


def test_batches_are_drawn_for_all_of_its_steps():
    most = {"steps": 2**22, "batch_size": 64}
    with pytest.raises(ConfigError, match=r"steps is 4194304, twice as many from scratch, and"):
        check_together(Config(**most))
    check_together(Config(**most, treatments=("AnB",)))


@pytest.mark.slow
def test_killed_in_its_second_half_it_goes_on_to_the_same_bits(tmp_path):
    flags = [*SMALL, SCRATCH]
    run(tmp_path / "whole", *flags)
    process = start(tmp_path / "run", *flags, "--config.logs.every=1")
    at = tmp_path / "run" / "checkpoints" / "distant.seed0.scratch-A"
    wait_for("step 16", lambda: any((at / str(step)).exists() for step in (16, 20)), process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "run" / "results.csv").exists()
    run(tmp_path / "run", *flags)
    made = what_it_made(tmp_path / "whole")
    # Metrics have a line for each pause, of which this run had more.
    tables = {name: held for name, held in made.items() if not name.startswith("metrics")}
    found = what_it_made(tmp_path / "run")
    for name, held in tables.items():
        if isinstance(held, bytes):
            assert found[name] == held, name
        else:
            assert not tj.diff(found[name], held), name


@pytest.mark.slow
def test_two_devices_give_the_numbers_of_one(tmp_path):
    for devices in (1, 2):
        run(tmp_path / str(devices), *SMALL, SCRATCH, devices=devices)
    assert_same(tmp_path / "2", what_it_made(tmp_path / "1"))
