"""Programs that are compiled once, whoever asks for them: a run's columns, or its pilot's."""

from collections.abc import Hashable

from jax.sharding import Mesh

from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.grid.conditions import Column
from transfer_jax.plan.plan import Plan


class Programs:
    """Keeps compiled programs."""

    def __init__(self) -> None:
        self.compiled: dict[Hashable, CompiledProgram] = {}

    def of(self, plan: Plan, column: Column, mesh: Mesh) -> CompiledProgram:
        """The program of a column.

        Args:
          plan: the plan of its run.
          mesh: the devices that it is trained on.

        Returns:
          The program; that of another column where they share one.
        """
        key = (mesh, plan.program_key(column.cuts, column.trainings))
        if key not in self.compiled:
            program = plan.program(column.cuts, column.trainings)
            self.compiled[key] = CompiledProgram(program, mesh, lean=plan.is_pretrained)
        return self.compiled[key]
