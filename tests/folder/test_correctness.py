"""Which test examples each network gets right: what is kept is what the networks say."""

import numpy as np
import pytest
from etils import epath
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.data.augment import normalise
from transfer_jax.engine.columns import column_inputs
from transfer_jax.folder.correctness import read_correctness
from transfer_jax.folder.results import ResultsError, read_rows
from transfer_jax.plan.config import load_config
from transfer_jax.plan.plan import make_plan

FLAGS = [*(flag for flag in TINY if "seeds" not in flag), "--config.seeds=1"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> epath.Path:
    folder = epath.Path(tmp_path_factory.mktemp("right") / "run")
    tj.run(load_config("fashion_mnist", FLAGS), folder)
    return folder


@pytest.mark.slow
def test_every_network_of_the_table_has_its_examples(finished):
    for row in read_rows(finished / "results.csv"):
        held = read_correctness(finished / "correct" / f"{row.column}.npz")
        right = held.right(row.label)
        assert len(right) == len(held.images) == 100
        assert right.mean() == pytest.approx(row.top1, abs=1e-6)


def test_they_are_those_that_the_network_on_disk_gets_right(finished):
    plan = make_plan(load_config("fashion_mnist", FLAGS))
    column = next(c for _, w in plan.waves() for c in w if c.name.endswith("base-B"))
    held = read_correctness(finished / "correct" / f"{column.name}.npz")
    images, split = plan.recipe.images, plan.splits["distant"]
    numbers = np.flatnonzero(images.is_test)[held.images]
    inputs = column_inputs(column, split, plan.recipe)
    x = normalise(images.in_memory[numbers], inputs.mean, inputs.scale)  # pyright: ignore
    stored = tj.load_tree(str(finished / "bases" / "distant.seed0.B"))
    logits, _ = plan.network.apply({name: {"params": own} for name, own in stored.items()}, x)
    classes = np.array(split.task("B").classes)[np.asarray(logits).argmax(axis=1)]
    assert (held.right("baseB") == (classes == images.labels[numbers])).all()


def test_images_are_the_same_for_all_columns_of_a_target(finished):
    by_target: dict[str, set[bytes]] = {}
    for row in read_rows(finished / "results.csv"):
        held = read_correctness(finished / "correct" / f"{row.column}.npz")
        by_target.setdefault(row.target, set()).add(held.images.tobytes())
    assert {target: len(found) for target, found in by_target.items()} == {"A": 1, "B": 1}
    assert by_target["A"] != by_target["B"]


def test_eight_answers_take_a_byte(finished):
    path = next((finished / "correct").iterdir())
    held = read_correctness(path)
    assert held.bits.shape == (len(held.labels), 13) and held.bits.dtype == np.uint8


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_files_are_named_and_never_believed(data, finished, tmp_path):
    path = epath.Path(tmp_path) / "x.npz"
    whole = bytearray(next((finished / "correct").glob("*A-B*")).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        held = read_correctness(path)
        assert held.bits.shape == (len(held.labels), -(-len(held.images) // 8))
    except ResultsError as error:
        assert str(path) in str(error)
