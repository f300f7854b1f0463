"""Standard errors and joint replicates of contrasts, by a bootstrap in levels.

Splits, seeds and test examples are all samples. The units of the highest level of which there are
enough are drawn: splits where there are three or more, else seeds within each split; what lies
below a unit goes with it, so nothing is counted twice. Units are drawn one fewer than there are
and weighted up, which makes the variance of a mean unbiased also for a handful. Test examples are
crossed with the units: they are drawn too, but count only with what units have in common of them,
since what a unit has of its own is in the differences between units already.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from transfer_jax.analysis.statistics.crossing import Arm, Cell, Group
from transfer_jax.folder.results import ResultRow

ENOUGH_SPLITS = 3
REPLICATES, CHUNK = 2000, 250
Contrast = Mapping[Arm, float]
# A network's test: numbers of the images, and 1 where it is right.
Tested = tuple[Int[np.ndarray, " example"], Float[np.ndarray, " example"]]
TestOf = Callable[[ResultRow], Tested | None]


@dataclass(frozen=True)
class Sampled:
    """Several contrasts of one group, with what was drawn.

    Attributes:
      mean: the contrasts.
      error: their standard errors; nan where there is one unit.
      freedom: degrees of freedom of the standard errors.
      draws: deviations from the mean, a row a replicate, drawn for all contrasts at once.
      units: number of units behind each contrast.
      values: of each contrast, its value for every seed of every split.
      examples: whether test examples were drawn.
    """

    mean: Float[np.ndarray, " contrast"]
    error: Float[np.ndarray, " contrast"]
    freedom: Float[np.ndarray, " contrast"]
    draws: Float[np.ndarray, "replicate contrast"]
    units: Int[np.ndarray, " contrast"]
    values: tuple[tuple[float, ...], ...]
    examples: bool


def sample(
    group: Group,
    contrasts: Sequence[Contrast],
    test_of: TestOf,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Sampled:
    """Estimate contrasts of arms, and draw replicates of them.

    Args:
      contrasts: weight of each arm.
      test_of: the test of a network, example by example; None where it was not kept.
      replicates: how many are drawn.
      seed: of the draws.

    Returns:
      The contrasts, paired by split, seed and target.

    Source: Rao and Wu (1988), Resampling inference with complex survey data, for the units'
    weights; Rubin (1981), The Bayesian bootstrap, for the examples'; Owen (2007), The pigeonhole
    bootstrap, for crossed samples; Satterthwaite (1946) for the degrees of freedom.
    """
    arms, places = group.arms, group.places
    weights = np.array([[c.get(arm, 0.0) for arm in arms] for c in contrasts])
    top1 = np.array([[group.top1(arm, place) for place in places] for arm in arms])
    # A place counts for a contrast where all its arms were run.
    there = (weights != 0).astype(float) @ np.isnan(top1) == 0
    cells = np.where(there, weights @ np.nan_to_num(top1), np.nan)
    shares = _shares(places, there)
    mean = np.nansum(shares * cells, axis=1)
    mean[~there.any(axis=1)] = np.nan
    labels = _units(places)
    of_units = np.array([[label == unit for label in labels] for unit in dict.fromkeys(labels)])
    random = np.random.default_rng(seed)
    parts, spread, freedom, units = _unit_level(shares, cells, there, of_units, places)
    draws = _unit_draws(random, parts, of_units, places, replicates)
    tests = _numbers(group, places, test_of)
    main = np.zeros(len(contrasts))
    # Contrasts with the same places share all that is done image by image; mostly all do.
    for pattern in np.unique(there, axis=0):
        own = np.flatnonzero((there == pattern).all(axis=1))
        if tests and pattern.any():
            influence = _Influence(group, shares[own[0]], places, of_units, tests, test_of)
            main[own], drawn = influence.of(weights[own], random, replicates)
            draws[:, own] += drawn
    total = spread + main
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(spread > 0, total**2 / (spread**2 / freedom), freedom)
    error = np.where(np.isnan(spread), np.nan, draws.std(axis=0))
    seeds = [(place.split, place.seed) for place in places]
    values = tuple(_by_seed(seeds, row) for row in cells)
    return Sampled(mean, error, freedom, draws, units, values, tests is not None)


def _shares(places: Sequence[Cell], there: np.ndarray) -> np.ndarray:
    """How much each place counts: splits alike, in a split seeds alike, in a seed targets alike."""
    shares = np.zeros(there.shape)
    for j, present in enumerate(there):
        kept = [place for place, is_there in zip(places, present, strict=True) if is_there]
        splits = {p.split for p in kept}
        seeds = {s: len({p.seed for p in kept if p.split == s}) for s in splits}
        targets: dict[tuple[str, int], int] = {}
        for place in kept:
            targets[place[:2]] = targets.get(place[:2], 0) + 1
        for i, place in enumerate(places):
            if present[i]:
                shares[j, i] = 1 / (len(splits) * seeds[place.split] * targets[place[:2]])
    return shares


def _units(places: Sequence[Cell]) -> list[tuple[object, ...]]:
    """The unit that each place belongs to."""
    enough = len({place.split for place in places}) >= ENOUGH_SPLITS
    return [(place.split,) if enough else (place.split, place.seed) for place in places]


def _unit_level(
    shares: np.ndarray,
    cells: np.ndarray,
    there: np.ndarray,
    of_units: np.ndarray,
    places: Sequence[Cell],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What each unit adds to a contrast, less its stratum's mean; variance, freedom, number."""
    added = np.nan_to_num(shares * cells) @ of_units.T
    present = (there.astype(int) @ of_units.T) > 0
    strata = _strata(of_units, places)
    parts, spread, weight = np.zeros_like(added), np.zeros(len(added)), np.zeros(len(added))
    for stratum in np.unique(strata):
        here = present & (strata == stratum)
        count = here.sum(axis=1)
        centre = np.where(here, added, 0).sum(axis=1) / np.maximum(count, 1)
        parts += np.where(here, added - centre[:, None], 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            squares = np.square(np.where(here, added - centre[:, None], 0)).sum(axis=1)
            variance = np.where(count == 1, np.nan, squares * count / np.maximum(count - 1, 1))
            weight += variance**2 / np.maximum(count - 1, 1)
        spread += variance
    units = present.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(weight > 0, spread**2 / weight, units - len(np.unique(strata)))
    return parts, np.where(units == 0, np.nan, spread), freedom, units


def _strata(of_units: np.ndarray, places: Sequence[Cell]) -> np.ndarray:
    """Seeds are drawn within their split; splits among each other."""
    splits = [place.split for place in places]
    if len(set(splits)) >= ENOUGH_SPLITS:
        return np.zeros(len(of_units), int)
    numbers = {split: i for i, split in enumerate(dict.fromkeys(splits))}
    return np.array([numbers[splits[int(np.argmax(row))]] for row in of_units], int)


def _unit_draws(
    random: np.random.Generator,
    parts: np.ndarray,
    of_units: np.ndarray,
    places: Sequence[Cell],
    replicates: int,
) -> np.ndarray:
    draws, strata = np.zeros((replicates, len(parts))), _strata(of_units, places)
    for stratum in np.unique(strata):
        here = np.flatnonzero(strata == stratum)
        count = len(here)
        if count > 1:
            drawn = random.multinomial(count - 1, np.full(count, 1 / count), size=replicates)
            draws += (drawn * (count / (count - 1))) @ parts[:, here].T
    return draws


class _Influence:
    """What each test image moves each arm's mean by, and how much of that units have in common.

    Args:
      shares: how much each place counts.
      of_units: which places belong to each unit.
      tests: the test images of each place.
      test_of: the test of a network.
    """

    def __init__(
        self,
        group: Group,
        shares: np.ndarray,
        places: Sequence[Cell],
        of_units: np.ndarray,
        tests: Sequence[np.ndarray],
        test_of: TestOf,
    ) -> None:
        size = max(int(found.max(initial=-1)) + 1 for found in tests)
        arms = len(group.rows)
        self.total = np.zeros((arms, size), np.float32)
        self.products, seen = np.zeros((arms, arms)), 0
        for unit in of_units:
            own = np.zeros_like(self.total)
            for i in np.flatnonzero(unit & (shares > 0)).tolist():
                right = _right(group, places[i], len(tests[i]), test_of)
                right -= right.mean(axis=1, keepdims=True)
                own[:, tests[i]] += right * np.float32(shares[i] / len(tests[i]))
                seen += len(tests[i])
            self.total += own
            self.products += own @ own.T
        # How many units see an image, on average: all of them where the tasks share the images.
        self.units = seen / max(1, np.count_nonzero(self.total.any(axis=0)))

    def of(
        self, weights: np.ndarray, random: np.random.Generator, replicates: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The variance that images give to contrasts, and draws of it."""
        weights = weights.astype(np.float32)
        whole = np.einsum("ja,ab,jb->j", weights, self.total @ self.total.T, weights)
        each = np.einsum("ja,ab,jb->j", weights, self.products, weights)
        units = self.units
        # What a unit has of its own is the spread between units, image by image.
        own = (each - whole / units) * units / (units - 1) if units > 1 else np.zeros_like(each)
        common = np.clip(whole - own, 0, whole)
        scale = np.sqrt(np.divide(common, whole, out=np.zeros_like(whole), where=whole > 0))
        drawn = [
            self._drawn(random, min(CHUNK, replicates - done))
            for done in range(0, replicates, CHUNK)
        ]
        return common, np.concatenate(drawn) @ weights.T * scale

    def _drawn(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Images weigh as in Rubin's bootstrap; by turns, so that memory stays small."""
        heavy = random.standard_exponential((count, self.total.shape[1]), np.float32)
        return (heavy - 1) @ self.total.T


def _numbers(group: Group, places: Sequence[Cell], test_of: TestOf) -> list[np.ndarray] | None:
    """The test images of each place; None where the tests of some network were not kept."""
    found: list[np.ndarray] = []
    for place in places:
        tests = [test_of(row) for held in group.rows.values() for row in held.get(place, ())]
        known = [test[0] for test in tests if test is not None]
        if len(known) < len(tests) or len({len(numbers) for numbers in known}) > 1:
            return None
        found.append(known[0])
    return found


def _right(group: Group, place: Cell, examples: int, test_of: TestOf) -> np.ndarray:
    """Of each arm at a place, the share of its networks that are right on each example."""
    right = np.zeros((len(group.rows), examples), np.float32)
    for i, arm in enumerate(group.arms):
        rows = group.rows[arm].get(place, ())
        for row in rows:
            test = test_of(row)
            assert test is not None
            right[i] += test[1]
        right[i] /= max(len(rows), 1)
    return right


def _by_seed(seeds: Sequence[tuple[str, int]], cells: np.ndarray) -> tuple[float, ...]:
    found = {
        seed: [c for s, c in zip(seeds, cells, strict=True) if s == seed and not np.isnan(c)]
        for seed in dict.fromkeys(seeds)
    }
    return tuple(float(np.mean(values)) for values in found.values() if values)
