"""What each cut costs and gains, with intervals: the numbers of a report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from transfer_jax.analysis.statistics.bootstrap import REPLICATES, Contrast, Sampled, Sampler
from transfer_jax.analysis.statistics.crossing import Arm, Group
from transfer_jax.analysis.statistics.images import TestOf
from transfer_jax.analysis.statistics.inference import Estimate
from transfer_jax.grid.conditions import Treatment

ACCURACY, GAIN = "accuracy", "gain over base"
# Over scratch with the whole budget, where it was trained.
GAIN_OVER_CONTROL = "gain over scratch"
CO_ADAPTATION, SPECIALISATION, BOOST = "co-adaptation", "specialisation", "boost over BnB+"
# What a cost or gain is the difference of: the first arm less the second.
DIFFERENCES = {
    CO_ADAPTATION: (Treatment.BASE, Treatment.SELFFER),
    SPECIALISATION: (Treatment.SELFFER, Treatment.TRANSFER),
    BOOST: (Treatment.TRANSFER_PLUS, Treatment.SELFFER_PLUS),
}
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
    """The numbers of one group, and what was drawn for them.

    `validation` are the same numbers on validation images, which choices are made by; None where
    there are none.
    """

    group: Group
    effects: tuple[Effect, ...]
    sampled: Sampled
    sampler: Sampler = field(repr=False, compare=False)
    validation: "Effects | None" = None

    def of(self, kind: str, treatment: Treatment | None = None) -> list[Effect]:
        """The effects of one kind at single cuts, the paper's choice of layers."""
        return [
            effect
            for effect in self.effects
            if effect.quantity.kind == kind and effect.quantity.first_n == effect.quantity.last_n
            if treatment in (None, effect.quantity.treatment) and not effect.quantity.variant
        ]

    def ranges(self, kind: str) -> list[Effect]:
        """The effects of one kind over ranges of cuts."""
        found = [e for e in self.effects if e.quantity.kind == kind]
        return [effect for effect in found if effect.quantity.first_n < effect.quantity.last_n]


def effects(group: Group, test_of: TestOf, *, replicates: int = REPLICATES) -> Effects:
    """All numbers of a group.

    Args:
      test_of: the test of a network, example by example; None where it was not kept.
      replicates: how many are drawn for the intervals.

    Returns:
      Accuracies; gains over base; costs of co-adaptation and of specialisation; boosts, at each
      cut and over ranges of cuts.

    Source: Yosinski et al. (2014), figure 2 and table 1; Holm (1979) for several cuts.
    """
    wanted = list(_contrasts(group))
    contrasts = [contrast for _, contrast in wanted]
    sampler = Sampler(group, test_of)
    sampled = sampler.sample(contrasts, replicates=replicates)
    found = [
        _effect(group, quantity, contrast, sampled, j)
        for j, (quantity, contrast) in enumerate(wanted)
    ]
    return Effects(group, tuple(_adjusted(found)), sampled, sampler)


def _contrasts(group: Group) -> Iterator[tuple[Quantity, Contrast]]:
    for arm in group.arms:
        yield Quantity(ACCURACY, arm.treatment, arm.variant, arm.n, arm.n), {arm: 1.0}
    for arm in group.arms if group.control != group.base else ():
        if group.control and arm != group.control:
            contrast = {arm: 1.0, group.control: -1.0}
            yield Quantity(GAIN_OVER_CONTROL, arm.treatment, arm.variant, arm.n, arm.n), contrast
    singles: dict[tuple[str, Treatment], dict[int, Contrast]] = {}
    for arm in group.arms:
        if group.base and arm != group.base:
            contrast = {arm: 1.0, group.base: -1.0}
            yield Quantity(GAIN, arm.treatment, arm.variant, arm.n, arm.n), contrast
            if arm.treatment == Treatment.TRANSFER_PLUS and not arm.variant:
                singles.setdefault((GAIN, arm.treatment), {})[arm.n] = contrast
    for kind, (first, second) in DIFFERENCES.items():
        for n in sorted({a.n for a in group.arms if a.treatment == second and not a.variant}):
            one = Arm(first, 0) if first == Treatment.BASE else Arm(first, n)
            if one in group.rows:
                contrast = {one: 1.0, Arm(second, n): -1.0}
                singles.setdefault((kind, first), {})[n] = contrast
                yield Quantity(kind, first, "", n, n), contrast
    for (kind, treatment), by_n in singles.items():
        if treatment == Treatment.TRANSFER_PLUS:
            for low, high in ranges(list(by_n)):
                ns = [n for n in by_n if low <= n <= high]
                yield Quantity(kind, treatment, "", low, high), _mean([by_n[n] for n in ns])


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


def _mean(contrasts: Sequence[Contrast]) -> Contrast:
    # In order: sums over a set differ in the last bit from start to start.
    arms = dict.fromkeys(arm for contrast in contrasts for arm in contrast)
    return {arm: sum(c.get(arm, 0.0) for c in contrasts) / len(contrasts) for arm in arms}


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


def _adjusted(found: Sequence[Effect]) -> Iterator[Effect]:
    """Holm's adjustment over the cuts of one kind and treatment."""
    families: dict[tuple[object, ...], list[tuple[float, int]]] = {}
    for i, effect in enumerate(found):
        quantity = effect.quantity
        if effect.p is not None and quantity.first_n == quantity.last_n:
            key = (quantity.kind, quantity.treatment, quantity.variant)
            families.setdefault(key, []).append((effect.p, i))
    adjusted: dict[int, float] = {}
    for family in families.values():
        most = 0.0
        for rank, (p, i) in enumerate(sorted(family)):
            most = max(most, min(1.0, (len(family) - rank) * p))
            adjusted[i] = most
    for i, effect in enumerate(found):
        yield replace(effect, p_some=adjusted.get(i))
