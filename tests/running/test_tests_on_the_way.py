"""Tests on the way that see a part of the test images: cheap curves, the same results."""

import csv
from pathlib import Path

import numpy as np
import pytest

import transfer_jax as tj
from tests.conftest import TINY
from transfer_jax.plan.config import load_config
from transfer_jax.plan.estimate import Rate, estimate
from transfer_jax.plan.plan import make_plan

FLAGS = [
    *(flag for flag in TINY if "seeds" not in flag and "test_per" not in flag),
    "--config.seeds=1",
    "--config.treatments=('scratch','AnB')",
    "--config.data.test_per_class=60",
]
EVERY, PART = "--config.test_every=2", "--config.test_part=30"


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[Path]:
    """Tests of all images on the way, and of a part."""
    found = []
    for name, flags in (("whole", [EVERY]), ("part", [EVERY, PART])):
        found.append(tmp_path_factory.mktemp(name) / "run")
        tj.run(load_config("fashion_mnist", [*FLAGS, *flags]), found[-1])
    return found


@pytest.mark.slow
def test_results_are_those_of_all_images(folders):
    whole, part = (tj.Results.read(folder).rows for folder in folders)
    assert [(r.label, r.top1, r.validation) for r in part] == [
        (r.label, r.top1, r.validation) for r in whole
    ]
    # Batches are summed in another order.
    assert [r.loss for r in part] == pytest.approx([r.loss for r in whole], rel=1e-5)
    # The authors' statistic is of whole tests: there is one.
    assert all(r.best10 == r.top1 for r in part)
    for path in sorted(folders[0].glob("correct/*.npz")):
        with np.load(path) as one, np.load(folders[1] / "correct" / path.name) as other:
            for name in one.files:
                np.testing.assert_array_equal(one[name], other[name])


def test_all_points_of_a_curve_are_of_the_same_images(folders):
    for path in (folders[1] / "curves").glob("*.csv"):
        lines = list(csv.DictReader(path.read_text().splitlines()))
        steps = [2, 4, 6, 8, 10] if "scratch" in path.name else [2, 4, 5]
        assert [int(line.pop("step")) for line in lines] == steps
        for line in lines:
            # Shares of 30 images.
            assert all((float(x) * 30) % 1 == pytest.approx(0, abs=1e-4) for x in line.values())


def test_the_estimate_counts_them():
    seconds = []
    for flags in (["--config.test_every=0"], [EVERY, PART], [EVERY, "--config.test_part=0"]):
        plan = make_plan(load_config("fashion_mnist", [*FLAGS, *flags]))
        seconds.append(sum(cost.seconds for cost in estimate(plan, Rate(1e9, 1.0))))
    assert seconds[0] < seconds[1] < seconds[2]
