"""The paper's claims, each tested on the numbers of a report by the report's own inference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transfer_jax.analysis.paper import one_group, several_groups
from transfer_jax.analysis.paper.one_group import ABSENT, OneGroup
from transfer_jax.analysis.paper.several_groups import Networks
from transfer_jax.analysis.statistics.crossing import RANDOM_HALVES, WHOLE
from transfer_jax.analysis.statistics.effects import Effects
from transfer_jax.analysis.statistics.verdicts import Verdict, every


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
      number: its number here.
      text: what is claimed.
      test: what the numbers say about it.
    """

    number: int
    text: str
    test: Callable[[Networks], Verdict]


def judge(found: Sequence[Effects]) -> list[tuple[Claim, Verdict]]:
    """What the numbers of a report say about every claim of the paper.

    Args:
      found: the numbers of each group.

    Returns:
      Each claim with its verdict.

    Example:
      >>> {verdict.verdict for _, verdict in judge([])}
      {'not run'}

    Source: Yosinski et al. (2014), sections 4.1 to 4.3 and the supplement.
    """
    networks = Networks(tuple(found))
    return [(claim, claim.test(networks)) for claim in CLAIMS]


def _of(family: str, test: Callable[[OneGroup], Verdict]) -> Callable[[Networks], Verdict]:
    """A claim about one family of splits; where it has several groups, about each of them."""

    def judged(networks: Networks) -> Verdict:
        groups = [OneGroup(own) for own in networks.of(family)]
        return every(*map(test, groups)) if groups else ABSENT

    return judged


def _halves(test: Callable[[OneGroup], Verdict]) -> Callable[[Networks], Verdict]:
    return _of(RANDOM_HALVES, test)


CLAIMS = (
    Claim(1, "A network on half of the classes scores above one on all.",
          several_groups.base_above_whole),
    Claim(2, "BnB is as base at n = 1, 2.", _halves(one_group.selffer_is_base)),
    Claim(3, "BnB falls below base at n = 3 to 6, most at 4 and 5.",
          _halves(one_group.selffer_dips)),
    Claim(4, "BnB recovers at n = 6, 7, and is as base at 7.", _halves(one_group.selffer_recovers)),
    Claim(5, "BnB+ is as base.", _halves(one_group.tuned_selffer_is_base)),
    Claim(6, "AnB is as base at n = 1, 2, below at 3, far below from 4 on.",
          _halves(one_group.transfer_falls)),
    Claim(7, "Co-adaptation costs more than specificity at n = 3 to 5, less at 6, 7.",
          _halves(one_group.co_adaptation_then_specificity)),
    Claim(8, "AnB+ is above base at every n.", _halves(one_group.tuned_transfer_gains)),
    Claim(9, "AnB+ is above BnB+ at every n.", _halves(one_group.tuned_transfer_beats_selffer)),
    Claim(10, "AnB+ rises with the number of layers kept.", _halves(one_group.boost_grows)),
    Claim(11, "AnB falls more between distant tasks, from n = 2 on.",
          several_groups.distance_costs),
    Claim(12, "The natural target scores above the man-made one.",
          several_groups.natural_above_man_made),
    Claim(13, "Random filters: a fall at n = 1, 2, near chance from 3 on.",
          _of(WHOLE, one_group.random_filters_fail)),
    Claim(14, "Distant transfer beats random filters, relative to base, at every n.",
          several_groups.distant_beats_random),
    Claim(15, "Accuracy falls as images per class are fewer.", several_groups.less_data_costs),
)  # fmt: skip
