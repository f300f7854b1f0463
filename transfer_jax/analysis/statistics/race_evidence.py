"""What a look of a race shows: which ways are worse than some other one, and which good enough.

Networks of one seed are compared on the images, by bets. Ways with two seeds or more are compared as
advice compares them (`best`), with seeds and images as samples. Both hold for every way at once,
and for all that entered: ways that left still count, since those that are here were not picked by
lot. So it does not matter by what rule some were set aside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

from transfer_jax.analysis.statistics import students
from transfer_jax.analysis.statistics.best import Ways, compare
from transfer_jax.analysis.statistics.betting import (
    Paired,
    evidence,
    images_to_show,
    paired,
    paired_at_worst,
)
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.images import Influence
from transfer_jax.analysis.statistics.race_rules import Seen
from transfer_jax.analysis.statistics.rounding import variance_of
from transfer_jax.analysis.statistics.ways import noise_of_arms


@dataclass(frozen=True)
class Compared:
    """The ways of a look.

    Attributes:
      worse: shown to be worse than some other one by more than the margin.
      near: shown to be within the margin of every other one.
      below: by how much accuracies are below the highest.
      error: standard error of that.
      images: how many would show the highest to be within the margin of all; None for no number.
      seeds: the same of seeds.
    """

    worse: Bool[np.ndarray, " way"]
    near: Bool[np.ndarray, " way"]
    below: Float[np.ndarray, " way"]
    error: Float[np.ndarray, " way"]
    images: int | None = None
    seeds: int | None = None


def by_images(seen: Sequence[Seen], entered: int, margin: float, error: float) -> Compared:
    """Compare networks, or the means of some, on new images.

    Evidence against a way is the mean over all others that entered of what was won by betting
    against it: it is a fair stake's, as each of them is, if the way is within the margin of the
    best. Those that are not here won nothing.

    Args:
      seen: the ways that are here.
      entered: how many began the race.
      margin: a difference that does not matter.
      error: how often some way may be wrongly called worse, at most; and some wrongly near.

    Returns:
      What is shown.
    """
    found = [[_paired(one, other) for other in seen] for one in seen]
    lead = int(np.argmax([own.mean for own in seen]))
    others = [[j for j in range(len(seen)) if j != i] for i in range(len(seen))]
    each = math.log(max(1, entered * (entered - 1)) / error)
    against = [[evidence(found[j][i], margin) for j in own] for i, own in enumerate(others)]
    return Compared(
        np.array([bool(own) and special.logsumexp(own) >= each for own in against]),
        np.array(
            [
                all(evidence(found[i][j], -margin) >= each for j in own)
                for i, own in enumerate(others)
            ]
        ),
        np.array([pairs.mean for pairs in found[lead]]),
        np.array([pairs.error for pairs in found[lead]]),
        _most([images_to_show(found[lead][j], -margin, each) for j in others[lead]]),
    )


def by_seeds(
    arms: Sequence[Arm], seen: Sequence[Seen], entered: int, margin: float, error: float
) -> Compared:
    """Compare ways on new seeds and new images.

    Args:
      arms: the ways that are here.
      seen: what is seen of them.
      entered: how many began the race.
      margin: a difference that does not matter.
      error: how often some way may be wrongly called worse, at most; and some wrongly near.

    Returns:
      What is shown: by the limits that advice has, for each way of all that entered. As often as
      these are more than those that are here, a limit's error is shared out.
    """
    ways, lead = _ways(arms, seen), int(np.argmax([own.mean for own in seen]))
    if len(arms) == 1:
        alone = np.zeros(1)
        return Compared(np.zeros(1, bool), np.ones(1, bool), alone, alone)
    times = math.ceil((entered - 1) / (len(arms) - 1))
    standing = compare(ways, margin, confidence=1 - error / (entered * times))
    below = ways.mean[lead] - ways.mean
    images, seeds = _enough(ways, seen, below + margin, error / (entered * (entered - 1)))
    return Compared(
        standing.excluded, standing.may_be_chosen, below, ways.error[lead], images, seeds
    )


def _paired(first: Seen, second: Seen) -> Paired:
    if first.right is not None and second.right is not None:
        return paired(first.right, second.right)
    return paired_at_worst(first.mean, second.mean, first.images)


def _ways(arms: Sequence[Arm], seen: Sequence[Seen]) -> Ways:
    accuracy = np.array([own.accuracy for own in seen])
    seeds = accuracy.shape[1]
    mean = accuracy.mean(axis=1)
    parts = (accuracy - mean[:, None]) / np.sqrt(seeds * (seeds - 1))
    noise = noise_of_arms(arms, parts, seeds - 1.0, variance_of(1 / seen[0].images) / seeds)
    return Ways(mean, parts, noise, _covariance(seen))


def _covariance(seen: Sequence[Seen]) -> np.ndarray:
    """What images give to the covariance of ways, of what seeds have in common."""
    right = np.array([own.right for own in seen if own.right is not None], np.float32)
    if len(right) < len(seen):
        return np.zeros((len(seen),) * 2)
    _, seeds, images = right.shape
    moved = (right - right.mean(axis=2, keepdims=True)) / np.float32(seeds * images)
    products = np.einsum("asi,bsi->ab", moved, moved).astype(float)
    return Influence(moved.sum(axis=1), products, float(seeds)).covariance()


def _enough(
    ways: Ways, seen: Sequence[Seen], gaps: np.ndarray, error: float
) -> tuple[int | None, int | None]:
    """How many images, or seeds, would show the highest way to be within the margin of all."""
    lead, count = int(np.argmax(ways.mean)), len(ways.mean)
    images, seeds = seen[0].images, len(seen[0].accuracy)
    shared = np.diag(ways.images)
    of_images = np.maximum(shared + shared[lead] - 2 * ways.images[lead], 0)
    of_seeds = ways.error[lead] ** 2 - of_images
    reach = students.quantile((seeds - 1) * (count - 1), sides=1, confidence=1 - error)
    allowed = np.delete((gaps / reach) ** 2, lead)
    pairs = np.delete(of_images, lead), np.delete(of_seeds, lead)
    return _times(images, *pairs, allowed), _times(seeds, *pairs[::-1], allowed)


def _times(there: int, own: np.ndarray, other: np.ndarray, allowed: np.ndarray) -> int | None:
    """How many make the variance that they shrink small enough; None where the other is too large."""
    if (allowed <= other).any():
        return None
    return math.ceil(there * max(1.0, float((own / (allowed - other)).max())))


def _most(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return max(known, default=None) if len(known) == len(numbers) else None
