"""How much noise the mean of each way has, where few units tell of it.

Two to eight units tell little of a variance, and there are up to a hundred ways. So each variance
is weighed with that of its family (all frozen ways, all fine-tuned ones), and that of a family with
the mean of all. The weights are degrees of freedom: how alike variances are found, or believed, to
be. Student's factors say how uncertain each of the three is.

Some ways are the same in every unit, as a linear head that is solved and not trained. They tell
nothing of the others' noise. Beside them, what units do to all others alike is noise, too.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
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
      still: which ways are the same in every unit.
      common: variance of what units do to all other ways alike; 0 where no way is still.
      units: degrees of freedom of that.
    """

    variance: Float[np.ndarray, " way"]
    family: Int[np.ndarray, " way"]
    freedom: float
    of_family: Float[np.ndarray, " family"]
    of_way: Float[np.ndarray, " way"]
    still: Bool[np.ndarray, " way"]
    common: float
    units: float

    @property
    def between(self) -> Float[np.ndarray, "way way"]:
        """The variance of the difference of every two ways."""
        both = self.variance[:, None] + self.variance
        return both + self.common * (self.still[:, None] != self.still)

    def draw(self, random: np.random.Generator, count: int) -> Float[np.ndarray, "draw way"]:
        """What the means may be off by, given what the units tell.

        Args:
          count: how many are drawn.

        Returns:
          Deviations, a row a draw; normal ones over Student's factors.
        """
        drawn = random.standard_normal((count, len(self.variance)), np.float32)
        drawn *= np.sqrt(self.variance).astype(np.float32)
        drawn *= _factors(random, count, np.array([self.freedom]))
        # The variances of two are one: that of their difference.
        if np.count_nonzero(~self.still) > 2:
            drawn *= _factors(random, count, self.of_family)[:, self.family]
            drawn *= _factors(random, count, self.of_way)
        if self.common:
            alike = random.standard_normal((count, 1), np.float32) * np.float32(self.common**0.5)
            drawn += alike * _factors(random, count, np.array([self.units])) * ~self.still
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
    still: Bool[np.ndarray, " way"] | None = None,
) -> Noise:
    """The noise of some ways.

    Args:
      parts: what each unit adds to each mean, less the mean of units; squares add up to variances.
      freedom: degrees of freedom of such a sum: units, less one a stratum.
      families: what kind of way each is.
      rounding: variance that each mean has by rounding: units that agree are not certain.
      still: which ways are known to be the same in every unit; None for none.

    Returns:
      It. What units have in common in all ways is no noise: ways are compared within units.

    Source: Smyth (2004), Linear models and empirical Bayes methods, for variances weighed with
    others'; Behrens and Fisher for means whose variances each have a Student's factor.
    """
    known = {family: i for i, family in enumerate(dict.fromkeys(families))}
    family = np.array([known[name] for name in families])
    if still is None or not still.any():
        nowhere = np.zeros(len(parts), bool)
        return Noise(*_pooled(parts, freedom, family, rounding), nowhere, 0.0, freedom)
    variance, of_way = np.full(len(parts), rounding), np.full(len(parts), np.inf)
    moved, of_family = np.flatnonzero(~still), np.full(len(known), np.inf)
    if not len(moved):
        return Noise(variance, family, freedom, of_family, of_way, still, 0.0, freedom)
    own = _pooled(parts[moved], freedom, family[moved], rounding)
    variance[moved], of_way[moved] = own[0], own[4]
    there = np.unique(family[moved])
    of_family[there] = own[3][there]
    alike = float(np.square(parts[moved].mean(axis=0)).sum() - own[0].mean() / len(moved))
    common = max(0.0, alike) if len(moved) > 1 else 0.0
    return Noise(variance, family, own[2], of_family, of_way, still, common, freedom)


def _pooled(
    parts: np.ndarray, freedom: float, family: np.ndarray, rounding: float
) -> tuple[np.ndarray, np.ndarray, float, np.ndarray, np.ndarray]:
    """The variances of ways that units move, their families, and three degrees of freedom."""
    count = len(parts)
    if count == 1:  # Beside ways that are the same in every unit: nothing is in common.
        own = np.maximum(np.square(parts).sum(axis=1), rounding)
        return own, family, freedom, np.full(family.max() + 1, np.inf), np.full(1, np.inf)
    own = np.square(parts - parts.mean(axis=0)).sum(axis=1) * count / (count - 1)
    own = np.maximum(own, rounding)
    sizes = np.bincount(family)
    mean = own.mean()
    of_families = freedom * sizes * (count - 1) / count
    of_family = FAMILIES_ALIKE + of_families
    pooled = np.bincount(family, own) / np.maximum(sizes, 1)
    pooled = (FAMILIES_ALIKE * mean + of_families * pooled) / of_family
    prior = _alike(own, family, freedom)
    alone = sizes[family] == 1
    weighed = (prior * pooled[family] + freedom * own) / (prior + freedom)
    variance = np.where(alone, pooled[family], weighed)
    of_way = np.where(alone, np.inf, prior + freedom)
    return variance, family, freedom * (count - 1), of_family, of_way


def _alike(own: np.ndarray, family: np.ndarray, freedom: float) -> float:
    """How alike variances within families are, in degrees of freedom that this is worth."""
    sizes = np.maximum(np.bincount(family), 1)
    known = len(own) - len(np.unique(family))
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
