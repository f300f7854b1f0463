"""Which of several ways may be called the best, but for a margin."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from transfer_jax.analysis.statistics.noise import Noise
from transfer_jax.analysis.statistics.students import CONFIDENCE

DRAWS, MORE_DRAWS, CHUNK = 50_000, 400_000, 1000
# Standard deviations of a quantile of draws within which it may lie elsewhere with other draws.
SURE = 4.0
TINY = 1e-9


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
        variance = self.noise.variance
        squares = np.square(self.parts).sum(axis=1)
        paired = squares[:, None] + squares - 2 * self.parts @ self.parts.T
        images = np.diag(self.images)
        shared = images[:, None] + images - 2 * self.images
        both = np.maximum(variance[:, None] + variance, paired) + np.maximum(shared, 0)
        np.fill_diagonal(both, 0)
        return np.sqrt(both)


@dataclass(frozen=True)
class Standing:
    """How ways stand among each other.

    Attributes:
      may_be_chosen: shown to be as good as the best, but for the margin.
      excluded: shown to be worse than the best by more than the margin.
      is_close: whether another draw might show what these did not.
      half_width: of the 95% interval of a way less the control, for all ways at once.
    """

    may_be_chosen: Bool[np.ndarray, " way"]
    excluded: Bool[np.ndarray, " way"]
    is_close: bool
    half_width: Float[np.ndarray, " way"]


def compare(
    ways: Ways,
    margin: float,
    *,
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
      confidence: of all that is said at once.
      seed: of the draws.
      draws: how many.
      more: how many where that leaves a verdict open.

    Returns:
      The verdicts; what the number of draws leaves open is not taken for shown.

    Source: Hsu (1981), Simultaneous confidence intervals for all distances from the "best"; Dunnett
    (1955), for all ways against a control.
    """
    error, random = ways.error, np.random.default_rng(seed)
    columns = np.arange(len(ways.mean))
    most, control = _maxima(ways, error, columns, draws, random)
    low, high = _limits(most, confidence)
    verdicts = _verdicts(ways.mean, error, low, margin), _verdicts(ways.mean, error, high, margin)
    if open_ones := _open(*verdicts):
        again, _ = _maxima(ways, error, np.array(open_ones), more, random)
        low[open_ones], high[open_ones] = _limits(again, confidence)
        verdicts = tuple(_verdicts(ways.mean, error, limit, margin) for limit in (low, high))
    (may, out), (surely_may, surely_out) = (
        (within.all(axis=1), beyond.any(axis=1)) for within, beyond in verdicts
    )
    is_close = bool((may != surely_may).any() or (out != surely_out).any())
    half = float(np.quantile(control, confidence)) * error[:, 0]
    return Standing(surely_may, surely_out, is_close, half)


def _maxima(
    ways: Ways,
    error: np.ndarray,
    columns: Int[np.ndarray, " best"],
    count: int,
    random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """If each of `columns` is the best: by how much chance lifts some other above it, in errors.

    And by how much it moves some way away from the control, to either side.
    """
    scale = np.divide(1, error, out=np.zeros_like(error), where=error > 0).astype(np.float32)
    values, vectors = np.linalg.eigh(ways.images)
    images = (vectors * np.sqrt(np.maximum(values, 0))).T.astype(np.float32)
    # Differences within a unit that the noise of single ways does not have are drawn by no one:
    # they only make errors larger.
    most = np.empty((len(columns), count), np.float32)
    control = np.empty(count, np.float32)
    for start in range(0, count, CHUNK):
        here = slice(start, min(start + CHUNK, count))
        size = here.stop - start
        drawn = ways.noise.draw(random, size)
        if images.any():
            drawn += random.standard_normal((size, len(images)), np.float32) @ images
        drawn = np.ascontiguousarray(drawn.T)
        for row, j in enumerate(columns.tolist()):
            most[row, here] = ((drawn - drawn[j]) * scale[:, j, None]).max(axis=0)
        control[here] = (np.abs(drawn - drawn[0]) * scale[:, 0, None]).max(axis=0)
    return most, control


def _limits(most: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Between which the quantile lies, whatever was drawn."""
    count = most.shape[1]
    width = SURE * np.sqrt(count * confidence * (1 - confidence))
    ranks = [count * confidence - width, count * confidence + width]
    low, high = (int(np.clip(rank, 0, count - 1)) for rank in ranks)
    ordered = np.partition(most, (low, high), axis=1)
    return ordered[:, low].astype(float), ordered[:, high].astype(float)


def _verdicts(
    mean: np.ndarray, error: np.ndarray, limit: np.ndarray, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of each way against each other: if that is the best, is it near enough; is it shown worse."""
    less = mean[:, None] - mean
    within = less - limit * error >= -margin - TINY
    np.fill_diagonal(within, val=True)
    return within, -less - limit[:, None] * error > margin + TINY


def _open(at_least: tuple[np.ndarray, ...], at_most: tuple[np.ndarray, ...]) -> list[int]:
    """The ways whose limits leave a verdict open that matters."""
    (within, beyond), (surely_within, surely_beyond) = at_least, at_most
    candidates = within.all(axis=1)
    disputed = (within & ~surely_within)[candidates].any(axis=0)
    shown = surely_beyond.any(axis=1)
    return np.flatnonzero(disputed | (beyond.any(axis=1) & ~shown)).tolist()
