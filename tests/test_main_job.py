"""The default job, whole: its time, its memory, and the paper's effects in its results."""

import resource
import subprocess
import sys
import time

import numpy as np
import pytest
from etils import epath

from transfer_jax.analysis.reading import read_evidence
from transfer_jax.analysis.statistics.effects import GAIN, Effect
from transfer_jax.grid.conditions import Treatment

pytestmark = pytest.mark.slow
SPLITS = ("random-0", "distant")


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[tuple[str, str, int], Effect]:
    workdir = tmp_path_factory.mktemp("main") / "run"
    began = time.monotonic()
    command = [sys.executable, "-m", "transfer_jax", "run", f"--workdir={workdir}"]
    subprocess.run(command, check=True)
    assert time.monotonic() - began < 5 * 60
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert peak_kib < 4 * 2**20
    return {
        (own.group.name, effect.quantity.treatment, effect.quantity.first_n): effect
        for own in read_evidence(epath.Path(workdir)).numbers
        for effect in own.of(GAIN)
    }


def mean(found, split: str, treatment: Treatment, ns) -> float:
    return float(np.mean([found[split, treatment, n].mean for n in ns]))


@pytest.mark.parametrize("split", SPLITS)
def test_transfer_falls_with_n(found, split):
    first, last = (found[split, Treatment.TRANSFER, n] for n in (1, 5))
    assert last.mean + last.half_width < first.mean


def test_it_falls_faster_on_the_distant_split(found):
    near, far = (mean(found, split, Treatment.TRANSFER, (3, 4, 5)) for split in SPLITS)
    assert far < near


@pytest.mark.parametrize("split", SPLITS)
def test_fine_tuned_transfer_is_not_below_base(found, split):
    for n in range(1, 6):
        cell = found[split, Treatment.TRANSFER_PLUS, n]
        assert cell.mean + cell.half_width > 0
    assert mean(found, split, Treatment.TRANSFER_PLUS, range(1, 6)) > -0.005


@pytest.mark.parametrize("split", SPLITS)
def test_random_frozen_layers_are_worse_than_transferred_ones(found, split):
    middle = (2, 3, 4)
    random = mean(found, split, Treatment.RANDOM, middle)
    assert random < mean(found, split, Treatment.TRANSFER, middle) - 0.005
