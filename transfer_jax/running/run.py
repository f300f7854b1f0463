"""A run: what its columns start from, where they stand, and whether it is finished."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np

from transfer_jax.analysis.raced import races_of
from transfer_jax.engine.columns import (
    ColumnStart,
    Init,
    column_inputs,
    column_key,
    column_order,
    initial_networks,
)
from transfer_jax.folder.results import ResultRow, check_complete, read_rows
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Column
from transfer_jax.grid.families import Family, family_of
from transfer_jax.plan.base import Base
from transfer_jax.plan.differences import fingerprint
from transfer_jax.plan.initialisers import Initialisers
from transfer_jax.plan.optimizer_fields import in_state, rates_of
from transfer_jax.plan.plan import Plan
from transfer_jax.running.bases import bases_of
from transfer_jax.running.claim import claim
from transfer_jax.running.column_checkpoints import ColumnCheckpoints
from transfer_jax.running.pilot import Pilot
from transfer_jax.running.ways import ended, raced_rows, way_runs

if TYPE_CHECKING:
    from transfer_jax.analysis.evidence import Evidence
    from transfer_jax.analysis.statistics.crossing import Arm


@dataclass(frozen=True, eq=False)
class Run:
    """A plan and the folder that it is carried out in.

    Attributes:
      plan: the plan.
      folder: the folder.
      initialisers: those of all runs that are trained together, so that each is compiled once.
      tests: whether networks are judged by test images, too; those of a pilot never are.
      donors: gives the folder that conditions copy base networks and solved heads from; None: the
        run's own.
      of_all: the plan of all runs that one race is between, which share what is kept of frozen
        layers; None: its own.
      command: what was typed for it, where that is more than `run` and its config.
    """

    plan: Plan
    folder: Workdir
    initialisers: Initialisers = field(default_factory=Initialisers)
    tests: bool = True
    donors: Callable[[], Workdir] | None = None
    of_all: Plan | None = None
    command: str = ""

    @functools.cached_property
    def pilot(self) -> Pilot:
        """What chooses its learning rates."""
        return Pilot(self)

    @property
    def is_raced(self) -> bool:
        """Whether a budget decides which of its networks are trained, and how far."""
        return self.plan.config.budget > 0

    @functools.cached_property
    def ways(self) -> "dict[Arm, Run]":
        """A run for each way of a race; none where all networks are trained, or in one of these."""
        return way_runs(self) if self.is_raced and self.of_all is None else {}

    def rate(self, family: Family) -> float:
        """What the learning rate of a family of networks is multiplied by."""
        first, *others = rates_of(self.plan.config.optimizer)
        return self.pilot.rate(family) if others else first

    @property
    def init(self) -> Init:
        """Makes a fresh network from a key."""
        return self.initialisers.of(self.plan)

    def is_finished(self) -> bool:
        """Whether the folder holds all results of this very plan.

        Raises:
          WorkdirError: the folder is another run's.
        """
        if not (self.folder.config.exists() and self.folder.results.exists()):
            return False
        held = claim(self.folder, self.plan.config, self.plan.recipe.images)
        if held.budget != self.plan.config.budget:
            return False
        # What is lost, or was deleted since it was damaged, is solved and seen again.
        if not all(self.folder.heads(column).exists() for column in self.plan.probes):
            return False
        return all(own.outcome.is_over for own in races_of(self.folder.path))

    def has_finished(self, column: Column) -> bool:
        """Whether a column's rows are there, which are written last of all."""
        return self.folder.column(column).exists()

    def checkpoints(self, column: Column) -> ColumnCheckpoints:
        """Where a column in training is kept."""
        identity = {
            "run": fingerprint(self.plan.config, self.plan.recipe.images),
            "column": column.name,
            "cuts": [cut.label for cut in column.cuts],
            "key": np.asarray(jax.random.key_data(column_key(column))).tolist(),
        }
        return ColumnCheckpoints(self.folder.checkpoints(column), identity)

    def bases(self, split: str) -> Mapping[str | None, Base]:
        """The base networks that conditions of a split copy from, by what they call them."""
        return bases_of(self.plan, self.donor, self.plan.splits[split], self.init)

    @property
    def donor(self) -> Workdir:
        """The folder that conditions copy base networks and solved heads from."""
        return self.donors() if self.donors else self.folder

    def start(self, column: Column) -> ColumnStart:
        """What a column starts from at its first step."""
        plan = self.plan
        base = self.bases(column.split)[column.base]
        variables = base.variables(column.seed)
        where = (column, plan.splits[column.split], plan.recipe)
        inputs = column_inputs(*where, base.mean(plan.recipe))
        networks = initial_networks(column, plan.network.layer_names, self.init, variables)
        networks = base.begun(plan.network, column, networks, self.donor)
        if not self.tests:
            inputs = inputs._replace(test_batches=np.full_like(inputs.test_batches, -1))
        optimizer = plan.config.optimizer
        return ColumnStart(
            networks=networks,
            base=variables,
            inputs=inputs,
            order=column_order(*where),
            settings={c.label: in_state(optimizer, self.rate(family_of(c))) for c in column.cuts},
        )

    def rows(self) -> list[ResultRow]:
        """The rows of all columns, when they are finished.

        Raises:
          ResultsError: a network's row is missing or damaged.
        """
        if self.is_raced:
            return raced_rows(self)
        tables = [self.folder.column(column) for column in self.plan.every_column()]
        rows = [row for table in tables for row in read_rows(table)]
        check_complete(self.folder.path / "columns", rows, self.plan.networks)
        return rows

    def evidence(self) -> "Evidence":
        """What the folder of a finished run holds.

        Raises:
          ResultsError: the results are damaged or not what the plan asks for.
        """
        from transfer_jax.analysis.reading import read_evidence

        rows = read_rows(self.folder.results)
        networks = ended(self) if self.is_raced else self.plan.networks
        check_complete(self.folder.results, rows, networks)
        return read_evidence(self.folder.path, rows)


class RunColumn(NamedTuple):
    """A column, and the run that it belongs to."""

    run: Run
    column: Column

    @property
    def steps(self) -> int:
        """Its training steps."""
        return self.column.steps(self.run.plan.recipe.steps)

    @property
    def is_finished(self) -> bool:
        """Whether its rows are there."""
        return self.run.has_finished(self.column)
