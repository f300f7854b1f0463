"""Claims that compare networks of one kind of split, target or number of images with another's."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from transfer_jax.analysis.paper.one_group import (
    ABSENT,
    ANB,
    BASE,
    NEAR_CHANCE,
    RANDOM_FROZEN,
    OneGroup,
    gain,
    transfer_beats_random,
)
from transfer_jax.analysis.statistics.contrasts import Contrast, less, level, mean, slope, total
from transfer_jax.analysis.statistics.crossing import (
    DISTANT,
    RANDOM_HALVES,
    WHOLE,
    by_examples,
    by_target,
)
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.analysis.statistics.inference import Estimate, independent
from transfer_jax.analysis.statistics.sampling import Sampler
from transfer_jax.analysis.statistics.verdicts import Verdict, above, every

NATURAL_SPLIT = "man-natural"


@dataclass(frozen=True)
class Networks:
    """All groups of a report.

    Attributes:
      found: their numbers.
    """

    found: tuple[Effects, ...]

    def of(self, family: str) -> Iterator[Effects]:
        """The groups of a family whose targets have all their images."""
        for own in self.found:
            if own.group.family == family and not own.group.examples:
                yield own


def base_above_whole(networks: Networks) -> Verdict:
    """A network on half of the classes scores above one on all."""
    halves, whole = (next(networks.of(family), None) for family in (RANDOM_HALVES, WHOLE))
    if halves is None or whole is None:
        return ABSENT
    estimate = _both(halves.estimate(level(BASE)), whole.estimate(level(BASE)))
    return above({"": estimate}, halves.margin, "base, halves less whole")


def distance_costs(networks: Networks) -> Verdict:
    """AnB falls more between distant tasks than between random halves, from n = 2 on."""
    halves = next(networks.of(RANDOM_HALVES), None)
    if halves is None:
        return ABSENT
    difference, found = gain(ANB), []
    for own in networks.of(DISTANT):
        parts = {
            f"n = {n}": _both(halves.estimate(difference.at(n)), own.estimate(difference.at(n)))
            for n in own.group.cuts(ANB)
            if n >= 2
        }
        names = f"{halves.group.name} less {own.group.name}"
        found.append(above(parts, own.margin, f"{difference.name}, {names}"))
    return every(*found) if found else ABSENT


def natural_above_man_made(networks: Networks) -> Verdict:
    """Target B is the natural one; networks of one cut and treatment are compared."""
    for own in networks.of(DISTANT):
        group = by_target(own.group)
        gaps = [
            less({arm: 1.0}, {arm._replace(variant="A"): 1.0})
            for arm in group.arms
            if arm.variant == "B" and arm._replace(variant="A") in group.rows
        ]
        if own.group.splits == [NATURAL_SPLIT] and gaps:
            estimate = Sampler(group, own.sampler.test_of).estimate(mean(gaps))
            return above({"": estimate}, own.margin, "target B less A")
    return ABSENT


def distant_beats_random(networks: Networks) -> Verdict:
    """On the same tasks, where random layers were run there; else each as a share of its base."""
    found = []
    whole = next(networks.of(WHOLE), None)
    for own in networks.of(DISTANT):
        if own.group.cuts(RANDOM_FROZEN):
            found.append(transfer_beats_random(OneGroup(own)))
        elif whole:
            ns = sorted(set(own.group.cuts(ANB)) & set(whole.group.cuts(RANDOM_FROZEN)))
            parts = {
                f"n = {n}": _both(
                    _share_of_base(own, level(ANB, n)),
                    _share_of_base(whole, level(RANDOM_FROZEN, n)),
                )
                for n in ns
            }
            name = "in % of base, AnB − random"
            found.append(above(parts, _margin_of_shares(own), name, in_unit=_of_base))
    return every(*found) if found else ABSENT


def less_data_costs(networks: Networks) -> Verdict:
    """Accuracy falls as images are fewer, down to where training fails: a tenth of the best."""
    found = [own for own in networks.found if own.group.family == WHOLE]
    if not found:
        return ABSENT
    group = by_examples([own.group for own in found])
    sampler = Sampler(group, found[0].sampler.test_of)
    estimates = {arm: sampler.estimate({arm: 1.0}) for arm in group.arms}
    means = {arm: estimate.mean for arm, estimate in estimates.items() if estimate}
    least = NEAR_CHANCE * max(means.values(), default=0.0)
    # 0 stands for all images and comes last.
    trained = sorted(
        (arm for arm in means if means[arm] >= least),
        key=lambda arm: int(arm.variant) or float("inf"),
    )
    if len(trained) < 3:
        return ABSENT
    by_rank: dict[float, Contrast] = {float(i): {arm: 1.0} for i, arm in enumerate(trained)}
    margin = found[0].margin / (len(trained) - 1)
    return above({"a step": sampler.estimate(slope(by_rank))}, margin, digits=2)


def _both(first: Estimate | None, second: Estimate | None) -> Estimate | None:
    return None if first is None or second is None else independent(first, second)


def _share_of_base(own: Effects, contrast: Contrast) -> Estimate | None:
    """A ratio, with the standard error of the line that touches it (the delta method)."""
    gained, base = own.estimate(less(contrast, level(BASE))), own.estimate(level(BASE))
    if gained is None or base is None or base.mean == 0:
        return None
    share = 1 + gained.mean / base.mean
    found = own.estimate(total((1 / base.mean, contrast), (-share / base.mean, level(BASE))))
    return None if found is None else replace(found, mean=share)


def _margin_of_shares(own: Effects) -> float:
    """The margin, which is of accuracies, as a share of base's accuracy."""
    base = own.estimate(level(BASE))
    return own.margin / base.mean if base and base.mean else own.margin


def _of_base(margin: float) -> str:
    return f"{100 * margin:.2g}% of base"
