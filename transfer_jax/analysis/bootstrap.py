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

from transfer_jax.analysis.crossing import Arm, Group, Place
from transfer_jax.results import ResultRow

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
      group: the networks.
      contrasts: weight of each arm.
      test_of: the test of a network, example by example; None where it was not kept.
      replicates: how many are drawn.
      seed: of the draws.

    Returns:
      The contrasts, paired by split, seed and target.

    Source: Rao and Wu (1988), Resampling inference with complex survey data, for the weights; Owen
    (2007), The pigeonhole bootstrap, for crossed samples; Satterthwaite (1946) for the freedom.
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
    influence, has_examples = _influence(group, weights, shares, places, of_units, test_of)
    draws = _unit_draws(random, parts, of_units, places, replicates)
    draws += _example_draws(random, influence, replicates)
    main = np.square(influence).sum(axis=1)
    total = spread + main
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = np.where(spread > 0, total**2 / (spread**2 / freedom), freedom)
    error = np.where(np.isnan(spread), np.nan, draws.std(axis=0))
    seeds = [(place.split, place.seed) for place in places]
    values = tuple(_by_seed(seeds, row) for row in cells)
    return Sampled(mean, error, freedom, draws, units, values, has_examples)


def _shares(places: Sequence[Place], there: np.ndarray) -> np.ndarray:
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


def _units(places: Sequence[Place]) -> list[tuple[object, ...]]:
    """The unit that each place belongs to."""
    enough = len({place.split for place in places}) >= ENOUGH_SPLITS
    return [(place.split,) if enough else (place.split, place.seed) for place in places]


def _unit_level(
    shares: np.ndarray,
    cells: np.ndarray,
    there: np.ndarray,
    of_units: np.ndarray,
    places: Sequence[Place],
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


def _strata(of_units: np.ndarray, places: Sequence[Place]) -> np.ndarray:
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
    places: Sequence[Place],
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


def _influence(
    group: Group,
    weights: np.ndarray,
    shares: np.ndarray,
    places: Sequence[Place],
    of_units: np.ndarray,
    test_of: TestOf,
) -> tuple[np.ndarray, bool]:
    """What each test example moves each contrast by, as far as units have it in common."""
    images = _numbers(group, places, test_of)
    if images is None:
        return np.zeros((len(weights), 0)), False
    size = max(int(found.max(initial=-1)) + 1 for found in images)
    total, squares, count = (np.zeros((len(weights), size), np.float32) for _ in range(3))
    for unit in of_units:
        own = np.zeros_like(total)
        for i in np.flatnonzero(unit).tolist():
            right = _right(group, places[i], len(images[i]), test_of)
            deviation = (weights.astype(np.float32) @ right).astype(np.float32)
            deviation -= deviation.mean(axis=1, keepdims=True)
            own[:, images[i]] += deviation * (shares[:, i, None] / len(images[i]))
            count[:, images[i]] += shares[:, i, None] > 0
        total += own
        squares += own * own
    own_part = np.where(
        count > 1, (squares - total * total / np.maximum(count, 1)) * count / (count - 1 + 1e-9), 0
    )
    whole = np.square(total, dtype=np.float64).sum(axis=1)
    common = np.maximum(whole - own_part.sum(axis=1, dtype=np.float64), 0)
    scale = np.sqrt(np.divide(common, whole, out=np.zeros_like(whole), where=whole > 0))
    return total * scale[:, None].astype(np.float32), True


def _numbers(group: Group, places: Sequence[Place], test_of: TestOf) -> list[np.ndarray] | None:
    """The test images of each place; None where the tests of some network were not kept."""
    found: list[np.ndarray] = []
    for place in places:
        tests = [test_of(row) for held in group.rows.values() for row in held.get(place, ())]
        known = [test[0] for test in tests if test is not None]
        if len(known) < len(tests) or len({len(numbers) for numbers in known}) > 1:
            return None
        found.append(known[0])
    return found


def _right(group: Group, place: Place, examples: int, test_of: TestOf) -> np.ndarray:
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


def _example_draws(
    random: np.random.Generator, influence: np.ndarray, replicates: int
) -> np.ndarray:
    """Each example counts as often as it is drawn; by turns, so that memory stays small."""
    draws = [
        (random.poisson(1.0, (min(CHUNK, replicates - done), influence.shape[1])) - 1).astype(
            np.float32
        )
        @ influence.T
        for done in range(0, replicates, CHUNK)
    ]
    return np.concatenate(draws).astype(float)


def _by_seed(seeds: Sequence[tuple[str, int]], cells: np.ndarray) -> tuple[float, ...]:
    found = {
        seed: [c for s, c in zip(seeds, cells, strict=True) if s == seed and not np.isnan(c)]
        for seed in dict.fromkeys(seeds)
    }
    return tuple(float(np.mean(values)) for values in found.values() if values)
