"""Networks that start from weights of a file, made up: which test images each gets right.

An image is easy or hard for all, and more so for one way than for another; a network that is
trained has noise of its own, and what a seed does to all that are trained. A head that is solved
has neither.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from etils import epath
from scipy.stats import norm

from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.images import Tested
from transfer_jax.folder.correctness import write_correctness
from transfer_jax.folder.curves import write_curves
from transfer_jax.folder.results import ResultRow, write_rows
from transfer_jax.grid.conditions import Column, Cut, Treatment
from transfer_jax.grid.variants import Variant

# Standard deviations on the scale of the normal distribution, as in `simulated`.
IMAGE, TREATED, OWN = 1.0, 0.3, 0.3
LAYERS = ("stem", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1", "head")
SCRATCH = Arm(Treatment.SCRATCH, 0)
STEPS = 80


class Noise(NamedTuple):
    """What seeds do: to each trained network of their own, and to all of a seed alike."""

    own: float = OWN
    shared: float = 0.0


PLAIN = Noise()
ALL_LAYERS = Arm(Treatment.TRANSFER, 0, "head2toe")


def probe(n: int) -> Arm:
    return Arm(Treatment.TRANSFER, n, "probe")


def tuned(name: str, n: int = 0) -> Arm:
    return Arm(Treatment.TRANSFER_PLUS, n, name)


def network(arm: Arm, seed: int, right: np.ndarray, judged: np.ndarray | None) -> ResultRow:
    bases = {Treatment.SCRATCH: "scratch", Treatment.RANDOM: "random"}
    base = bases.get(arm.treatment, "pretrained")
    top1 = float(right.mean())
    return ResultRow(
        "whole", seed, arm.treatment.value, base, "A", arm.n,
        arm.treatment not in (Treatment.TRANSFER, Treatment.RANDOM), arm.variant, 0, top1,
        None if judged is None else float(judged.mean()), top1, 1.0,
        0 if arm.variant in ("probe", "head2toe") else STEPS, 0,
    )  # fmt: skip


def networks(
    random: np.random.Generator,
    truth: Mapping[Arm, float],
    *,
    seeds: int = 3,
    images: int = 400,
    validation: int = 0,
    noise: Noise = PLAIN,
) -> tuple[list[ResultRow], dict[ResultRow, Tested], dict[ResultRow, Tested]]:
    """Rows of each way with its true accuracy; their tests, and their validations."""
    shared = random.normal(0, noise.shared, seeds)
    marks = {
        part: _marks(random, truth, seeds, count, noise, shared)
        for part, count in (("test", images), ("validation", validation))
    }
    rows, tests, judged = [], {}, {}
    for arm in truth:
        for seed in range(seeds):
            own = marks["test"][arm][seed]
            other = marks["validation"][arm][seed] if validation else None
            row = network(arm, seed, own, other)
            rows.append(row)
            tests[row] = (np.arange(images), own)
            if other is not None:
                judged[row] = (np.arange(validation), other)
    return rows, tests, judged


def _marks(
    random: np.random.Generator,
    truth: Mapping[Arm, float],
    seeds: int,
    count: int,
    noise: Noise,
    shared: np.ndarray,
) -> dict[Arm, np.ndarray]:
    easy, found = random.normal(0, IMAGE, count), {}
    for arm, accuracy in truth.items():
        still = arm.variant in ("probe", "head2toe")
        own, of_seed = (0.0, 0.0) if still else noise
        spread = np.sqrt(IMAGE**2 + TREATED**2 + own**2 + of_seed**2)
        score = spread * norm.ppf(accuracy) + easy + random.normal(0, TREATED, count)
        score = score + np.zeros((seeds, 1))
        if not still:
            score += random.normal(0, own, (seeds, count)) + shared[:, None]
        found[arm] = (score > 0).astype(np.float32)
    return found


TRUTH = {
    SCRATCH: 0.34, probe(1): 0.40, probe(3): 0.50, probe(5): 0.57, probe(7): 0.60,
    tuned("freeze", 1): 0.60, tuned("freeze", 3): 0.60, tuned("freeze", 5): 0.59,
    tuned("freeze", 7): 0.57, tuned("full"): 0.60, tuned("lp-ft"): 0.60,
}  # fmt: skip
BY_NAME = {
    tuned("surgical", 3): 0.55, tuned("surgical", 5): 0.58, tuned("gradual"): 0.59,
    Arm(Treatment.TRANSFER, 3): 0.36, Arm(Treatment.TRANSFER_PLUS, 3): 0.40,
    Arm(Treatment.RANDOM, 3): 0.20,
}  # fmt: skip
PARAMETERS = (100, 200, 200, 400, 400, 800, 800, 80)
CONFIG = {
    "name": "flowers",
    "network": {"name": "resnet18", "weights": "weights/resnet18.safetensors"},
    "test_part": 400,
}


def folder_of(
    path: Path, truth: Mapping[Arm, float] | None = None, *, seeds: int = 3, validation: int = 200
) -> epath.Path:
    """A run's folder, finished: results, tests, learning curves, names of layers, networks."""
    folder, random = epath.Path(path), np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    rows, tests, judged = networks(
        random, truth or TRUTH | BY_NAME, seeds=seeds, validation=validation
    )
    write_rows(folder / "results.csv", rows)
    plan = {"networks": len(rows), "layers": LAYERS, "parameters": PARAMETERS}
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    colours = random.integers(0, 255, (4, 32, 32, 3), dtype=np.uint8)
    words = {"split": ["whole"] * 4, "task": ["A"] * 4, "name": ["cat", "dog", "fox", "owl"]}
    np.savez(folder / "split_images.npz", images=colours, **words)
    for name in ("curves", "networks", "correct", "validated"):
        (folder / name).mkdir()
    for name in dict.fromkeys(row.column for row in rows):
        own = [row for row in rows if row.column == name]
        for part, marks in (("correct", tests), ("validated", judged)):
            if marks:
                right = np.stack([marks[row][1] for row in own]).astype(bool)
                every = np.arange(right.shape[1])
                path_of = folder / part / f"{name}.npz"
                write_correctness(path_of, column_of(own), right, every, every >= 0)
        (folder / "networks" / name).mkdir()
        trained = [row for row in own if row.step]
        if not trained:
            continue
        at = np.arange(20, STEPS + 1, 20)
        rises = [row.top1 * (1 - np.exp(-at / 20)) / (1 - np.exp(-STEPS / 20)) for row in trained]
        write_curves(
            folder / "curves" / f"{name}.csv", column_of(trained), at, np.stack(rises, axis=1)
        )
    return folder


def column_of(rows: Sequence[ResultRow]) -> Column:
    """A column of such networks."""
    cuts = [
        Cut(row.n, row.fine_tuned, Variant(row.variant, (), ()) if row.variant else None)
        for row in rows
    ]
    first = rows[0]
    return Column(first.split, first.seed, first.base, first.target, tuple(cuts))
