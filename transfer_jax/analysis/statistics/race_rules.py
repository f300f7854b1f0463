"""The rules of a race between ways to train a network, and what it sees of them.

What the answer is about is fixed before the race: with one seed *these networks*, on new images;
with two or more the *ways*, on new seeds and new images. A look may drop a way only by evidence on
that. Accuracy on the way is evidence on something else: learning curves cross, a way that is frozen
leads early and loses late, and no number of images tells at a quarter of the steps what happens
at the end. Nor does one seed tell of others. So such looks *set aside*, for want of money and by
rank, and a way that is set aside is not excluded. They drop only if somebody says by how much a way
may still gain on another (`may_move`): then a way must be so much worse, and the guarantee is
that one's. Curves of complete grids tell what is usual; they are no proof for another dataset.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float

from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.students import CONFIDENCE

SHARES = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Look:
    """When networks are looked at.

    Attributes:
      share: of their steps that those of the last seed have done.
      seeds: how many seeds there are, with that one.
      may_move: by how much the difference of two ways may still change until the answer; 0 where
        this is evidence on what the answer is about; None where nobody knows, and no way is
        dropped.
    """

    share: float
    seeds: int
    may_move: float | None

    def __str__(self) -> str:
        """In words."""
        if self.share < 1:
            return f"after {self.share:.3g} of the steps"
        return "after one seed" if self.seeds == 1 else f"after {self.seeds} seeds"


def looks_of(
    shares: Sequence[float] = SHARES,
    seeds: int = 1,
    may_move: Mapping[float, float] | None = None,
) -> tuple[Look, ...]:
    """The looks of a race: on the way of the first seed, and after each further one.

    Args:
      shares: of the steps of the first seed, up to 1.
      seeds: how many.
      may_move: what somebody takes the most for granted that the difference of two ways may still
        change after a share; other shares drop nothing. With two seeds or more that of 1 is about
        seeds.

    Returns:
      The looks, in order.

    Raises:
      ValueError: shares do not rise to 1, or there is no seed.

    Example:
      >>> [(str(look), look.may_move) for look in looks_of((0.5, 1.0))]
      [('after 0.5 of the steps', None), ('after one seed', 0.0)]
      >>> [(str(look), look.may_move) for look in looks_of((0.5, 1.0), 2, {0.5: 0.1})]
      [('after 0.5 of the steps', 0.1), ('after one seed', None), ('after 2 seeds', 0.0)]
    """
    known = dict(may_move or {})
    rise = [0.0, *shares]
    if rise != sorted(set(rise)) or rise[-1] != 1:
        raise ValueError(
            f"looks are at {list(shares)}; allowed: shares of the steps that rise to 1"
        )
    if seeds < 1:
        raise ValueError(f"a race of {seeds} seeds; allowed: 1 or more")
    if strange := sorted(set(known) - set(shares)):
        raise ValueError(f"may_move is given for {strange[0]}; looks are at {list(shares)}")
    if seeds == 1:
        known[1.0] = 0.0
    first = [Look(share, 1, known.get(share)) for share in shares]
    return (*first, *(Look(1.0, seed, 0.0) for seed in range(2, seeds + 1)))


@dataclass(frozen=True)
class Rules:
    """What is fixed before a race.

    Attributes:
      costs: of training a network of each way to its end, in any unit; of ways that cannot all
        begin, the first ones do. What costs nothing is there already, and always goes on.
      margin: a difference that does not matter.
      looks: when networks are looked at.
      budget: in the unit of the costs.
      error: how often some way may be dropped, or one be chosen, that should not be.
      looking: what it costs to look at one network.
      first: what was spent before the race; the budget is what it left.
      before: of ways that smaller budgets trained, how many looks these paid, out of the budget.
      failed: those of them whose networks failed, as they would again.
      budgets: how many there were, with this one.
    """

    costs: Mapping[Arm, float]
    margin: float
    looks: tuple[Look, ...] = looks_of()
    budget: float = math.inf
    error: float = 1 - CONFIDENCE
    looking: float = 0.0
    first: float = 0.0
    before: Mapping[Arm, int] = field(default_factory=dict)
    failed: frozenset[Arm] = frozenset()
    budgets: int = 1

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The ways, in the order in which they begin."""
        return tuple(self.costs)

    @cached_property
    def parts(self) -> tuple[float, ...]:
        """What share of a network's training lies between one look and the next."""
        done = [0.0, *(look.seeds - 1 + look.share for look in self.looks)]
        return tuple(after - before for before, after in pairwise(done))

    def whole(self, arm: Arm) -> list[float]:
        """What a network of a way costs, look by look, whoever pays.

        Args:
          arm: the way.

        Returns:
          The price of training up to each look, and of that.
        """
        cost = self.costs[arm]
        return [cost * part + self.looking * bool(cost) for part in self.parts]

    def prices(self, arm: Arm, done: int = 0) -> list[float]:
        """What is left to pay for a network of a way, look by look.

        Args:
          arm: the way.
          done: looks that are over.

        Returns:
          The price of training up to each further look, and of that; 0 where it was paid before.
        """
        paid = len(self.looks) if arm in self.failed else self.before.get(arm, 0)
        left = [0.0 if number < paid else price for number, price in enumerate(self.whole(arm))]
        return left[done:]

    def is_there(self, arm: Arm) -> bool:
        """Whether nothing of a way is left to pay: such a way always goes on.

        Args:
          arm: the way.

        Returns:
          That it is a linear head, or was trained to its end before, or failed.
        """
        return not any(self.prices(arm))

    def is_free(self, arm: Arm, done: int = 0) -> bool:
        """Whether the next look of a way costs nothing: money is no reason to stop before it.

        Args:
          arm: the way.
          done: looks that are over.

        Returns:
          That it is a linear head, or that a smaller budget paid for that look, or that it failed.
        """
        return not self.prices(arm, done)[0]

    @property
    def unfinished(self) -> tuple[Arm, ...]:
        """The ways that something is left to pay of, in the order in which they begin."""
        return tuple(arm for arm in self.arms if not self.is_there(arm))

    @property
    def paid_before(self) -> float:
        """What smaller budgets paid for ways."""
        return sum(sum(self.whole(arm)[:looks]) for arm, looks in self.before.items())

    @property
    def left(self) -> float:
        """What the budget has for the unfinished ways."""
        return self.budget - self.paid_before

    @property
    def complete(self) -> float:
        """What it costs to train all ways to the end, and to look at them then only."""
        paid = [cost for cost in self.costs.values() if cost]
        return self.looks[-1].seeds * (sum(paid) + self.looking * len(paid))

    @property
    def enough(self) -> float:
        """The budget that sets no way aside: a race must be able to pay for all to their ends."""
        return self.first + self.paid_before + sum(sum(self.prices(arm)) for arm in self.arms)

    @property
    def error_of_a_look(self) -> float:
        """Looks that may drop a way have equal parts of the error, and the choice two (Bonferroni).

        So each look is a test of its own, and may be exact for the images that it sees. Of the
        choice's, one is for a choice among all ways, one for one among those not set aside.
        """
        return self.error / (2 + sum(look.may_move is not None for look in self.looks))

    @property
    def about_ways(self) -> bool:
        """Whether the answer is about ways on new seeds; else about these networks."""
        return self.looks[-1].seeds > 1


@dataclass(frozen=True)
class Seen:
    """What a look sees of a way.

    Attributes:
      accuracy: of its network of each seed on the validation images; nan for one that failed.
      images: how many these are.
      right: which images each network gets right; None where that was not kept.
    """

    accuracy: Float[np.ndarray, " seed"]
    images: int
    right: Bool[np.ndarray, "seed image"] | None = None

    @classmethod
    def of(cls, right: Bool[np.ndarray, "seed image"]) -> "Seen":
        """A way of which it is known which images it gets right.

        Args:
          right: a row a seed.

        Returns:
          It, with its accuracies.

        Example:
          >>> Seen.of(np.array([[1, 0, 1, 1]], bool)).mean
          0.75
        """
        return cls(right.mean(axis=1), right.shape[1], right)

    @property
    def mean(self) -> float:
        """Accuracy, the mean over seeds."""
        return float(np.mean(self.accuracy))
