"""Whether transfer costs more on one kind of split than on another: a test, not two sentences."""

from collections.abc import Iterator, Sequence

from transfer_jax.analysis.statistics.crossing import RANDOM_HALVES
from transfer_jax.analysis.statistics.effects import GAIN, Effect, Effects, Quantity, adjusted
from transfer_jax.analysis.statistics.inference import independent
from transfer_jax.grid.conditions import Treatment

LESS = " less "
BETWEEN_SPLITS = "gain over base, between splits"


def between_splits(found: Sequence[Effects]) -> tuple[Effect, ...]:
    """What AnB and AnB+ gain over base on random halves, less what they gain on other splits.

    Groups share no network, so their numbers are compared as independent samples. They may share
    test images; where these move both the same way, the interval is a little too wide.

    Args:
      found: the numbers of each group.

    Returns:
      An effect a pair of groups, treatment and cut; above 0 where the other split costs more.

    Source: Welch (1947), The generalization of "Student's" problem.
    """
    pairs = (
        (halves, other)
        for halves in found
        if halves.group.family == RANDOM_HALVES
        for other in found
        if other.group.family != RANDOM_HALVES and other.group.examples == halves.group.examples
    )
    return tuple(adjusted([effect for pair in pairs for effect in _between(*pair)]))


def _between(halves: Effects, other: Effects) -> Iterator[Effect]:
    name = f"{halves.group.name}{LESS}{other.group.name}"
    for treatment in (Treatment.TRANSFER, Treatment.TRANSFER_PLUS):
        there = {effect.quantity.first_n: effect for effect in other.of(GAIN, treatment)}
        for effect in halves.of(GAIN, treatment):
            n = effect.quantity.first_n
            if n in there:
                estimate = independent(effect.estimate, there[n].estimate)
                quantity = Quantity(BETWEEN_SPLITS, treatment, "", n, n)
                pooled = effect.pooled - there[n].pooled
                yield Effect(name, quantity, estimate, estimate.p, None, (), pooled)
