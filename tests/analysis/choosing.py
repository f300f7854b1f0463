"""Tables whose best way is known, at the level of accuracies: how often is advice on them wrong?

What splits, seeds and targets add is shared by all ways, and leaves their differences alone; each
network has noise of its own. Two targets a seed.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from transfer_jax.analysis.statistics.best import Ways, against_control, compare
from transfer_jax.analysis.statistics.choices import cost_of
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.noise import noise_of
from transfer_jax.grid.conditions import Treatment

MARGIN, TARGETS, NOISE = 0.01, 2, 0.005
Networks = np.ndarray


class Truth(NamedTuple):
    """Accuracies less scratch's, and standard deviations of networks in units of `NOISE`."""

    mean: np.ndarray
    noise: np.ndarray


class Counted(NamedTuple):
    """Shares of tables; bias, in points, of the raw gain of a transferred way that was chosen."""

    decided: float
    wrong: float
    covered: float
    bias: float


def arms(layers: int) -> list[Arm]:
    """Scratch, frozen ways, tuned ways."""
    cuts = range(1, layers)
    ways = [Arm(t, n) for t in (Treatment.TRANSFER, Treatment.TRANSFER_PLUS) for n in cuts]
    return [Arm(Treatment.SCRATCH, 0), *ways]


def _parts(layers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    count = 2 * layers - 1
    return np.zeros(count), np.ones(count), np.arange(1, layers), np.arange(layers, count)


def frozen_below(layers: int, _: np.random.Generator) -> Truth:
    """All frozen ways are just too bad to be chosen."""
    mean, noise, frozen, _tuned = _parts(layers)
    mean[frozen] = -0.0105
    return Truth(mean, noise)


def one_best(layers: int, random: np.random.Generator) -> Truth:
    """One fine-tuned way is best by two points; frozen ways are within a point of scratch only."""
    mean, noise, frozen, tuned = _parts(layers)
    mean[frozen] = -0.0095
    mean[random.choice(tuned)] = 0.02
    return Truth(mean, noise)


def all_below(layers: int, _: np.random.Generator) -> Truth:
    """The hardest: everything but scratch is just too bad."""
    mean, noise, *_ways = _parts(layers)
    mean[1:] = -0.0105
    return Truth(mean, noise)


def ties(layers: int, _: np.random.Generator) -> Truth:
    """Any choice is right."""
    mean, noise, *_ways = _parts(layers)
    return Truth(mean, noise)


def unequal(layers: int, random: np.random.Generator) -> Truth:
    """Frozen ways, just too bad, have three times the noise."""
    mean, noise = frozen_below(layers, random)
    noise[1:layers] = 3
    return Truth(mean, noise)


def noisy_scratch(layers: int, random: np.random.Generator) -> Truth:
    """The best one, scratch, has three times the noise of all others, which are just too bad."""
    mean, noise = all_below(layers, random)
    noise[0] = 3
    return Truth(mean, noise)


def all_unequal(layers: int, random: np.random.Generator) -> Truth:
    """Each way has another noise, by a factor of two up or down."""
    mean, noise = all_below(layers, random)
    return Truth(mean, noise * np.exp(random.normal(0, 0.7, len(noise))))


def normal(random: np.random.Generator, shape: tuple[int, ...]) -> Networks:
    """Noise with a variance of 1."""
    return random.standard_normal(shape)


def heavy(random: np.random.Generator, shape: tuple[int, ...]) -> Networks:
    """Student's with three degrees of freedom, of variance 1."""
    return random.standard_t(3, shape) / np.sqrt(3)


def shared(random: np.random.Generator, shape: tuple[int, ...]) -> Networks:
    """What transferred layers are worth differs from seed to seed, for all ways alike."""
    drawn = random.standard_normal(shape)
    drawn[..., 1:] += random.standard_normal((shape[0], 1, 1))
    return drawn


def one_diverged(random: np.random.Generator, shape: tuple[int, ...]) -> Networks:
    """One network of a transferred way is lost; its way is left out."""
    drawn = random.standard_normal(shape)
    drawn[0, 0, random.integers(1, shape[-1])] = np.nan
    return drawn


TRUTHS: dict[str, tuple[Callable[[int, np.random.Generator], Truth], Callable[..., Networks]]] = {
    "all frozen 1.05 below scratch": (frozen_below, normal),
    "one tuned best by 2": (one_best, normal),
    "ties": (ties, normal),
    "heavy tails": (all_below, heavy),
    "frozen three times as noisy": (unequal, normal),
    "one diverged": (frozen_below, one_diverged),
    "all 1.05 below scratch": (all_below, normal),
    "scratch three times as noisy": (noisy_scratch, normal),
    "noise of every way another": (all_unequal, normal),
    "seeds move all transferred ways": (all_below, shared),
}


def simulate(name: str, layers: int, seeds: int, tables: int, draws: int = 2000) -> Counted:
    """How advice fares on tables of one truth."""
    truth_of, drawn = TRUTHS[name]
    random, own = np.random.default_rng(0), arms(layers)
    wrong = covered = 0
    biases, decided = [], 0
    for number in range(tables):
        mean, noise = truth_of(layers, random)
        found = mean + NOISE * noise * drawn(random, (seeds, TARGETS, len(mean)))
        kept = np.flatnonzero(~np.isnan(found).any(axis=(0, 1)))
        ways = ways_of(found[..., kept].mean(axis=1), [own[i] for i in kept])
        standing = compare(ways, MARGIN, seed=number, draws=draws, more=draws)
        sure = np.flatnonzero(standing.may_be_chosen)
        if not len(sure):
            continue
        chosen = min(sure, key=lambda i: cost_of(own[kept[i]]))
        gain, true = ways.mean[chosen] - ways.mean[0], mean[kept[chosen]] - mean[0]
        half = against_control(ways, seed=number, draws=draws)[chosen]
        decided += 1
        wrong += bool(mean[kept[chosen]] < mean.max() - MARGIN)
        covered += bool(abs(gain - true) <= half + 1e-12)
        biases += [100 * (gain - true)] if chosen else []
    return Counted(
        decided / tables,
        wrong / tables,
        covered / decided if decided else np.nan,
        float(np.mean(biases)) if biases else np.nan,
    )


def ways_of(by_seed: np.ndarray, own: list[Arm]) -> Ways:
    """Ways of a table, a row a seed."""
    seeds, count = by_seed.shape
    parts = (by_seed - by_seed.mean(axis=0)).T / np.sqrt(seeds * (seeds - 1))
    families = [(arm.treatment, arm.variant) for arm in own]
    noise = noise_of(parts, seeds - 1.0, families)
    return Ways(by_seed.mean(axis=0), parts, noise, np.zeros((count, count)))
