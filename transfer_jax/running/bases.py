"""Where the layers that conditions copy come from; all kinds of base network are alike to them."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax

from transfer_jax.engine.columns import Init, Normalisation, task_normalisation
from transfer_jax.engine.recipe import Recipe
from transfer_jax.folder.checkpoints import restore, save
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import RANDOM_BASE, SCRATCH_BASE, Column, Condition, Split, Task
from transfer_jax.grid.grid import base_condition
from transfer_jax.grid.keys import key_for
from transfer_jax.models.layered import Layered, Variables, as_stored, from_stored
from transfer_jax.plan.base import Base
from transfer_jax.plan.plan import Plan


class OfCopies:
    """A base whose copied layers are all that others have of it."""

    def begun(
        self, network: Layered, column: Column, networks: dict[str, Variables], heads: Workdir
    ) -> dict[str, Variables]:
        """Fresh but for what is copied."""
        return networks


@dataclass(frozen=True)
class NoBase(OfCopies):
    """That of networks trained from scratch, which copy nothing."""

    classes = None

    def variables(self, seed: int) -> Variables:
        """No layers."""
        return {}

    def mean(self, recipe: Recipe) -> Normalisation | None:
        """It saw nothing."""
        return None


@dataclass(frozen=True)
class RandomBase(OfCopies):
    """The untrained network whose layers the random control freezes: one a split and seed.

    Source: Yosinski et al. (2014), section 4.3.
    """

    split: str
    init: Init

    classes = None

    def variables(self, seed: int) -> Variables:
        """A fresh network."""
        return self.init(key_for(seed, "init", self.split, RANDOM_BASE))

    def mean(self, recipe: Recipe) -> Normalisation | None:
        """It saw nothing."""
        return None


@dataclass(frozen=True)
class TrainedBase(OfCopies):
    """A network that this run trained on a task of a split, with all of its images."""

    split: str
    task: Task
    folder: Workdir
    init: Init

    @property
    def classes(self) -> tuple[int, ...] | None:
        """Those of its task."""
        return self.task.classes

    def variables(self, seed: int) -> Variables:
        """The network as it lies in the run's folder."""
        return restore_base(
            self.folder, base_condition(self.split, seed, self.task.name), self.init
        )

    def mean(self, recipe: Recipe) -> Normalisation | None:
        """Its task's, where the recipe does not ask for the target's.

        Source: the original subtracts the mean image of the base network's task.
        """
        return None if recipe.mean == "target" else task_normalisation(recipe, self.task)


def bases_of(plan: Plan, folder: Workdir, split: Split, init: Init) -> Mapping[str | None, Base]:
    """The base networks that conditions of a split copy from.

    Args:
      folder: the run's folder.
      init: makes a fresh network from a key.

    Returns:
      What a condition calls its base, to the base.
    """
    trained = {task.name: TrainedBase(split.name, task, folder, init) for task in split.tasks}
    none = {None: NoBase(), SCRATCH_BASE: NoBase()}
    return {**none, RANDOM_BASE: RandomBase(split.name, init), **trained, **plan.given}


def save_base(folder: Workdir, base: Condition, network: Variables) -> None:
    """Keep a trained base network.

    Args:
      folder: the run's folder.
      base: the base network.
      network: layer name to variables.

    Raises:
      OSError: it cannot be written.
    """
    save(folder.base_network(base), as_stored(network))


def restore_base(folder: Workdir, base: Condition, init: Init) -> Variables:
    """A trained base network.

    Args:
      folder: the folder of the run that trained it.
      base: the base network.
      init: makes a fresh network of its structure.

    Returns:
      Layer name to variables.

    Raises:
      CheckpointError: the folder does not hold it, or it has another shape.
    """
    like = jax.eval_shape(init, jax.random.key(0))
    return from_stored(restore(folder.base_network(base), as_stored(like)), like)
