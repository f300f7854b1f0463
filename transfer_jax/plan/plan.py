"""The plan of an experiment: everything that a config decides, checked before training."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from transfer_jax.engine.mesh import check_processes, column_mesh, devices_per_column
from transfer_jax.engine.recipe import Recipe
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.engine.trunk import COMPUTED, NOTHING, ROUNDED
from transfer_jax.folder.control_results import TRAINING
from transfer_jax.grid.conditions import PRETRAINED_BASE, Column, Condition, Cut, Split
from transfer_jax.grid.grid import columns
from transfer_jax.models.layered import Layered
from transfer_jax.models.precision import InPrecision
from transfer_jax.plan.base import Base
from transfer_jax.plan.components import build_network, num_outputs
from transfer_jax.plan.config import read_config
from transfer_jax.plan.fields import Affects, ConfigError, flat
from transfer_jax.plan.grids import check_grid, grid_of
from transfer_jax.plan.network_checks import check_network, check_optimizer, check_own_network
from transfer_jax.plan.network_fields import make_network
from transfer_jax.plan.optimizer_fields import in_state, make_optimizer
from transfer_jax.plan.own_sizes import with_own_sizes
from transfer_jax.plan.pretrained import pretrained_base
from transfer_jax.plan.recipes import images_and_splits, largest_task, make_recipe
from transfer_jax.plan.schema import Config

# Columns that differ in nothing of these share a program.
PROGRAMS = (Affects.CONDITIONS, Affects.PROGRAM)


@dataclass(frozen=True, eq=False)
class Plan:
    """What a config decides.

    Attributes:
      config: the config.
      splits: name to split.
      network: the layered network.
      recipe: how examples become batches.
      bases: the base networks, trained first.
      grid: the conditions, trained from the base networks.
      given: base networks that are not trained here, by the name that conditions call them.
    """

    config: Config
    splits: dict[str, Split]
    network: Layered
    recipe: Recipe
    bases: tuple[Condition, ...]
    grid: tuple[Condition, ...]
    given: Mapping[str, Base] = field(default_factory=dict)

    @property
    def networks(self) -> tuple[Condition, ...]:
        """All networks, base networks first."""
        return self.bases + self.grid

    @property
    def is_pretrained(self) -> bool:
        """Whether networks begin as one in a file, so that no base networks are trained."""
        return bool(self.config.network.weights)

    @property
    def keeps(self) -> str:
        """How activations of frozen first layers may be kept.

        They may where these layers are one network's and see an image in a few ways, so that they
        can be computed once: see `trunk_cache`.
        """
        data = self.config.data
        drawn = (data.shift or data.crop) and not data.views
        tasks = [task for split in self.splits.values() for task in split.tasks]
        # Where the network does not say what it wants to see, each task has a mean of its own.
        alike = self.recipe.preprocessing is not None or len(tasks) == 1
        if drawn or not (self.is_pretrained and alike):
            return NOTHING
        rounds = self.config.cache.precision != self.config.precision == "float32"
        return ROUNDED if rounds else COMPUTED

    def columns(self, conditions: Iterable[Condition]) -> list[Column]:
        """The columns of some conditions, with the steps that they have in this plan.

        Args:
          conditions: any of its networks.

        Returns:
          The columns.
        """
        # Scratch may take as long as all that the others' layers saw here.
        return columns(conditions, scratch_trainings=1 if self.is_pretrained else 2)

    def waves(self) -> Iterator[tuple[str, list[Column]]]:
        """The waves in order: the base networks, then the conditions, then scratch.

        A wave may have no columns. What is solved and not trained is in none: see `probes`.
        """
        others = [column for column in self.columns(self.grid) if column.trainings]
        yield "base networks", columns(self.bases)
        yield "conditions", [column for column in others if column.copies]
        yield "scratch", [column for column in others if not column.copies]

    @property
    def probes(self) -> list[Column]:
        """The columns of linear heads that are solved, before anything is trained."""
        return [column for column in self.columns(self.grid) if not column.trainings]

    def every_column(self) -> list[Column]:
        """The columns of all networks, in the order in which they are done."""
        return [*self.probes, *(column for _, wave in self.waves() for column in wave)]

    def program_key(self, cuts: tuple[Cut, ...], trainings: int = 1) -> Hashable:
        """What columns must have in common to share a compiled program.

        Args:
          cuts: the cuts of a column.
          trainings: the column's.

        Returns:
          Both, and all of the config but what a column's own arrays hold.
        """
        held = [(f.name, f.value) for f in flat(self.config) if f.affects in PROGRAMS]
        sizes = (self.recipe.validation_examples, self.recipe.test_examples)
        # What a network sees has other channels where it is pretrained on colours.
        sizes = (*sizes, *self.recipe.network_shape, self.recipe.preprocessing)
        settings = tuple(in_state(self.config.optimizer))
        # Columns side by side copy from one network, and what its layers give is kept for them.
        given = (self.keeps, self.config.network.weights)
        return (cuts, trainings, largest_task(self.splits), *sizes, settings, *given, *held)

    def program(self, cuts: tuple[Cut, ...], trainings: int = 1) -> ColumnProgram:
        """The computation that columns with these cuts share, and as many trainings' steps."""
        config, network = self.config, self.network
        if config.precision != "float32":
            network = InPrecision(network, config.precision)
        return ColumnProgram(
            network,
            cuts,
            make_optimizer(
                config.optimizer, config.steps, trainings, layers=self.network.layer_names
            ),
            mirror=config.data.mirror,
            shift=config.data.shift,
            crop=config.data.crop,
            views=config.data.views,
            frozen_dropout=config.frozen_dropout,
            packing=config.packing,
            copied_statistics=config.copied_statistics,
            keeps=self.keeps,
        )


def by_program(wave: list[Column]) -> list[list[Column]]:
    """The columns of a wave, grouped by what they share: cuts and number of steps.

    Args:
      wave: columns.

    Returns:
      The groups: one compiled program each.

    Example:
      >>> from transfer_jax.grid.grid import condition_grid
      >>> [len(group) for group in by_program(columns(condition_grid(3)))]
      [4]
    """
    groups: dict[tuple[tuple[Cut, ...], int], list[Column]] = {}
    for column in wave:
        groups.setdefault((column.cuts, column.trainings), []).append(column)
    return list(groups.values())


def plan_mesh(plan: Plan, group: Sequence[object], devices: Sequence[Any] | None = None) -> Mesh:
    """The mesh on which the columns of one program train, over the devices of all processes.

    Args:
      group: all columns of the program, finished ones too.
      devices: those of all processes; None takes this machine's.

    Returns:
      The mesh: devices that no column needs share the batch of another.

    Raises:
      MeshError: the devices do not fit the batch.
    """
    asked, batch = plan.config.devices_per_column, plan.recipe.batch_size
    devices = jax.devices() if devices is None else devices
    return column_mesh(devices, devices_per_column(len(group), len(devices), batch, asked))


def check_devices(plan: Plan) -> None:
    """Check, before anything is trained, that the devices and processes fit the plan.

    Raises:
      MeshError: the devices do not fit the batch, or a process has nothing to do in any wave.
      ConfigError: a control is asked for that one process alone can measure.
    """
    own = [name for name in plan.config.controls if name in TRAINING]
    if own and jax.process_count() > 1:
        raise ConfigError(
            f"controls holds '{own[0]}', which is trained by one process alone; start one"
        )
    groups = [group for _, wave in plan.waves() for group in by_program(wave)]
    meshes = [plan_mesh(plan, group) for group in groups]
    largest = max(range(len(groups)), key=lambda i: len(groups[i]), default=None)
    if largest is not None:
        check_processes(len(groups[largest]), meshes[largest])


def make_plan(config: Config | ConfigDict) -> Plan:
    """Check a config and work out what it asks for.

    Returns:
      The plan.

    Raises:
      ConfigError: the config asks for what is impossible; the field is named.
    """
    try:
        return _plan(read_config(config))
    except ConfigError:
        raise
    except (ValueError, TypeError) as error:
        raise ConfigError(str(error)) from error


def _plan(config: Config) -> Plan:
    config = with_own_sizes(config)
    check_grid(config, build_network(config, 1))
    images, splits = images_and_splits(config)
    largest = largest_task(splits)
    network = build_network(config, largest)
    recipe = make_recipe(config, images, splits, network)
    check_network(network, recipe.network_shape, num_outputs(config, largest))
    check_own_network(config, network, recipe.network_shape)
    check_optimizer(config, network, recipe.network_shape)
    bases, grid = grid_of(config, network, splits)
    plan = Plan(config, splits, network, recipe, bases, grid)
    if not plan.is_pretrained:
        return plan
    wider = make_network(config.network, num_outputs(config, largest) + 1)
    return replace(plan, given={PRETRAINED_BASE: pretrained_base(config, network, wider, recipe)})
