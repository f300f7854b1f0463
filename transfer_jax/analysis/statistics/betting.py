"""Evidence of paired differences on images, which holds for any number of images and any luck.

Of two networks, each image says 1 (only the first is right), -1 (only the second) or 0. Somebody
bets on every image that it says more than the margin, at odds that are fair if the mean is the
margin. If it is that or less, the stake multiplies by 1/p with a probability of p at most (Markov):
no normal distribution, no variance that has to be known, no number of images that is too small.
Several bets, small and large, are placed at once, since nobody knows which is best: what counts is
their mean. The order of the images does not matter.

Source: Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting;
Shafer (2021), Testing by betting; Vovk and Wang (2021), E-values.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

# The largest bet, as a share of the one that could lose all; each next one is half of it.
LARGEST = 0.9
# More images than anybody validates on.
MOST = 10_000_000


class Paired(NamedTuple):
    """Differences of one thing's share of right answers and another's, image by image.

    Attributes:
      difference: values from -1 to 1.
      images: how many images have each of them.
    """

    difference: Float[np.ndarray, " value"]
    images: Float[np.ndarray, " value"]

    @property
    def mean(self) -> float:
        """The difference of accuracies."""
        return float(self.difference @ self.images / self.images.sum())

    @property
    def error(self) -> float:
        """Its standard error over draws of the images."""
        second = float(np.square(self.difference) @ self.images / self.images.sum())
        return float(np.sqrt(max(0.0, second - self.mean**2) / self.images.sum()))


def paired(first: Bool[np.ndarray, "seed image"], second: Bool[np.ndarray, "seed image"]) -> Paired:
    """Two ways on the same images; each the mean over its seeds.

    Args:
      first: which images each of its networks gets right.
      second: the same of the other one.

    Returns:
      Their differences.

    Example:
      >>> found = paired(np.array([[1, 1, 1, 0]], bool), np.array([[1, 0, 0, 0]], bool))
      >>> found.mean, found.images.tolist(), round(found.error, 2)
      (0.5, [0.0, 2.0, 2.0], 0.25)
    """
    seeds = len(first)
    more = first.sum(axis=0) - second.sum(axis=0)
    images = np.bincount(more + seeds, minlength=2 * seeds + 1)
    return Paired(np.arange(-seeds, seeds + 1) / seeds, images.astype(float))


def paired_at_worst(first: float, second: float, images: int) -> Paired:
    """Two accuracies where nobody kept which images they are of: the pairs that tell least.

    Evidence is least where as many images as possible are right in one of both only.

    Args:
      first: an accuracy.
      second: another one.
      images: how many.

    Returns:
      Their differences.

    Example:
      >>> paired_at_worst(0.9, 0.8, 100).images.round(9).tolist()  # -1, 0, 1
      [10.0, 70.0, 20.0]
    """
    losses, wins = min(second, 1 - first), min(first, 1 - second)
    shares = np.array([losses, 1 - losses - wins, wins])
    return Paired(np.array([-1.0, 0.0, 1.0]), images * shares)


def evidence(pairs: Paired, margin: float) -> float:
    """That the first is above the second by more than a margin.

    Args:
      pairs: their differences.
      margin: a share; below 0, it is shown that the first is *not* further below than that.

    Returns:
      The logarithm of what a stake of 1 has become. If the first is not above by more, it is log(k)
      or more with a probability of 1/k at most, for any k.

    Example:
      >>> pairs = paired_at_worst(1.0, 0.0, 10)  # ten images, all of them for the first
      >>> bool(np.isclose(evidence(pairs, 0.0), np.log((1.9**10 + 1.45**10) / 2)))
      True
    """
    bets = LARGEST * 0.5 ** np.arange(_how_many(pairs.images.sum())) / (1 + abs(margin))
    gains = np.log1p(bets[:, None] * (pairs.difference - margin)) @ pairs.images
    return float(np.logaddexp.reduce(gains) - np.log(len(bets)))


def images_to_show(pairs: Paired, margin: float, least: float) -> int | None:
    """How many images would show it, if more of them are like these.

    Args:
      pairs: differences.
      margin: as in `evidence`.
      least: the evidence that is wanted.

    Returns:
      About so many, two digits, not less than there are; None where no number would do.

    Example:
      >>> pairs = paired(np.eye(1, 100, dtype=bool), np.eye(1, 100, 1, dtype=bool))
      >>> pairs.mean, images_to_show(pairs, -0.01, np.log(20))  # one image each, of 100
      (0.0, 2000)
      >>> images_to_show(pairs, 0.01, np.log(20)) is None
      True
    """
    there = float(pairs.images.sum())

    def is_enough(images: float) -> bool:
        more = pairs._replace(images=pairs.images * (images / there))
        return evidence(more, margin) >= least

    low, high = there, there
    while not is_enough(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high > 1.01 * low:
        middle = np.sqrt(low * high)
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    digit = 10 ** max(0, int(np.log10(high)) - 1)
    return int(np.ceil(high / digit - 0.01) * digit)


def _how_many(images: float) -> int:
    """Bets: down to one that a difference of a standard error calls for."""
    return max(1, int(np.ceil(np.log2(max(images, 2.0)) / 2)))
