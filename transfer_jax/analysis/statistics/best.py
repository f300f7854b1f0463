"""Which of several ways may be called the best, but for a margin."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from transfer_jax.analysis.statistics.noise import Noise
from transfer_jax.analysis.statistics.students import CONFIDENCE

DRAWS, MORE_DRAWS, CHUNK = 50_000, 400_000, 1000
# Draws of pairs of ways that may be made again: a few seconds.
WORK = 7e8
# Standard deviations of a quantile of draws within which it may lie elsewhere with other draws.
SURE = 4.0
TINY = 1e-9
# What draws are for: a choice and the interval of its gain do not share their luck.
CHOICE, GAIN = 0, 1


@dataclass(frozen=True)
class Ways:
    """Means of some ways to compare, and what makes them uncertain; the first is the control.

    Attributes:
      mean: of each way.
      parts: what each unit adds to a mean, less the mean of units.
      noise: each way's own.
      images: covariance of means over draws of the test images, of what units have in common.
    """

    mean: Float[np.ndarray, " way"]
    parts: Float[np.ndarray, "way unit"]
    noise: Noise
    images: Float[np.ndarray, "way way"]

    @property
    def error(self) -> Float[np.ndarray, "way way"]:
        """The standard error of each difference.

        Of two ways' noise, or of their own difference in the units where that is larger: units may
        have something in common in some ways only.
        """
        squares = np.square(self.parts).sum(axis=1)
        paired = squares[:, None] + squares - 2 * self.parts @ self.parts.T
        images = np.diag(self.images)
        shared = images[:, None] + images - 2 * self.images
        both = np.maximum(self.noise.between, paired) + np.maximum(shared, 0)
        np.fill_diagonal(both, 0)
        return np.sqrt(both)


@dataclass(frozen=True)
class Standing:
    """How ways stand among each other.

    Attributes:
      may_be_chosen: shown to be as good as the best, but for the margin.
      excluded: shown to be worse than the best by more than the margin.
      is_close: whether other draws might show what these did not.
      ties: not shown to differ from the best, by however little.
      below: by how much each is below the best of the others, at most; 0 for one that is above.
    """

    may_be_chosen: Bool[np.ndarray, " way"]
    excluded: Bool[np.ndarray, " way"]
    is_close: bool
    ties: Bool[np.ndarray, " way"]
    below: Float[np.ndarray, " way"]


def compare(
    ways: Ways,
    margin: float,
    *,
    among: int = 1,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    draws: int = DRAWS,
    more: int = MORE_DRAWS,
) -> Standing:
    """Compare each way with the best of the others.

    Whichever way is the best one, all others are within their limit of it at once with 95%
    confidence. So a way may be chosen only if it would be good enough whichever is the best.

    Args:
      margin: a difference that does not matter.
      among: of how many comparisons some exclusion may be picked; all hold at once with 95%.
      confidence: in the place of these 95%.
      seed: of the draws.
      draws: how many.
      more: how many, at most, where that leaves a verdict open.

    Returns:
      The verdicts; what the number of draws leaves open is not taken for shown.

    Source: Hsu (1981), Simultaneous confidence intervals for all distances from the "best"; Dunnett
    (1955), for all ways against a control.
    """
    error, random = ways.error, np.random.default_rng([seed, CHOICE])
    most = _maxima(ways, error, np.arange(len(ways.mean)), draws, random)
    levels = confidence, 1 - (1 - confidence) / among
    limits = [_limits(most, level) for level in levels]
    open_ones = _open(ways.mean, error, limits, margin)
    again = min(more, int(WORK / (len(ways.mean) * max(1, len(open_ones)))))
    if open_ones and again >= draws:
        most = _maxima(ways, error, np.array(open_ones), again, random)
        for limit, level in zip(limits, levels, strict=True):
            limit[:, open_ones] = _limits(most, level)
    near, out = limits
    may, surely_may = (_within(ways.mean, error, limit, margin).all(axis=1) for limit in near)
    is_out, surely_out = (_beyond(ways.mean, error, limit, margin).any(axis=1) for limit in out)
    is_close = bool((may != surely_may).any() or (is_out != surely_out).any())
    ties = np.asarray(~_beyond(ways.mean, error, out[1], 0.0).any(axis=1))
    below = _most_below(ways.mean, error, near[1])
    return Standing(np.asarray(surely_may), np.asarray(surely_out), is_close, ties, below)


def against_control(ways: Ways, *, seed: int = 0, draws: int = DRAWS) -> Float[np.ndarray, " way"]:
    """Intervals of all ways less the control, which hold at once: also for a way that is chosen.

    Args:
      seed: of the draws.
      draws: how many.

    Returns:
      Half of the width of each 95% interval.

    Source: Dunnett (1955), A multiple comparison procedure for comparing several treatments with a
    control.
    """
    error, random = ways.error, np.random.default_rng([seed, GAIN])
    scale = _inverse(error[:, :1])
    most = [(np.abs(drawn - drawn[0]) * scale).max(axis=0) for drawn in _drawn(ways, draws, random)]
    return float(np.quantile(np.concatenate(most), CONFIDENCE)) * error[:, 0]


def _inverse(error: np.ndarray) -> np.ndarray:
    return np.divide(1, error, out=np.zeros_like(error), where=error > 0).astype(np.float32)


def _drawn(ways: Ways, count: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """What all means may be off by, a row a way, some draws at a time.

    What units have in common in some ways only is not drawn: it makes errors larger.
    """
    values, vectors = np.linalg.eigh(ways.images)
    images = (vectors * np.sqrt(np.maximum(values, 0))).T.astype(np.float32)
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        drawn = ways.noise.draw(random, size)
        if images.any():
            drawn += random.standard_normal((size, len(images)), np.float32) @ images
        yield np.ascontiguousarray(drawn.T)


def _maxima(
    ways: Ways,
    error: np.ndarray,
    columns: Int[np.ndarray, " best"],
    count: int,
    random: np.random.Generator,
) -> Float[np.ndarray, "best draw"]:
    """If each of `columns` is the best: by how much chance lifts some other above it, in errors."""
    scale, most = _inverse(error), np.empty((len(columns), count), np.float32)
    for number, drawn in enumerate(_drawn(ways, count, random)):
        here = slice(number * CHUNK, number * CHUNK + drawn.shape[1])
        for row, j in enumerate(columns.tolist()):
            most[row, here] = ((drawn - drawn[j]) * scale[:, j, None]).max(axis=0)
    return most


def _limits(most: np.ndarray, confidence: float) -> np.ndarray:
    """Between which the quantile lies, whatever was drawn."""
    count = most.shape[1]
    width = SURE * np.sqrt(count * confidence * (1 - confidence))
    ranks = [count * confidence - width, count * confidence + width]
    low, high = (int(np.clip(rank, 0, count - 1)) for rank in ranks)
    ordered = np.partition(most, (low, high), axis=1)
    return np.stack([ordered[:, low], ordered[:, high]]).astype(float)


def _most_below(mean: np.ndarray, error: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """By how much each way may be below each other one, if that is the best: the most of these."""
    return np.maximum(mean - mean[:, None] + limit * error, 0).max(axis=1, initial=0.0)


def _within(mean: np.ndarray, error: np.ndarray, limit: np.ndarray, margin: float) -> np.ndarray:
    """Whether a way is near enough to each other one, if that is the best."""
    found = mean[:, None] - mean - limit * error >= -margin - TINY
    np.fill_diagonal(found, val=True)
    return found


def _beyond(mean: np.ndarray, error: np.ndarray, limit: np.ndarray, margin: float) -> np.ndarray:
    """Whether a way is shown to be worse than each other one."""
    return mean - mean[:, None] - limit[:, None] * error > margin + TINY


def _open(
    mean: np.ndarray, error: np.ndarray, limits: Sequence[np.ndarray], margin: float
) -> list[int]:
    """The ways whose limits leave open something that matters."""
    near, out = limits
    within, surely = (_within(mean, error, limit, margin) for limit in near)
    disputed = (within & ~surely)[within.all(axis=1)].any(axis=0)
    beyond, surely_beyond = (_beyond(mean, error, limit, margin).any(axis=1) for limit in out)
    return np.flatnonzero(disputed | (beyond != surely_beyond)).tolist()
