"""The paper's claims, each tested on a table of results, pooled as the paper does and paired."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from transfer_jax.analysis.statistics.contrasts import (
    DISTANT,
    OWN,
    POOLED,
    RANDOM_HALVES,
    WHOLE,
    Arms,
    Estimate,
    Sample,
    over,
    slope,
)
from transfer_jax.analysis.statistics.verdicts import (
    FAILS,
    HOLDS,
    NOT_RUN,
    Verdict,
    above,
    every,
    same,
)
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

NEAR_CHANCE = 0.1
BASE, BNB, ANB = Treatment.BASE, Treatment.SELFFER, Treatment.TRANSFER
BNB_PLUS, ANB_PLUS, RANDOM = Treatment.SELFFER_PLUS, Treatment.TRANSFER_PLUS, Treatment.RANDOM
Terms = list[tuple[float, Sample]]


@dataclass(frozen=True)
class Claim:
    """One claim of the paper.

    Attributes:
      number: its number here.
      text: what is claimed.
      test: what a table says about it.
      modes: the ways in which it can be tested.
    """

    number: int
    text: str
    test: Callable[[Arms], Verdict]
    modes: tuple[str, ...] = (POOLED, OWN)


def judge(rows: Sequence[ResultRow]) -> list[tuple[Claim, dict[str, Verdict]]]:
    """What a table of results says about every claim of the paper.

    Args:
      rows: the table.

    Returns:
      Each claim with its verdicts: "pooled" and "own", where it can be tested so.

    Example:
      >>> {found.verdict for _, verdicts in judge([]) for found in verdicts.values()}
      {'not run'}

    Source: Yosinski et al. (2014), sections 4.1 to 4.3 and the supplement.
    """
    return [
        (claim, {mode: claim.test(Arms(tuple(rows), mode)) for mode in claim.modes})
        for claim in CLAIMS
    ]


def _level(arms: Arms, treatment: str, ns: Sequence[int], family: str = RANDOM_HALVES) -> Terms:
    """An arm, less base."""
    return [(1.0, arms.sample(family, treatment, ns)), *arms.base(family)]


def _minus(terms: Terms) -> Terms:
    return [(-weight, sample) for weight, sample in terms]


def _difference(arms: Arms, a: Terms, b: Terms) -> Estimate | None:
    """Base cancels where both have it."""
    return arms.contrast([a[0], *_minus(b[:1])])


def _at(arms: Arms, terms_of: Callable[[int], Terms], ns: Sequence[int]) -> list[float]:
    """The estimate at each cut; nan where there is none."""
    found = [arms.contrast(terms_of(n)) for n in ns]
    return [np.nan if estimate is None else estimate.mean for estimate in found]


def _base_above_whole(arms: Arms) -> Verdict:
    terms = [(1.0, arms.sample(RANDOM_HALVES, BASE)), (-1.0, arms.sample(WHOLE, BASE))]
    return above(arms.contrast(terms))


def _selffer_first(arms: Arms) -> Verdict:
    return every(*(same(arms.contrast(_level(arms, BNB, [n]))) for n in (1, 2)))


def _selffer_dips(arms: Arms) -> Verdict:
    signs = _at(arms, lambda n: _minus(_level(arms, BNB, [n])), (3, 4, 5, 6))
    low = above(arms.contrast(_minus(_level(arms, BNB, (3, 4, 5, 6)))), signs)
    most = _difference(arms, _level(arms, BNB, (3, 6)), _level(arms, BNB, (4, 5)))
    return every(low, above(most))


def _selffer_recovers(arms: Arms) -> Verdict:
    back = _difference(arms, _level(arms, BNB, (6, 7)), _level(arms, BNB, (4, 5)))
    return every(above(back), same(arms.contrast(_level(arms, BNB, [7]))))


def _tuned_selffer(arms: Arms) -> Verdict:
    return same(arms.contrast(_level(arms, BNB_PLUS, arms.cuts(RANDOM_HALVES, BNB_PLUS))))


def _transfer_falls(arms: Arms) -> Verdict:
    first = [same(arms.contrast(_level(arms, ANB, [n]))) for n in (1, 2)]
    third = above(arms.contrast(_minus(_level(arms, ANB, [3]))))
    later = _difference(arms, _level(arms, ANB, [3]), _level(arms, ANB, (4, 5, 6, 7)))
    return every(*first, third, above(later))


def _co_adaptation(arms: Arms, ns: Sequence[int]) -> Terms:
    """What BnB loses to base, less what AnB loses to BnB."""
    base = [(-weight, sample) for weight, sample in arms.base(RANDOM_HALVES)]
    selffer = (-2.0, arms.sample(RANDOM_HALVES, BNB, ns))
    return [*base, selffer, (1.0, arms.sample(RANDOM_HALVES, ANB, ns))]


def _co_adaptation_then_specificity(arms: Arms) -> Verdict:
    middle, top = (3, 4, 5), (6, 7)
    first = arms.contrast(_co_adaptation(arms, middle))
    last = arms.contrast(_minus(_co_adaptation(arms, top)))
    signs = _at(arms, lambda n: _co_adaptation(arms, [n]), middle)
    reverse = _at(arms, lambda n: _minus(_co_adaptation(arms, [n])), top)
    return every(above(first, signs), above(last, reverse))


def _tuned_transfer(arms: Arms) -> Verdict:
    ns = arms.cuts(RANDOM_HALVES, ANB_PLUS)
    signs = _at(arms, lambda n: _level(arms, ANB_PLUS, [n]), ns)
    return above(arms.contrast(_level(arms, ANB_PLUS, ns)), signs)


def boost(arms: Arms) -> tuple[Estimate | None, Verdict]:
    """What fine-tuned transfer gains over fine-tuned selffers, on random halves.

    Args:
      arms: the networks.

    Returns:
      AnB+ less BnB+ over all cuts, None where one was not run; and whether it is a gain.

    Source: Yosinski et al. (2014), section 4.1.
    """

    def terms(ns: Sequence[int]) -> Terms:
        return [
            (1.0, arms.sample(RANDOM_HALVES, ANB_PLUS, ns)),
            (-1.0, arms.sample(RANDOM_HALVES, BNB_PLUS, ns)),
        ]

    ns = arms.cuts(RANDOM_HALVES, ANB_PLUS)
    gain = arms.contrast(terms(ns))
    return gain, above(gain, _at(arms, lambda n: terms([n]), ns))


def _boost_grows(arms: Arms) -> Verdict:
    def points(first: int) -> list[tuple[float, float]]:
        ns = [n for n in arms.cuts(RANDOM_HALVES, ANB_PLUS) if n >= first]
        found = [(n, arms.sample(RANDOM_HALVES, ANB_PLUS, [n]).values()) for n in ns]
        return [(float(n), value) for n, values in found for value in values]

    later = slope(points(3))
    return above(slope(points(1)), [] if later is None else [later.mean])


def _distance(arms: Arms) -> Verdict:
    def terms(ns: Sequence[int]) -> Terms:
        return [(1.0, arms.sample(RANDOM_HALVES, ANB, ns)), (-1.0, arms.sample(DISTANT, ANB, ns))]

    ns = [n for n in arms.cuts(DISTANT, ANB) if n >= 2]
    return above(arms.contrast(terms(ns)), _at(arms, lambda n: terms([n]), ns))


def _natural_above_man_made(arms: Arms) -> Verdict:
    """Target B is the natural one; networks of one cut and treatment are compared."""
    found: dict[tuple[object, ...], dict[str, float]] = {}
    for row in arms.rows:
        if row.split == "man-natural" and not (row.variant or row.examples):
            arm = (row.seed, row.treatment, row.n)
            found.setdefault(arm, {})[row.target] = row.best10
    gaps = [targets["B"] - targets["A"] for targets in found.values() if len(targets) == 2]
    return above(over(gaps), gaps) if gaps else Verdict(NOT_RUN, "")


def _random_filters(arms: Arms) -> Verdict:
    ns = arms.cuts(WHOLE, RANDOM)
    level = {n: list(arms.sample(WHOLE, RANDOM, [n]).values()) for n in ns}
    base = list(arms.sample(WHOLE, BASE).values())
    if not base or not {1, 2, 3} <= set(ns):
        return Verdict(NOT_RUN, "")
    falls = [
        above(arms.contrast(_minus(_level(arms, RANDOM, [n], WHOLE)))) for n in ns if n in (1, 2)
    ]
    most = max(np.mean(level[n]) for n in ns if n >= 3) / np.mean(base)
    near = Verdict(HOLDS if most < NEAR_CHANCE else FAILS, f"at most {most:.0%} of base from n = 3")
    return every(*falls, near)


def _distant_beats_random(arms: Arms) -> Verdict:
    """Each as a share of its own base."""
    raw = Arms(arms.rows, POOLED)

    def share(family: str, treatment: str, n: int) -> float:
        own = np.mean(list(raw.sample(family, treatment, [n]).values()))
        return float(own / np.mean(list(raw.sample(family, BASE).values())))

    family = WHOLE if raw.cuts(WHOLE, RANDOM) else DISTANT
    if not (raw.sample(DISTANT, BASE) and raw.sample(family, BASE)):
        return Verdict(NOT_RUN, "")
    ns = sorted(set(raw.cuts(DISTANT, ANB)) & set(raw.cuts(family, RANDOM)))
    gaps = [share(DISTANT, ANB, n) - share(family, RANDOM, n) for n in ns]
    return above(over(gaps), gaps) if gaps else Verdict(NOT_RUN, "")


def _less_data(arms: Arms) -> Verdict:
    """From all images down to where training fails: a tenth of the best."""
    bases = [r for r in arms.rows if r.treatment == BASE and r.split == WHOLE]
    by_k: dict[float, list[float]] = {}
    for row in bases:
        by_k.setdefault(row.examples or np.inf, []).append(row.best10)
    level = {k: float(np.mean(by_k[k])) for k in sorted(by_k)}
    trained = [k for k in level if level[k] >= NEAR_CHANCE * max(level.values())]
    if len(trained) < 3:
        return Verdict(NOT_RUN, "")
    steps = np.diff([level[k] for k in trained])
    ranks = [(float(i), level[k]) for i, k in enumerate(trained)]
    return above(slope(ranks), steps.tolist())


CLAIMS = (
    Claim(1, "A network on half of the classes scores above one on all.", _base_above_whole,
          (POOLED,)),
    Claim(2, "BnB is as base at n = 1, 2.", _selffer_first),
    Claim(3, "BnB falls below base at n = 3 to 6, most at 4 and 5.", _selffer_dips),
    Claim(4, "BnB recovers at n = 6, 7, and is as base at 7.", _selffer_recovers),
    Claim(5, "BnB+ is as base.", _tuned_selffer),
    Claim(6, "AnB is as base at n = 1, 2, below at 3, far below from 4 on.", _transfer_falls),
    Claim(7, "Co-adaptation costs more than specificity at n = 3 to 5, less at 6, 7.",
          _co_adaptation_then_specificity),
    Claim(8, "AnB+ is above base at every n.", _tuned_transfer),
    Claim(9, "AnB+ is above BnB+ at every n.", lambda arms: boost(arms)[1]),
    Claim(10, "AnB+ rises with the number of layers kept.", _boost_grows),
    Claim(11, "AnB falls more between distant tasks, from n = 2 on.", _distance, (OWN,)),
    Claim(12, "The natural target scores above the man-made one.", _natural_above_man_made,
          (POOLED,)),
    Claim(13, "Random filters: a fall at n = 1, 2, near chance from 3 on.", _random_filters,
          (POOLED,)),
    Claim(14, "Distant transfer beats random filters, relative to base, at every n.",
          _distant_beats_random, (OWN,)),
    Claim(15, "Accuracy falls as images per class are fewer.", _less_data, (POOLED,)),
)  # fmt: skip
