"""What the choice of test images adds to the variance of a contrast.

Test images are crossed with the units. What a unit has of its own image by image is in the
differences between units already, so that images count only with what units have in common.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from transfer_jax.analysis.statistics.crossing import Arm, Cell, Group
from transfer_jax.folder.results import ResultRow

# A network's test: numbers of the images, and 1 where it is right.
Tested = tuple[Int[np.ndarray, " example"], Float[np.ndarray, " example"]]
TestOf = Callable[[ResultRow], Tested | None]


class Influence(NamedTuple):
    """What each test image moves each arm's mean by, and how much of that units have in common.

    Attributes:
      total: of all units together.
      products: of every two arms, unit by unit.
      units: how many units see an image, on average: all where the tasks share the images.
    """

    total: Float[np.ndarray, "arm image"]
    products: Float[np.ndarray, "arm arm"]
    units: float

    def common(
        self, weights: Float[np.ndarray, "contrast arm"]
    ) -> Float[np.ndarray, "contrast image"]:
        """What images move contrasts by, shrunk to what units have in common.

        Args:
          weights: of each arm.

        Returns:
          Vectors whose scalar products are covariances.

        Source: Owen (2007), The pigeonhole bootstrap, for crossed samples.
        """
        moved = weights.astype(np.float32) @ self.total
        whole = np.square(moved).sum(axis=1, dtype=float)
        each = np.einsum("ja,ab,jb->j", weights, self.products, weights)
        units = self.units
        # What a unit has of its own is the spread between units, image by image.
        own = (each - whole / units) * units / (units - 1) if units > 1 else np.zeros_like(each)
        shared = np.clip(whole - own, 0, whole)
        scale = np.sqrt(np.divide(shared, whole, out=np.zeros_like(whole), where=whole > 0))
        return moved * scale[:, None]

    def covariance(self) -> Float[np.ndarray, "arm arm"]:
        """What images give to the covariance of arms, of what units have in common.

        Returns:
          The nearest matrix that can be one.
        """
        whole = (self.total @ self.total.T).astype(float)
        units = self.units
        own = (self.products - whole / units) * units / (units - 1) if units > 1 else 0.0
        values, vectors = np.linalg.eigh(whole - own)
        return (vectors * np.maximum(values, 0)) @ vectors.T


class Images:
    """The tests of a group's networks, image by image.

    Args:
      places: the group's.
      of_units: which places belong to each unit.
      test_of: the test of a network; None where it was not kept.
    """

    def __init__(
        self,
        group: Group,
        places: Sequence[Cell],
        of_units: Bool[np.ndarray, "unit place"],
        test_of: TestOf,
    ) -> None:
        self._arms, self._rows, self._places = group.arms, group.rows, places
        self._of_units, self._test_of = of_units, test_of
        self._found: dict[bytes, Influence] = {}
        held = (row for places in group.rows.values() for rows in places.values() for row in rows)
        tests = [test_of(row) for row in held]
        known = [test[0] for test in tests if test is not None]
        self.are_known = 0 < len(known) == len(tests)
        self.size = max((int(numbers.max(initial=-1)) + 1 for numbers in known), default=0)
        # Images of the smallest test.
        self.fewest = min(map(len, known), default=0)

    def influence(self, shares: Float[np.ndarray, " place"]) -> Influence:
        """What each image moves each arm's mean by.

        Args:
          shares: how much each place counts.

        Returns:
          It, kept for contrasts of the same places: mostly all are.
        """
        key = shares.tobytes()
        if key not in self._found:
            self._found[key] = self._influence(shares)
        return self._found[key]

    def _influence(self, shares: Float[np.ndarray, " place"]) -> Influence:
        total = np.zeros((len(self._arms), self.size), np.float32)
        products = np.zeros((len(self._arms),) * 2)
        seen = np.zeros(self.size, int)
        for unit in self._of_units:
            own, here = np.zeros_like(total), np.zeros(self.size, bool)
            for i in np.flatnonzero(unit & (shares > 0)).tolist():
                self._add(own, here, self._places[i], shares[i])
            total += own
            products += own @ own.T
            seen += here
        return Influence(total, products, seen.sum() / max(1, np.count_nonzero(seen)))

    def _add(
        self,
        own: Float[np.ndarray, "arm image"],
        here: Bool[np.ndarray, " image"],
        place: Cell,
        share: float,
    ) -> None:
        """Each arm's networks at a place; an arm that is not there adds nothing."""
        rows: Mapping[Arm, Mapping[Cell, tuple[ResultRow, ...]]] = self._rows
        for i, arm in enumerate(self._arms):
            found = rows[arm].get(place, ())
            for row in found:
                test = self._test_of(row)
                assert test is not None
                numbers, right = test
                weight = np.float32(share / len(numbers) / len(found))
                own[i, numbers] += (right - right.mean()) * weight
                here[numbers] = True
