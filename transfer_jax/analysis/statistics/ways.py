"""The ways to train a target network that a group of networks can compare, and what fails to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from transfer_jax.analysis.statistics.best import Ways
from transfer_jax.analysis.statistics.choices import (
    TRANSFERRED,
    cost_of,
    is_pretrained,
    name_of,
)
from transfer_jax.analysis.statistics.crossing import Arm, Cell, Group
from transfer_jax.analysis.statistics.failures import failures
from transfer_jax.analysis.statistics.images import TestOf
from transfer_jax.analysis.statistics.noise import Noise, noise_of
from transfer_jax.analysis.statistics.sampling import Sampler
from transfer_jax.grid.pretrained import SOLVED

SHOWN = 4


@dataclass(frozen=True)
class Contest:
    """Ways that were all run at the same places.

    Attributes:
      group: their networks, and none else.
      arms: the ways, the control first.
      left_out: sentences on what cannot be compared, and why.
      failed: ways that are left out because a network of theirs failed.
    """

    group: Group
    arms: tuple[Arm, ...]
    left_out: tuple[str, ...]
    failed: frozenset[Arm]

    def ways(self, group: Group, test_of: TestOf) -> "tuple[Ways, bool] | None":
        """The ways as numbers.

        Args:
          group: the networks on the images that they are judged by.
          test_of: the test of a network.

        Returns:
          Them, and whether it is known what images they get right; None for one unit.
        """
        found = Sampler(_kept(group, self.arms, self.group.places), test_of)
        apart = found.apart()
        order = [found.arms.index(arm) for arm in self.arms]
        if not apart.freedom:
            return None
        parts = apart.parts[order]
        images = np.zeros((len(order), len(order)))
        if apart.images is not None:
            images = apart.images[np.ix_(order, order)]
        noise = noise_of_arms(self.arms, parts, apart.freedom, apart.rounding)
        return Ways(apart.mean[order], parts, noise, images), apart.images is not None

    def means(self, group: Group | None = None) -> np.ndarray:
        """Accuracy of each way.

        Args:
          group: the networks on other images; None for the group's own.

        Returns:
          It, in the order of the arms.
        """
        held = _kept(group or self.group, self.arms, self.group.places)
        found = Sampler(held, lambda _: None)
        apart = found.apart()
        return apart.mean[[found.arms.index(arm) for arm in self.arms]]


def contest(group: Group) -> Contest:
    """What of a group can be compared.

    A place is a target of a seed of a split. Of places, those count that the control and most ways
    have; of ways, those that have them all. A network that failed is as one that is not there.

    Args:
      group: networks with their accuracies on test images, and one to compare with among them.

    Returns:
      The ways; the control alone where no way has what it has.
    """
    control = reference(group)
    assert control is not None
    ways = [arm for arm in group.arms if arm.treatment in TRANSFERRED and arm != control]
    failed = {
        (arm, place): f"{told_place(place)}: {name_of(arm, group.layers)} {why}."
        for (arm, place), why in failures(group, [control, *ways]).items()
    }
    there = {
        arm: {place for place in group.rows[arm] if (arm, place) not in failed}
        for arm in (control, *ways)
    }
    most = [
        place
        for place in sorted(there[control])
        if 2 * sum(place in there[arm] for arm in ways) >= len(ways)
    ]
    kept = [arm for arm in ways if set(most) <= there[arm]] if most else []
    lost_ways = frozenset(arm for arm, _ in failed if arm in ways and arm not in kept)
    left_out = [*failed.values()]
    for arm in ways:
        if arm not in kept:
            lost = [place for place in most or group.places if place not in there[arm]]
            why = "failed" if all((arm, place) in failed for place in lost) else "are missing"
            left_out.append(
                f"Left out of the comparison: {name_of(arm, group.layers)}; {len(lost)} of its "
                f"networks {why}."
            )
    if dropped := [place for place in group.places if place not in most and _asked(place, group)]:
        told = ", ".join(map(told_place, dropped[:SHOWN])) + (" and more" * (len(dropped) > SHOWN))
        left_out.append(f"Not compared, since the control or most ways are not there: {told}.")
    return Contest(
        _kept(group, [control, *kept], most), (control, *kept), tuple(left_out), lost_ways
    )


def reference(group: Group) -> Arm | None:
    """What gains are told against: the control; without one, where layers come from given weights,
    the way that trains the most.

    Args:
      group: networks.

    Returns:
      It; None where there is nothing to compare with.
    """
    if group.control or not is_pretrained(group):
        return group.control
    ways = [arm for arm in group.arms if arm.treatment in TRANSFERRED]
    return max(ways, key=cost_of, default=None)


def _asked(place: Cell, group: Group) -> bool:
    """Whether some way or the control is at a place; other treatments do not count here."""
    control = group.control
    arms = (arm for arm in group.rows if arm == control or arm.treatment in TRANSFERRED)
    return any(place in group.rows[arm] for arm in arms)


def _kept(group: Group, arms: Sequence[Arm], places: Sequence[Cell]) -> Group:
    rows = {
        arm: {place: group.rows[arm][place] for place in places if place in group.rows[arm]}
        for arm in arms
    }
    return replace(group, rows=rows)


def told_place(place: Cell) -> str:
    """A place in words.

    Args:
      place: a target of a seed of a split.

    Returns:
      The words.

    Example:
      >>> told_place(Cell("distant", 0, "A"))
      'distant, seed 0, target A'
    """
    return f"{place.split}, seed {place.seed}, target {place.target}"


def noise_of_arms(
    arms: Sequence[Arm], parts: Float[np.ndarray, "way unit"], freedom: float, rounding: float
) -> Noise:
    """The noise of some ways, whose families are known.

    Args:
      parts: as in `noise_of`.
      freedom: as in `noise_of`.
      rounding: as in `noise_of`.

    Returns:
      It; a way that is the same in every unit because it is solved, and not by luck, is still.
    """
    families = [(arm.treatment, arm.variant) for arm in arms]
    still = [arm.variant in SOLVED and not own.any() for arm, own in zip(arms, parts, strict=True)]
    return noise_of(parts, freedom, families, rounding, np.array(still))
