"""The rule by which a learning rate is chosen among those that were tried."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Tried:
    """A family of networks at one rate.

    Attributes:
      scores: each validation image's part of the networks' mean accuracy, which is their sum.
      diverged: how many networks diverged.
    """

    scores: Float[np.ndarray, " image"]
    diverged: int


def mean_accuracy(
    networks: Sequence[tuple[np.ndarray, np.ndarray]], images: int
) -> Float[np.ndarray, " image"]:
    """Each image's part of the mean accuracy of some networks.

    Args:
      networks: of each, the numbers of the images that it was judged by, and which are right.
      images: the number of all images.

    Returns:
      Parts; their sum is the mean over networks of the share of images that are right.

    Example:
      >>> mean_accuracy([(np.array([0, 1]), np.array([1, 0])), (np.array([1]), np.array([1]))], 3)
      array([0.25, 0.5 , 0.  ])
    """
    parts = np.zeros(images)
    for numbers, right in networks:
        parts[numbers] += np.asarray(right, float) / len(numbers) / len(networks)
    return parts


def chosen_rate(tried: Mapping[float, Tried]) -> float:
    """The rate of a family.

    Of the rates at which no network diverged, the best and those that are within noise of it: less
    than one standard error worse, of the difference of two mean accuracies on the same images. Of
    these the nearest to 1, as a ratio; of two that are as near, the smaller. Where networks
    diverged at all rates, the smallest of those with the fewest.

    Args:
      tried: rate to how the networks did at it.

    Returns:
      One of the rates.

    Example:
      >>> at = lambda first, last: Tried(np.isin(range(100), range(first, last)) / 100, 0)
      >>> chosen_rate({0.3: at(0, 52), 1.0: at(10, 61), 3.0: at(0, 30)})
      1.0
      >>> chosen_rate({0.3: at(0, 52), 1.0: at(10, 50), 3.0: at(0, 30)})
      0.3

    Source: the rule of one standard error, Breiman et al. (1984), Classification and regression
    trees, section 3.4.3.
    """
    best = best_rate(tried)
    if tried[best].diverged:
        return best
    scores = {rate: own.scores for rate, own in tried.items() if not own.diverged}
    near = [rate for rate, own in scores.items() if _within_noise(scores[best] - own)]
    return min(near, key=lambda rate: (round(abs(math.log(rate)), 9), rate))


def best_rate(tried: Mapping[float, Tried]) -> float:
    """The rate at which a family did best, were there no noise.

    Args:
      tried: rate to how the networks did at it.

    Returns:
      Of the rates at which no network diverged, the most accurate, of two that are as accurate the
      one that comes first; where networks diverged at all, the smallest of those with the fewest.

    Example:
      >>> best_rate({1.0: Tried(np.array([0.2, 0.3]), 0), 3.0: Tried(np.array([0.3, 0.3]), 0)})
      3.0
    """
    fewest = min(own.diverged for own in tried.values())
    left = {rate: own for rate, own in tried.items() if own.diverged == fewest}
    return min(left) if fewest else max(left, key=lambda rate: left[rate].scores.sum())


def _within_noise(behind: Float[np.ndarray, " image"]) -> bool:
    """Whether a difference, a sum over images, is 0 or less than its standard error."""
    error = math.sqrt(len(behind)) * behind.std(ddof=1) if len(behind) > 1 else 0.0
    return bool(behind.sum() <= 1e-12 or behind.sum() < error)
