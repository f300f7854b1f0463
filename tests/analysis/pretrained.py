"""Networks that start from weights of a file, made up: which test images each gets right.

An image is easy or hard for all, and more so for one way than for another; a network that is
trained has noise of its own, and what a seed does to all that are trained. A probe has neither.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.images import Tested
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

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


def probe(n: int) -> Arm:
    return Arm(Treatment.TRANSFER, n, "probe")


def tuned(name: str, n: int = 0) -> Arm:
    return Arm(Treatment.TRANSFER_PLUS, n, name)


def network(arm: Arm, seed: int, right: np.ndarray, judged: np.ndarray | None) -> ResultRow:
    base = "scratch" if arm == SCRATCH else "pretrained"
    top1 = float(right.mean())
    return ResultRow(
        "whole", seed, arm.treatment.value, base, "A", arm.n,
        arm.treatment != Treatment.TRANSFER, arm.variant, 0, top1,
        None if judged is None else float(judged.mean()), top1, 1.0,
        0 if arm.variant == "probe" else STEPS, 0,
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
        still = arm.variant == "probe"
        own, of_seed = (0.0, 0.0) if still else noise
        spread = np.sqrt(IMAGE**2 + TREATED**2 + own**2 + of_seed**2)
        score = spread * norm.ppf(accuracy) + easy + random.normal(0, TREATED, count)
        score = score + np.zeros((seeds, 1))
        if not still:
            score += random.normal(0, own, (seeds, count)) + shared[:, None]
        found[arm] = (score > 0).astype(np.float32)
    return found
