"""How much noise the mean of each way has, where few units tell of it.

Two to eight units tell little of a variance, and there are up to a hundred ways. So each variance
is weighed with that of its family (all frozen ways, all fine-tuned ones), and that of a family with
the mean of all. The weights are degrees of freedom: how alike variances are found, or believed, to
be. Student's factors say how uncertain each of the three is.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import special

# Degrees of freedom that a belief is worth, at most: families' variances differ by a factor of two
# to three, those within a family by less.
FAMILIES_ALIKE, WAYS_ALIKE = 2.0, 16.0
# A variance of 0 is luck: it counts as this share of the mean.
LEAST = 1e-4


@dataclass(frozen=True)
class Noise:
    """Variances of the means of some ways, and how far they are known.

    Attributes:
      variance: of each mean.
      family: number of each way's family.
      freedom: degrees of freedom of the mean of all variances.
      of_family: of each family's against that mean.
      of_way: of each way's own against its family's; infinite where it is alone.
    """

    variance: Float[np.ndarray, " way"]
    family: Int[np.ndarray, " way"]
    freedom: float
    of_family: Float[np.ndarray, " family"]
    of_way: Float[np.ndarray, " way"]

    def draw(self, random: np.random.Generator, count: int) -> Float[np.ndarray, "draw way"]:
        """What the means may be off by, given what the units tell.

        Args:
          count: how many are drawn.

        Returns:
          Deviations, a row a draw; normal ones over Student's factors.
        """
        ways = len(self.variance)
        drawn = random.standard_normal((count, ways), np.float32)
        drawn *= np.sqrt(self.variance).astype(np.float32)
        drawn *= _factors(random, count, np.array([self.freedom]))
        if ways > 2:  # The variances of two are one: that of their difference.
            drawn *= _factors(random, count, self.of_family)[:, self.family]
            drawn *= _factors(random, count, self.of_way)
        return drawn


def _factors(random: np.random.Generator, count: int, freedom: np.ndarray) -> np.ndarray:
    known = np.isinf(freedom)
    found = np.ones((count, len(freedom)), np.float32)
    free = freedom[~known].astype(np.float32)
    chi2 = 2 * random.standard_gamma(free / 2, (count, len(free)), np.float32)
    found[:, ~known] = np.sqrt(free / np.maximum(chi2, np.float32(1e-20)))
    return found


def noise_of(
    parts: Float[np.ndarray, "way unit"],
    freedom: float,
    families: Sequence[Hashable],
    rounding: float = 0.0,
) -> Noise:
    """The noise of some ways.

    Args:
      parts: what each unit adds to each mean, less the mean of units; squares add up to variances.
      freedom: degrees of freedom of such a sum: units, less one a stratum.
      families: what kind of way each is.
      rounding: variance that each mean has by rounding: units that agree are not certain.

    Returns:
      It. What units have in common in all ways is no noise: ways are compared within units.

    Source: Smyth (2004), Linear models and empirical Bayes methods, for variances weighed with
    others'; Behrens and Fisher for means whose variances each have a Student's factor.
    """
    count = len(parts)
    own = np.square(parts - parts.mean(axis=0)).sum(axis=1) * count / (count - 1)
    own = np.maximum(own, rounding)
    known = {family: i for i, family in enumerate(dict.fromkeys(families))}
    family = np.array([known[name] for name in families])
    sizes = np.bincount(family)
    mean = own.mean()
    of_families = freedom * sizes * (count - 1) / count
    of_family = FAMILIES_ALIKE + of_families
    pooled = np.bincount(family, own) / sizes
    pooled = (FAMILIES_ALIKE * mean + of_families * pooled) / of_family
    prior = _alike(own, family, freedom)
    alone = sizes[family] == 1
    weighed = (prior * pooled[family] + freedom * own) / (prior + freedom)
    return Noise(
        np.where(alone, pooled[family], weighed),
        family,
        freedom * (count - 1),
        of_family,
        np.where(alone, np.inf, prior + freedom),
    )


def _alike(own: np.ndarray, family: np.ndarray, freedom: float) -> float:
    """How alike variances within families are, in degrees of freedom that this is worth."""
    sizes = np.bincount(family)
    known = int((sizes - 1).sum())
    if not known or not own.any():
        return WAYS_ALIKE
    logs = np.log(np.maximum(own, LEAST * own.mean()))
    logs -= (np.bincount(family, logs) / sizes)[family]
    more = float(np.square(logs).sum() / known - special.polygamma(1, freedom / 2))
    if more <= special.polygamma(1, WAYS_ALIKE / 2):
        return WAYS_ALIKE
    return 2 * _inverse_trigamma(more)


def _inverse_trigamma(value: float) -> float:
    """Newton's method, which converges from this start for every value above 0.

    Source: Smyth (2004), appendix.
    """
    found = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, found))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, found))
        found += step
        if abs(step) < 1e-8 * found:
            break
    return found
