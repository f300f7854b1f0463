"""What a look of a race shows: which ways are worse than some other one, and which good enough.

Networks of one seed are compared on the images: that one is worse, by an exact test; that it is
near the best, or where only accuracies are known, by bets. Ways with two seeds or more are compared
as advice compares them (`best`), with seeds and images as samples. That ways are worse holds for
all ways at once, and for all that entered: those that left still count, since those that are here
were not picked by lot. So it does not matter by what rule some were set aside. That a way is near
the best needs less where none was: the best of all is one way, though nobody knows which (Hsu). The
best of those that are left may be any.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from transfer_jax.analysis.statistics import students
from transfer_jax.analysis.statistics.best import TINY, Ways, compare
from transfer_jax.analysis.statistics.betting import (
    Paired,
    evidence,
    images_to_show,
    paired,
    paired_at_worst,
)
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.exact import is_above
from transfer_jax.analysis.statistics.images import Influence
from transfer_jax.analysis.statistics.race_rules import Seen
from transfer_jax.analysis.statistics.rounding import variance_of
from transfer_jax.analysis.statistics.ways import noise_of_arms


@dataclass(frozen=True)
class Asked:
    """What is asked of a look.

    Attributes:
      entered: how many ways began the race.
      margin: a difference that does not matter.
      error: how often some way may be wrongly called worse, at most; and some wrongly near.
      all_here: whether none was set aside, so that the best of all is here unless it was wrongly
        dropped.
    """

    entered: int
    margin: float
    error: float
    all_here: bool

    @property
    def bests(self) -> int:
        """How many ways the best one may be, whichever were set aside."""
        return 1 if self.all_here else self.entered

    @property
    def worse(self) -> float:
        """What a stake must become to show that a way is worse than another one: its logarithm."""
        return math.log(max(1, self.entered * (self.entered - 1)) / self.error)

    @property
    def near(self) -> float:
        """The same to show that a way is near another one."""
        return math.log(max(1, self.bests * (self.entered - 1)) / self.error)


@dataclass(frozen=True)
class Compared:
    """The ways of a look.

    Attributes:
      worse: shown to be worse than some other one by more than the margin.
      near: shown to be within the margin of every other one.
      below: by how much accuracies are below the highest.
      error: standard error of that.
    """

    worse: Bool[np.ndarray, " way"]
    near: Bool[np.ndarray, " way"]
    below: Float[np.ndarray, " way"]
    error: Float[np.ndarray, " way"]


def by_nothing(seen: Sequence[Seen]) -> Compared:
    """Ways at a look that can show nothing.

    Args:
      seen: the ways that are here.

    Returns:
      How far they are below the highest.
    """
    best, none = seen[_highest(seen)], np.zeros(len(seen), bool)
    pairs = [_paired(best, other) for other in seen]
    return Compared(none, none, *np.array([[own.mean, own.error] for own in pairs]).T)


def by_images(seen: Sequence[Seen], asked: Asked) -> Compared:
    """Compare networks, or the means of some, on new images.

    Evidence against a way is the mean over all others that entered of what was won by betting
    against it: it is a fair stake's, as each of them is, if the way is within the margin of the
    best. Those that are not here won nothing. An exact test is the bet that wins just enough or
    nothing: with 1/k at most, k times the stake.

    Args:
      seen: the ways that are here.
      asked: what is asked.

    Returns:
      What is shown.
    """
    found = [[_paired(one, other) for other in seen] for one in seen]
    lead = _highest(seen)
    others = [[j for j in range(len(seen)) if j != i] for i in range(len(seen))]
    exact = all(own.right is not None and len(own.right) == 1 for own in seen)
    won = [[_against(found[j][i], asked, exact) for j in own] for i, own in enumerate(others)]
    kept = [[evidence(found[i][j], -asked.margin) for j in own] for i, own in enumerate(others)]
    return Compared(
        np.array([bool(np.logaddexp.reduce(own) >= asked.worse - TINY) for own in won]),
        np.array([min(own, default=math.inf) >= asked.near for own in kept]),
        np.array([pairs.mean for pairs in found[lead]]),
        np.array([pairs.error for pairs in found[lead]]),
    )


def _against(pairs: Paired, asked: Asked, exact: bool) -> float:
    """What a stake has become: its logarithm."""
    if not exact:
        return evidence(pairs, asked.margin)
    is_worse = is_above(pairs, asked.margin, math.exp(-asked.worse))
    return asked.worse if is_worse else -math.inf


def by_seeds(arms: Sequence[Arm], seen: Sequence[Seen], asked: Asked) -> Compared:
    """Compare ways on new seeds and new images.

    Args:
      arms: the ways that are here.
      seen: what is seen of them.
      asked: what is asked.

    Returns:
      What is shown: by the limits that advice has. As often as the ways that entered are more than
      those that are here, a limit's error is shared out.
    """
    ways, lead = ways_of(arms, seen), _highest(seen)
    if len(arms) == 1:
        alone = np.zeros(1)
        return Compared(alone > 0, alone == 0, alone, alone)
    times = math.ceil((asked.entered - 1) / (len(arms) - 1))
    confidence = 1 - asked.error / (times * asked.bests)
    among = asked.entered // asked.bests
    standing = compare(ways, asked.margin, confidence=confidence, among=among)
    below = ways.mean[lead] - ways.mean
    return Compared(standing.excluded, standing.may_be_chosen, below, ways.error[lead])


def enough_images(seen: Sequence[Seen], asked: Asked) -> int | None:
    """How many images would show the highest to be within the margin of all others.

    Args:
      seen: the ways that are here, one seed each.
      asked: what is asked.

    Returns:
      About so many, if more are like these; None where no number would do.
    """
    best = seen[_highest(seen)]
    pairs = [_paired(best, other) for other in seen if other is not best]
    numbers = [images_to_show(own, -asked.margin, asked.near) for own in pairs]
    known = [number for number in numbers if number is not None]
    return max(known, default=None) if len(known) == len(numbers) else None


def enough_seeds(
    arms: Sequence[Arm], seen: Sequence[Seen], asked: Asked
) -> tuple[int | None, int | None]:
    """The same of ways with two seeds or more: how many images, or how many seeds.

    Args:
      arms: the ways that are here, two or more.
      seen: what is seen of them.
      asked: what is asked.

    Returns:
      About so many of each, if the other stays as it is; None where no number would do.
    """
    ways, lead = ways_of(arms, seen), _highest(seen)
    images, seeds = seen[0].images, len(seen[0].accuracy)
    shared = np.diag(ways.images)
    of_images = np.maximum(shared + shared[lead] - 2 * ways.images[lead], 0)
    of_seeds = ways.error[lead] ** 2 - of_images
    share = asked.error / (asked.bests * (asked.entered - 1))
    reach = students.quantile((seeds - 1) * (len(arms) - 1), sides=1, confidence=1 - share)
    allowed = ((ways.mean[lead] - ways.mean + asked.margin) / reach) ** 2
    of_images, of_seeds, allowed = (np.delete(x, lead) for x in (of_images, of_seeds, allowed))
    return (
        _times(images, of_images, of_seeds, allowed),
        _times(seeds, of_seeds, of_images, allowed),
    )


def _highest(seen: Sequence[Seen]) -> int:
    return int(np.argmax([own.mean for own in seen]))


def _paired(first: Seen, second: Seen) -> Paired:
    if first.right is not None and second.right is not None:
        return paired(first.right, second.right)
    return paired_at_worst(first.mean, second.mean, first.images)


def ways_of(arms: Sequence[Arm], seen: Sequence[Seen]) -> Ways:
    """Ways with two seeds or more, as advice compares them.

    Args:
      arms: the ways.
      seen: what is seen of them.

    Returns:
      Their means over seeds, and what makes these uncertain.
    """
    accuracy = np.array([own.accuracy for own in seen])
    seeds = accuracy.shape[1]
    mean = accuracy.mean(axis=1)
    parts = (accuracy - mean[:, None]) / np.sqrt(seeds * (seeds - 1))
    noise = noise_of_arms(arms, parts, seeds - 1.0, variance_of(1 / seen[0].images) / seeds)
    return Ways(mean, parts, noise, _covariance(seen))


def _covariance(seen: Sequence[Seen]) -> np.ndarray:
    """What images give to the covariance of ways, of what seeds have in common."""
    right = np.array([own.right for own in seen if own.right is not None], np.float32)
    if len(right) < len(seen):
        return np.zeros((len(seen),) * 2)
    _, seeds, images = right.shape
    moved = (right - right.mean(axis=2, keepdims=True)) / np.float32(seeds * images)
    products = np.einsum("asi,bsi->ab", moved, moved).astype(float)
    return Influence(moved.sum(axis=1), products, float(seeds)).covariance()


def _times(there: int, own: np.ndarray, other: np.ndarray, allowed: np.ndarray) -> int | None:
    """How many make their own variance small enough; None where the other one is too large."""
    if (allowed <= other).any():
        return None
    return math.ceil(there * max(1.0, float((own / (allowed - other)).max())))
