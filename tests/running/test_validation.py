"""What a run chooses by is told on images that it never chose by."""

import jax
import numpy as np
import pytest
from etils import epath

import transfer_jax as tj
from tests.analysis.simulated import table
from tests.conftest import TINY
from transfer_jax.analysis.reading import read_evidence
from transfer_jax.analysis.statistics.advice import Judged, advise_group
from transfer_jax.analysis.statistics.crossing import groups
from transfer_jax.folder.correctness import read_correctness
from transfer_jax.folder.curves import read_metrics
from transfer_jax.folder.results import read_rows
from transfer_jax.plan.config import load_config
from transfer_jax.plan.plan import make_plan

FLAGS = [
    *TINY,
    "--config.seeds=1",
    "--config.test_every=2",
    "--config.data.validation_share=0.1",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> epath.Path:
    folder = epath.Path(tmp_path_factory.mktemp("validated") / "run")
    tj.run(load_config("fashion_mnist", FLAGS), folder)
    return folder


def test_no_image_is_trained_on_validated_on_and_tested_on():
    images = make_plan(load_config("fashion_mnist", FLAGS)).recipe.images
    sizes = [int(own.sum()) for own in (images.is_train, images.is_validation, images.is_test)]
    assert sizes == [9000, 1000, 10_000]
    assert (images.is_train.astype(int) + images.is_validation + images.is_test == 1).all()


def test_validation_accuracy_is_that_of_the_network_on_disk(finished):
    plan = make_plan(load_config("fashion_mnist", FLAGS))
    images, split = plan.recipe.images, plan.splits["distant"]
    task = split.task("B")
    numbers = np.flatnonzero(images.is_validation & np.isin(images.labels, task.classes))
    assert len(numbers) == 500
    pixels = images.in_memory.astype(np.float32)
    seen = [np.flatnonzero(images.is_train & (images.labels == c))[:10] for c in task.classes]
    mean = pixels[np.concatenate(seen)].mean(axis=0)
    scale = 1 / (pixels[np.concatenate(seen)] - mean).std()
    stored = tj.load_tree(str(finished / "bases" / "distant.seed0.B"))
    variables = {name: {"params": own} for name, own in stored.items()}
    logits, _ = jax.device_get(plan.network.apply(variables, (pixels[numbers] - mean) * scale))
    right = np.array(task.classes)[logits.argmax(axis=1)] == images.labels[numbers]
    row = next(r for r in read_rows(finished / "results.csv") if r.label == "baseB")
    assert row.validation == pytest.approx(right.mean(), abs=1e-6)
    held = read_correctness(finished / "validated" / f"{row.column}.npz")
    assert (held.right("baseB") == right).all()
    assert np.flatnonzero(images.is_validation)[held.images].tolist() == numbers.tolist()


def test_every_row_has_its_examples_and_every_test_its_line(finished):
    for row in read_rows(finished / "results.csv"):
        held = read_correctness(finished / "validated" / f"{row.column}.npz")
        assert held.right(row.label).mean() == pytest.approx(row.validation, abs=1e-6)
        lines = list(read_metrics(finished / "metrics" / f"{row.column}.jsonl"))
        own = {x["step"]: x for x in lines if x["condition"] == row.label if "test_accuracy" in x}
        assert sorted(own) == ([2, 4, 6, 8, 10] if row.treatment == "scratch" else [2, 4, 5])
        assert own[max(own)]["validation_accuracy"] == pytest.approx(row.validation)


@pytest.mark.slow
def test_without_a_share_there_is_none_and_the_advice_says_so(tmp_path):
    flags = [*FLAGS, "--config.data.validation_share=0.0"]
    results = tj.run(load_config("fashion_mnist", flags), tmp_path / "run")
    assert {row.validation for row in results.rows} == {None}
    assert not (tmp_path / "run" / "validated").exists()
    assert read_rows(epath.Path(tmp_path / "run" / "results.csv")) == list(results.rows)
    (found,) = read_evidence(epath.Path(tmp_path / "run")).numbers
    assert found.validation is None


def judged(test: dict, validation: dict):
    """The advice on a table whose networks stand otherwise on validation than on test images."""
    rows, other = table(test), table(validation)
    (group,), (by,) = groups(rows), groups(other)
    return advise_group(Judged(group, {}.get), Judged(by, {}.get), margin=0.01)


def test_the_choice_is_made_on_validation_images_and_told_on_test_images():
    """Tuning gains 5 points on validation images at n = 3; on test images it is n = 2, by 4."""
    test = {"AnB": lambda n: -0.2, "AnB+": lambda n: {2: 0.04, 3: 0.01}.get(n, 0.0)}
    validation = {"AnB": lambda n: -0.2, "AnB+": lambda n: 0.05 * (n == 3)}
    found = judged(test, validation)
    assert found.choice == ("tuned", 3)
    assert found.gain == pytest.approx(0.01, abs=0.003)
    assert "first 3 layers and fine-tune everything (+1.0" in found.verdict
    assert any("compared on validation images" in line for line in found.reasons)


def test_without_validation_images_it_is_said_that_the_gain_is_flattered():
    (group,) = groups(table({"AnB": lambda n: 0.02 * n}))
    assert any("flattered" in line for line in advise_group(Judged(group, {}.get)).reasons)
