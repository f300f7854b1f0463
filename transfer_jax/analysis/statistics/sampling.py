"""Contrasts of arms with their standard errors.

Splits, seeds and test images are all samples. What lies below a unit goes with it, so that nothing
is counted twice.

Source: Owen (2007), The pigeonhole bootstrap, for the variance of crossed samples, which is exact
here and not drawn; Satterthwaite (1946) for the degrees of freedom.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from transfer_jax.analysis.statistics.contrasts import Contrast
from transfer_jax.analysis.statistics.crossing import Cell, Group
from transfer_jax.analysis.statistics.images import Images, TestOf
from transfer_jax.analysis.statistics.inference import Estimate, Spread, units
from transfer_jax.analysis.statistics.rounding import step_of_group, variance_of


@dataclass(frozen=True)
class Sampled:
    """Several contrasts of one group.

    Attributes:
      estimates: the contrasts, each with its interval.
      values: of each contrast, its value for every seed of every split.
      examples: whether test images count.
    """

    estimates: tuple[Estimate, ...]
    values: tuple[tuple[float, ...], ...]
    examples: bool


class Sampler:
    """A group whose contrasts can be estimated, with all that contrasts share.

    Args:
      test_of: the test of a network, image by image; None where it was not kept.
    """

    def __init__(self, group: Group, test_of: TestOf) -> None:
        self.arms, self.places, self.test_of = group.arms, group.places, test_of
        found = units((place.split, place.seed) for place in self.places)
        order = list(dict.fromkeys(found))
        self._strata = np.array([unit.stratum for unit in order])
        self._of_units = np.array([[unit == own for own in found] for unit in order], bool)
        self._images = Images(group, self.places, self._of_units, test_of)
        self._rounding = variance_of(step_of_group(group, self._images))
        self._top1 = np.array([[group.top1(arm, p) for p in self.places] for arm in self.arms])

    def estimate(self, contrast: Contrast) -> Estimate | None:
        """One contrast.

        Args:
          contrast: weight of each arm.

        Returns:
          It with its interval; None where an arm was not run.
        """
        if not set(contrast) <= set(self.arms):
            return None
        return self.sample([contrast]).estimates[0]

    def sample(self, contrasts: Sequence[Contrast]) -> Sampled:
        """Estimate contrasts.

        Args:
          contrasts: weight of each arm.

        Returns:
          The contrasts, paired by split, seed and target.
        """
        weights = np.array([[c.get(arm, 0.0) for arm in self.arms] for c in contrasts])
        # A place counts for a contrast where all its arms were run.
        there = (weights != 0).astype(float) @ np.isnan(self._top1) == 0
        cells = np.where(there, weights @ np.nan_to_num(self._top1), np.nan)
        shares = _shares(self.places, there)
        mean = np.where(there.any(axis=1), np.nansum(shares * cells, axis=1), np.nan)
        own = self._unit_level(shares, cells, there)
        # Units that agree by rounding are not certain.
        rounding = self._rounding * np.square(weights).sum(axis=1) / np.maximum(own.units, 1)
        own = own._replace(variance=np.maximum(own.variance, rounding))
        moved = self._moved(weights, shares, there)
        total = own.variance + np.square(moved).sum(axis=1, dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = np.where(
                own.variance > 0, total**2 / (own.variance**2 / own.freedom), own.freedom
            )
        error = np.sqrt(total)
        spreads = [
            (Spread(*map(float, both)), Spread(*map(float, alone)))
            for both, alone in zip(
                zip(error, freedom, strict=True),
                zip(np.sqrt(own.variance), own.pooled, strict=True),
                strict=True,
            )
        ]
        estimates = tuple(
            Estimate(float(m), () if np.isnan(e) else s, int(u))
            for m, e, s, u in zip(mean, error, spreads, own.units, strict=True)
        )
        seeds = [(place.split, place.seed) for place in self.places]
        values = tuple(_by_seed(seeds, row) for row in cells)
        return Sampled(estimates, values, self._images.are_known)

    def apart(self) -> "Apart":
        """All arms, which must have been run at the same places.

        Returns:
          Their means, and what these are uncertain by.
        """
        there = np.ones_like(self._top1, bool)
        shares = _shares(self.places, there)
        own = self._unit_level(shares, self._top1, there)
        known = self._images.are_known
        images = self._images.influence(shares[0]).covariance() if known else None
        means = (shares * self._top1).sum(axis=1)
        freedom = 0.0 if np.isnan(own.variance).any() else float(own.pooled[0])
        rounding = self._rounding / max(1, int(own.units[0]))
        return Apart(means, own.parts, freedom, images, rounding)

    def _unit_level(self, shares: np.ndarray, cells: np.ndarray, there: np.ndarray) -> "_UnitLevel":
        """How units differ, within each stratum."""
        added = np.nan_to_num(shares * cells) @ self._of_units.T
        present = (there.astype(int) @ self._of_units.T) > 0
        parts, strata = np.zeros_like(added), np.zeros(len(added), int)
        variance, weight = np.zeros(len(added)), np.zeros(len(added))
        for stratum in np.unique(self._strata):
            here = present & (self._strata == stratum)
            count = here.sum(axis=1)
            below = np.maximum(count - 1, 1)
            centre = np.where(here, added, 0).sum(axis=1) / np.maximum(count, 1)
            part = np.where(here, added - centre[:, None], 0) * np.sqrt(count / below)[:, None]
            own = np.where(count == 1, np.nan, np.square(part).sum(axis=1))
            parts, strata = parts + part, strata + (count > 0)
            variance, weight = variance + own, weight + own**2 / below
        units = present.sum(axis=1)
        pooled = units - strata
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = np.where(weight > 0, variance**2 / weight, pooled)
        variance = np.where(units == 0, np.nan, variance)
        return _UnitLevel(parts, variance, freedom, pooled, units)

    def _moved(self, weights: np.ndarray, shares: np.ndarray, there: np.ndarray) -> np.ndarray:
        """What each image moves each contrast by."""
        if not self._images.are_known:
            return np.zeros((len(weights), 1))
        moved = np.zeros((len(weights), self._images.size), np.float32)
        # Contrasts with the same places share all that is done image by image; mostly all do.
        for pattern in np.unique(there, axis=0):
            own = np.flatnonzero((there == pattern).all(axis=1))
            if pattern.any():
                moved[own] = self._images.influence(shares[own[0]]).common(weights[own])
        return moved


class Apart(NamedTuple):
    """Arms that were run at the same places, and what makes their means uncertain.

    Attributes:
      mean: of each arm.
      parts: what each unit adds to it, less the mean of units; squares add up to its variance.
      freedom: degrees of freedom of such a sum; 0 where there is one unit.
      images: covariance of means over draws of the images; None where it is not known.
      rounding: variance that each mean has by rounding of accuracies.
    """

    mean: Float[np.ndarray, " arm"]
    parts: Float[np.ndarray, "arm unit"]
    freedom: float
    images: Float[np.ndarray, "arm arm"] | None
    rounding: float


class _UnitLevel(NamedTuple):
    """What each unit adds to each contrast, less its stratum's mean: squares sum to the variance.

    `freedom` is Satterthwaite's over strata; `pooled` that of strata with one variance.
    """

    parts: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray
    pooled: np.ndarray
    units: np.ndarray


def _shares(places: Sequence[Cell], there: np.ndarray) -> np.ndarray:
    """How much each place counts: splits alike, in a split seeds alike, in a seed targets alike."""
    shares = np.zeros(there.shape)
    patterns, which = np.unique(there, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        kept = [place for place, is_there in zip(places, pattern, strict=True) if is_there]
        splits = {p.split for p in kept}
        seeds = {s: len({p.seed for p in kept if p.split == s}) for s in splits}
        targets = Counter(place[:2] for place in kept)
        shares[which.reshape(-1) == number] = [
            is_there and 1 / (len(splits) * seeds[place.split] * targets[place[:2]])
            for place, is_there in zip(places, pattern, strict=True)
        ]
    return shares


def _by_seed(seeds: Sequence[tuple[str, int]], cells: np.ndarray) -> tuple[float, ...]:
    found = {
        seed: [c for s, c in zip(seeds, cells, strict=True) if s == seed and not np.isnan(c)]
        for seed in dict.fromkeys(seeds)
    }
    return tuple(float(np.mean(values)) for values in found.values() if values)
