"""What each cut costs and gains, with intervals: the numbers of a report."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from transfer_jax.analysis.statistics.choices import is_pretrained
from transfer_jax.analysis.statistics.contrasts import Contrast, less, level, mean
from transfer_jax.analysis.statistics.crossing import Arm, Group, groups
from transfer_jax.analysis.statistics.failures import sound_rows
from transfer_jax.analysis.statistics.images import TestOf
from transfer_jax.analysis.statistics.inference import Estimate
from transfer_jax.analysis.statistics.margins import margin_of
from transfer_jax.analysis.statistics.sampling import Sampled, Sampler
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

ACCURACY, GAIN = "accuracy", "gain over base"
GAIN_OVER_CONTROL, CONVERGENCE = "gain over scratch", "scratch twice as long"
CO_ADAPTATION, SPECIALISATION, BOOST = "co-adaptation", "specialisation", "boost over BnB+"
OVER_RANDOM = "transferred over random"
# What a cost or gain is the difference of: the first arm less the second.
DIFFERENCES = {
    CO_ADAPTATION: (Treatment.BASE, Treatment.SELFFER),
    SPECIALISATION: (Treatment.SELFFER, Treatment.TRANSFER),
    BOOST: (Treatment.TRANSFER_PLUS, Treatment.SELFFER_PLUS),
    OVER_RANDOM: (Treatment.TRANSFER, Treatment.RANDOM),
}
# Of what the means over ranges of cuts are told.
RANGED = Treatment.TRANSFER_PLUS
RANGE_STARTS = (1, 3, 5)


class Quantity(NamedTuple):
    """What a number is of: a kind of effect, a treatment, and the cuts that it is the mean of."""

    kind: str
    treatment: Treatment
    variant: str
    first_n: int
    last_n: int


@dataclass(frozen=True)
class Effect:
    """A number with its 95% interval; all numbers are shares, 0.01 is a point.

    Attributes:
      group: the networks that it is of.
      quantity: what it is.
      estimate: it, paired by split, seed and target, and how sure it is.
      p: two-sided, that it is 0; None where there are too few units, and for accuracies.
      p_some: the same, adjusted for all cuts of its kind (Holm): for "at some n".
      values: one for every seed of every split.
      pooled: of unpaired means over all networks, as the paper has them.
    """

    group: str
    quantity: Quantity
    estimate: Estimate
    p: float | None
    p_some: float | None
    values: tuple[float, ...]
    pooled: float

    @property
    def mean(self) -> float:
        """The number."""
        return self.estimate.mean

    @property
    def half_width(self) -> float | None:
        """Half of the interval; None where there are too few units."""
        return self.estimate.half_width()

    @property
    def low(self) -> float | None:
        """The lower end of the interval."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """The upper end of the interval."""
        return None if self.half_width is None else self.mean + self.half_width

    @property
    def freedom(self) -> float | None:
        """Degrees of freedom of the interval."""
        return self.estimate.freedom

    @property
    def units(self) -> int:
        """How many splits or seeds are behind it."""
        return self.estimate.units


@dataclass(frozen=True)
class Effects:
    """The numbers of one group, and what they came of.

    `validation` are the same numbers on validation images, which choices are made by; None where
    there are none. `asked` is a margin that somebody asked for; 0 for the rule.
    """

    group: Group
    effects: tuple[Effect, ...]
    sampled: Sampled
    sampler: Sampler = field(repr=False, compare=False)
    validation: "Effects | None" = None
    asked: float = 0.0

    def estimate(self, contrast: Contrast) -> Estimate | None:
        """Any other contrast of the group's arms; None where an arm was not run."""
        return self.sampler.estimate(contrast)

    @functools.cached_property
    def margin(self) -> float:
        """A difference that does not matter: what was asked for, else by the error of scratch.

        Where layers come from given weights, scratch says little: it is by that of the best way.
        Ways are compared by it, so it is of the images that these are compared on.
        """
        if self.validation is not None:
            return self.validation.margin
        if is_pretrained(self.group):
            return self.asked or margin_of(1 - max(e.mean for e in self.at_cuts(ACCURACY)))
        control = self.estimate({self.group.control: 1.0}) if self.group.control else None
        return self.asked or margin_of(1.0 if control is None else 1 - control.mean)

    def at_cuts(self, kind: str) -> list[Effect]:
        """The effects of one kind at single cuts, variants too."""
        found = [e for e in self.effects if e.quantity.kind == kind]
        return [effect for effect in found if effect.quantity.first_n == effect.quantity.last_n]

    def of(self, kind: str, treatment: Treatment | None = None) -> list[Effect]:
        """The effects of one kind at single cuts, the paper's choice of layers."""
        return [
            effect
            for effect in self.at_cuts(kind)
            if treatment in (None, effect.quantity.treatment) and not effect.quantity.variant
        ]

    def ranges(self, kind: str) -> list[Effect]:
        """The effects of one kind over ranges of cuts."""
        found = [e for e in self.effects if e.quantity.kind == kind]
        return [effect for effect in found if effect.quantity.first_n < effect.quantity.last_n]


def numbers_of(
    rows: Sequence[ResultRow],
    test_of: TestOf = {}.get,
    *,
    margin: float = 0.0,
    layers: tuple[str, ...] = (),
) -> list[Effects]:
    """All numbers of a table, without the networks that failed.

    Args:
      rows: networks.
      test_of: the test of a network, example by example; None where it was not kept.
      margin: a difference that does not matter; 0 for a point, or a tenth of the error.
      layers: names of the network's layers, where it began with weights of a file.

    Returns:
      Those of each group that has networks which did not fail.

    Example:
      >>> numbers_of([])
      []
    """
    sound = groups(sound_rows(rows), layers=layers)
    return [replace(effects(group, test_of), asked=margin) for group in sound]


def effects(group: Group, test_of: TestOf) -> Effects:
    """All numbers of a group.

    Args:
      test_of: the test of a network, example by example; None where it was not kept.

    Returns:
      Accuracies; gains over base and over scratch; costs of co-adaptation and of specialisation;
      boosts; what transferred layers have over random ones: at each cut, and of fine-tuned transfer
      over ranges of cuts.

    Source: Yosinski et al. (2014), figure 2 and table 1; Holm (1979) for several cuts.
    """
    wanted = list(_contrasts(group))
    contrasts = [contrast for _, contrast in wanted]
    sampler = Sampler(group, test_of)
    sampled = sampler.sample(contrasts)
    found = [
        _effect(group, quantity, contrast, sampled, j)
        for j, (quantity, contrast) in enumerate(wanted)
    ]
    return Effects(group, tuple(adjusted(found)), sampled, sampler)


def _contrasts(group: Group) -> Iterator[tuple[Quantity, Contrast]]:
    for arm in group.arms:
        yield Quantity(ACCURACY, arm.treatment, arm.variant, arm.n, arm.n), {arm: 1.0}
    singles = [*_gains(group), *_differences(group)]
    yield from singles
    by_kind: dict[str, dict[int, Contrast]] = {}
    for quantity, contrast in singles:
        if quantity.treatment == RANGED and not quantity.variant:
            by_kind.setdefault(quantity.kind, {})[quantity.first_n] = contrast
    for kind, by_n in by_kind.items():
        for low, high in ranges(list(by_n)):
            wanted = [contrast for n, contrast in by_n.items() if low <= n <= high]
            yield Quantity(kind, RANGED, "", low, high), mean(wanted)


def _gains(group: Group) -> Iterator[tuple[Quantity, Contrast]]:
    """What each way gains over base, and over scratch where that had the whole budget."""
    base, control = group.base, group.control
    ways = [arm for arm in group.arms if arm not in (base, control)]
    if base and control and base != control:
        quantity = Quantity(CONVERGENCE, control.treatment, "", 0, 0)
        yield quantity, less({control: 1.0}, {base: 1.0})
    for kind, other in ((GAIN, base), (GAIN_OVER_CONTROL, control)):
        if other and (kind == GAIN or other.treatment == Treatment.SCRATCH):
            for arm in ways:
                quantity = Quantity(kind, arm.treatment, arm.variant, arm.n, arm.n)
                yield quantity, less({arm: 1.0}, {other: 1.0})


def _differences(group: Group) -> Iterator[tuple[Quantity, Contrast]]:
    for kind, (first, second) in DIFFERENCES.items():
        for n in group.cuts(second):
            one = Arm(first, 0 if first == Treatment.BASE else n)
            if one in group.rows:
                yield Quantity(kind, first, "", n, n), less({one: 1.0}, level(second, n))


def ranges(ns: Sequence[int]) -> list[tuple[int, int]]:
    """The ranges of cuts that the paper's Table 1 has: from 1, 3 and 5 to the last.

    Args:
      ns: the cuts.

    Returns:
      (first, last) pairs of more than one cut.

    Example:
      >>> ranges([1, 2, 3, 4, 5, 6, 7])
      [(1, 7), (3, 7), (5, 7)]
    """
    kept = [[n for n in ns if n >= start] for start in RANGE_STARTS]
    return list(dict.fromkeys((min(own), max(own)) for own in kept if len(own) > 1))


def _effect(
    group: Group, quantity: Quantity, contrast: Contrast, sampled: Sampled, j: int
) -> Effect:
    found = sampled.estimates[j]
    p = None if quantity.kind == ACCURACY else found.p
    pooled = sum(weight * _unpaired(group, arm) for arm, weight in contrast.items())
    return Effect(group.name, quantity, found, p, None, sampled.values[j], pooled)


def _unpaired(group: Group, arm: Arm) -> float:
    """The mean of an arm, every network counted alike."""
    return float(np.mean([row.top1 for rows in group.rows[arm].values() for row in rows]))


def adjusted(found: Sequence[Effect]) -> Iterator[Effect]:
    """Adjust for "at some n": Holm's method over the cuts of one kind and treatment of a group.

    Args:
      found: effects.

    Yields:
      The same, with `p_some`.
    """
    families: dict[tuple[object, ...], list[tuple[float, int]]] = {}
    for i, effect in enumerate(found):
        quantity = effect.quantity
        if effect.p is not None and quantity.first_n == quantity.last_n:
            key = (effect.group, quantity.kind, quantity.treatment, quantity.variant)
            families.setdefault(key, []).append((effect.p, i))
    by_place: dict[int, float] = {}
    for family in families.values():
        most = 0.0
        for rank, (p, i) in enumerate(sorted(family)):
            most = max(most, min(1.0, (len(family) - rank) * p))
            by_place[i] = most
    for i, effect in enumerate(found):
        yield replace(effect, p_some=by_place.get(i))
