"""Claims about the networks of one kind of split, compared with each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from transfer_jax.analysis.statistics.contrasts import Contrast, less, level, mean, slope, total
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.analysis.statistics.inference import Estimate
from transfer_jax.analysis.statistics.verdicts import NOT_RUN, Verdict, above, every, same
from transfer_jax.grid.conditions import Treatment

NEAR_CHANCE = 0.1
BASE, BNB, ANB = Treatment.BASE, Treatment.SELFFER, Treatment.TRANSFER
BNB_PLUS, ANB_PLUS = Treatment.SELFFER_PLUS, Treatment.TRANSFER_PLUS
RANDOM_FROZEN = Treatment.RANDOM
ABSENT = Verdict(NOT_RUN, "")


class Difference(NamedTuple):
    """A contrast at each cut, and what it is called."""

    name: str
    at: Callable[[int], Contrast]


@dataclass(frozen=True)
class OneGroup:
    """The numbers of one group.

    Attributes:
      found: them.
    """

    found: Effects

    @property
    def margin(self) -> float:
        """A difference that does not matter."""
        return self.found.margin

    def cuts(self, treatment: Treatment) -> list[int]:
        """The cuts at which a treatment was run."""
        return self.found.group.cuts(treatment)

    def above(self, difference: Difference, ns: Sequence[int]) -> Verdict:
        """Whether a difference is above 0 at every cut."""
        return above(self._parts(difference, ns), self.margin, difference.name)

    def same(self, difference: Difference, ns: Sequence[int]) -> Verdict:
        """Whether a difference is as good as 0 at every cut."""
        return same(self._parts(difference, ns), self.margin, difference.name)

    def one_above(self, name: str, contrast: Contrast) -> Verdict:
        """Whether one contrast is above 0."""
        return above({"": self.found.estimate(contrast)}, self.margin, name)

    def _parts(self, difference: Difference, ns: Sequence[int]) -> dict[str, Estimate | None]:
        return {f"n = {n}": self.found.estimate(difference.at(n)) for n in ns}


def gain(treatment: Treatment) -> Difference:
    """What a treatment gains over base.

    Args:
      treatment: what is done with the layers.

    Returns:
      The difference at each cut.
    """
    return _over(treatment, BASE)


def _loss(treatment: Treatment) -> Difference:
    return _over(BASE, treatment)


def _over(first: Treatment, second: Treatment) -> Difference:
    """What one treatment gains over another; base networks have no cut."""

    def at(n: int) -> Contrast:
        return less(*(level(arm, 0 if arm == BASE else n) for arm in (first, second)))

    return Difference(f"{first.value} − {second.value}", at)


def _means(treatment: Treatment, first: Sequence[int], second: Sequence[int]) -> Contrast:
    """The mean over some cuts less that over others."""
    return less(*(mean([level(treatment, n) for n in ns]) for ns in (first, second)))


def selffer_is_base(own: OneGroup) -> Verdict:
    """BnB is as base at n = 1, 2."""
    return own.same(gain(BNB), (1, 2))


def selffer_dips(own: OneGroup) -> Verdict:
    """BnB falls below base at n = 3 to 6, most at 4 and 5."""
    most = own.one_above("BnB, n = 3, 6 less 4, 5", _means(BNB, (3, 6), (4, 5)))
    return every(own.above(_loss(BNB), (3, 4, 5, 6)), most)


def selffer_recovers(own: OneGroup) -> Verdict:
    """BnB recovers at n = 6, 7, and is as base at 7."""
    back = own.one_above("BnB, n = 6, 7 less 4, 5", _means(BNB, (6, 7), (4, 5)))
    return every(back, own.same(gain(BNB), [7]))


def tuned_selffer_is_base(own: OneGroup) -> Verdict:
    """BnB+ is as base."""
    return own.same(gain(BNB_PLUS), own.cuts(BNB_PLUS))


def transfer_falls(own: OneGroup) -> Verdict:
    """AnB is as base at n = 1, 2, below at 3, far below from 4 on."""
    later = own.one_above("AnB, n = 3 less 4 to 7", _means(ANB, [3], (4, 5, 6, 7)))
    return every(own.same(gain(ANB), (1, 2)), own.above(_loss(ANB), [3]), later)


def co_adaptation_then_specificity(own: OneGroup) -> Verdict:
    """Base less BnB is above BnB less AnB at n = 3 to 5, and below at 6, 7."""

    def excess(n: int) -> Contrast:
        return less(_loss(BNB).at(n), _over(BNB, ANB).at(n))

    more = Difference("co-adaptation − specificity", excess)
    other = Difference("specificity − co-adaptation", lambda n: total((-1.0, excess(n))))
    return every(own.above(more, (3, 4, 5)), own.above(other, (6, 7)))


def tuned_transfer_gains(own: OneGroup) -> Verdict:
    """AnB+ is above base at every n."""
    return own.above(gain(ANB_PLUS), own.cuts(ANB_PLUS))


def tuned_transfer_beats_selffer(own: OneGroup) -> Verdict:
    """AnB+ is above BnB+ at every n."""
    return own.above(_over(ANB_PLUS, BNB_PLUS), own.cuts(ANB_PLUS))


def boost_grows(own: OneGroup) -> Verdict:
    """AnB+ rises with the number of layers kept: a slope for each split or seed."""
    by_n = {float(n): level(ANB_PLUS, n) for n in own.cuts(ANB_PLUS)}
    if len(by_n) < 3:
        return ABSENT
    # A slope matters where it adds up to the margin from the first cut to the last.
    margin = own.margin / (max(by_n) - min(by_n))
    return above({"a layer": own.found.estimate(slope(by_n))}, margin, digits=2)


def random_filters_fail(own: OneGroup) -> Verdict:
    """Random filters: a fall at n = 1, 2, near chance, a tenth of base, from 3 on."""
    ns = own.cuts(RANDOM_FROZEN)
    if not {1, 2, 3} <= set(ns):
        return ABSENT

    near = Difference(
        "a tenth of base − random",
        lambda n: total((NEAR_CHANCE, level(BASE)), (-1.0, level(RANDOM_FROZEN, n))),
    )
    falls = own.above(_loss(RANDOM_FROZEN), (1, 2))
    return every(falls, own.above(near, [n for n in ns if n >= 3]))


def transfer_beats_random(own: OneGroup) -> Verdict:
    """AnB is above random filters at every n, on the same tasks."""
    ns = sorted(set(own.cuts(ANB)) & set(own.cuts(RANDOM_FROZEN)))
    return own.above(_over(ANB, RANDOM_FROZEN), ns)
