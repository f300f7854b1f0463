"""The pilot of a run: trained first, in folders of its own; learning rates are chosen by it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from transfer_jax.folder.correctness import read_correctness
from transfer_jax.folder.rates import RateRow
from transfer_jax.folder.results import ResultRow, read_rows
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Column, Condition
from transfer_jax.grid.families import Family, family_of
from transfer_jax.grid.grid import columns
from transfer_jax.plan.choice import Tried, best_rate, chosen_rate, mean_accuracy
from transfer_jax.plan.pilot import pilot_plans

if TYPE_CHECKING:
    from transfer_jax.running.run import Run


class Pilot:
    """The runs that a pilot is made of, one a rate; none where there is nothing to choose.

    Conditions copy from the base networks of the rate that was chosen for these. What is chosen
    follows from the tables in the folder alone, so a pilot may be stopped, and all processes agree.

    Args:
      run: the run whose rates it chooses.
    """

    def __init__(self, run: "Run") -> None:
        self.folder, self.images = run.folder, run.plan.recipe.images
        self.is_pretrained = run.plan.is_pretrained
        # Of columns that are finished; what is on disk of these does not change any more.
        self.tried: dict[Family, dict[float, Tried]] = {}
        self.results: dict[tuple[float, Column], dict[str, ResultRow]] = {}
        self.runs = {
            rate: replace(run, plan=plan, folder=self._folder(rate), tests=False, donors=None)
            for rate, plan in pilot_plans(run.plan).items()
        }
        self.copying = {rate: replace(own, donors=self._donors) for rate, own in self.runs.items()}

    def waves(self) -> "Iterator[list[tuple[Run, Column]]]":
        """The base networks at every rate, then the conditions."""
        yield [(run, c) for run in self.runs.values() for c in columns(run.plan.bases)]
        copying = self.copying.values()
        yield [(run, c) for run in copying for c in run.plan.columns(run.plan.grid)]

    def chosen(self) -> dict[str, float]:
        """The rate of each family that was tried; its networks are all trained."""
        return {str(family): chosen_rate(tried) for family, tried in self._all_tried().items()}

    def best(self) -> dict[str, float]:
        """The rate at which each family did best, of which noise may make another the chosen."""
        return {str(family): best_rate(tried) for family, tried in self._all_tried().items()}

    def rate(self, family: Family) -> float:
        """The rate of a family that was tried."""
        return chosen_rate(self._tried(family))

    def rows(self) -> list[RateRow]:
        """How each family did at each rate, by split, target and number of examples."""
        return [
            self._row(rate, family, networks)
            for family in Family
            for networks in self._by_place(family)
            for rate in self.runs
        ]

    def _folder(self, rate: float) -> Workdir:
        return Workdir(self.folder.path / "pilot" / f"rate{rate:g}")

    def _donors(self) -> Workdir:
        if self.is_pretrained:
            return self.folder  # No base network is trained; heads are solved in the run's own.
        return self._folder(self.rate(Family.SCRATCH))

    def _networks(self, family: Family) -> list[tuple[Column, Condition]]:
        """The networks of a family, the same at every rate."""
        plan = next(iter(self.runs.values())).plan
        return [
            (column, condition)
            for column in plan.columns(plan.networks)
            for cut, condition in zip(column.cuts, column.conditions, strict=True)
            if family_of(cut) == family
        ]

    def _by_place(self, family: Family) -> list[list[tuple[Column, Condition]]]:
        places: dict[tuple[str, str, int | None], list[tuple[Column, Condition]]] = {}
        for column, condition in self._networks(family):
            place = (column.split, column.target, column.examples)
            places.setdefault(place, []).append((column, condition))
        return list(places.values())

    def _all_tried(self) -> dict[Family, dict[float, Tried]]:
        return {family: self._tried(family) for family in Family if self._networks(family)}

    def _tried(self, family: Family) -> dict[float, Tried]:
        if family not in self.tried:
            self.tried[family] = {rate: self._at(rate, family) for rate in self.runs}
        return self.tried[family]

    def _at(self, rate: float, family: Family) -> Tried:
        networks = self._networks(family)
        held = {
            column: read_correctness(self._folder(rate).validated(column)) for column, _ in networks
        }
        judged = [(held[column].images, held[column].right(c.label)) for column, c in networks]
        images = int(np.sum(self.images.is_validation))
        diverged = sum(self._result(rate, *network).diverged > 0 for network in networks)
        return Tried(mean_accuracy(judged, images), diverged)

    def _result(self, rate: float, column: Column, condition: Condition) -> ResultRow:
        if (rate, column) not in self.results:
            rows = read_rows(self._folder(rate).column(column))
            self.results[rate, column] = {row.label: row for row in rows}
        return self.results[rate, column][condition.label]

    def _row(
        self, rate: float, family: Family, networks: list[tuple[Column, Condition]]
    ) -> RateRow:
        found = [self._result(rate, *network) for network in networks]
        column, _ = networks[0]
        return RateRow(
            column.split,
            column.target,
            column.examples or 0,
            family,
            rate,
            float(np.mean([row.validation for row in found])),  # pyright: ignore
            len(found),
            sum(row.diverged > 0 for row in found),
        )
