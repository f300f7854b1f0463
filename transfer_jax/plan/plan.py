"""The plan of an experiment: everything that a config decides, checked before training."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from transfer_jax.engine.columns import Recipe
from transfer_jax.engine.mesh import check_processes, column_mesh, devices_per_column
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.folder.control_results import TRAINING
from transfer_jax.grid.conditions import Column, Condition, Cut, Split
from transfer_jax.grid.grid import base_condition, base_conditions, columns, condition_grid
from transfer_jax.models.layered import Layered
from transfer_jax.models.precision import InPrecision
from transfer_jax.plan.base import Base
from transfer_jax.plan.components import build_network, build_variants, num_outputs
from transfer_jax.plan.config import read_config
from transfer_jax.plan.fields import Affects, ConfigError, flat
from transfer_jax.plan.network_checks import check_network, check_optimizer
from transfer_jax.plan.optimizer_fields import in_state, make_optimizer
from transfer_jax.plan.recipes import images_and_splits, largest_task, make_recipe
from transfer_jax.plan.schema import Config

# Numbers above this are mistakes, and would take all memory.
MOST_NETWORKS = 200_000
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

    def waves(self) -> Iterator[tuple[str, list[Column]]]:
        """The waves in order: the base networks, then the conditions, then scratch.

        A wave may have no columns.
        """
        others = columns(self.grid)
        yield "base networks", columns(self.bases)
        yield "conditions", [column for column in others if column.copies]
        yield "scratch", [column for column in others if not column.copies]

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
        settings = tuple(in_state(self.config.optimizer))
        return (cuts, trainings, largest_task(self.splits), *sizes, settings, *held)

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
            frozen_dropout=config.frozen_dropout,
            packing=config.packing,
        )


def by_program(wave: list[Column]) -> list[list[Column]]:
    """The columns of a wave, grouped by what they share: cuts and number of steps.

    Args:
      wave: columns.

    Returns:
      The groups: one compiled program each.

    Example:
      >>> [len(group) for group in by_program(columns(condition_grid(3)))]
      [4]
    """
    groups: dict[tuple[tuple[Cut, ...], int], list[Column]] = {}
    for column in wave:
        groups.setdefault((column.cuts, column.trainings), []).append(column)
    return list(groups.values())


def plan_mesh(plan: Plan, group: Sequence[object]) -> Mesh:
    """The mesh on which the columns of one program train, over the devices of all processes.

    Args:
      group: all columns of the program, finished ones too.

    Returns:
      The mesh: devices that no column needs share the batch of another.

    Raises:
      MeshError: the devices do not fit the batch.
    """
    asked, batch = plan.config.devices_per_column, plan.recipe.batch_size
    return column_mesh(data=devices_per_column(len(group), len(jax.devices()), batch, asked))


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
    largest = max(range(len(groups)), key=lambda i: len(groups[i]))
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
    _check_grid(config, build_network(config, 1).layer_names)
    images, splits = images_and_splits(config)
    largest = largest_task(splits)
    network = build_network(config, largest)
    recipe = make_recipe(config, images, splits)
    check_network(network, recipe.network_shape, num_outputs(config, largest))
    check_optimizer(config, network, recipe.network_shape)
    examples = tuple(k or None for k in config.examples)
    grid, also = [], []
    for name, split in splits.items():
        tasks = [task.name for task in split.tasks]
        grid += condition_grid(
            len(network.layer_names),
            tasks,
            splits=(name,),
            seeds=range(config.seeds),
            cuts=config.cuts,
            treatments=config.treatments,
            examples=examples,
            preserved=config.preserved,
            schedules=config.schedules,
            variants=build_variants(config, network.layer_names),
        )
        also += [
            base_condition(name, seed, task, k)
            for seed in range(config.seeds)
            for k in examples
            for task in tasks
        ]
    # Every task has its base networks, also where no other treatment is asked for.
    trained_on = {task.name for split in splits.values() for task in split.tasks}
    bases = dict.fromkeys([*base_conditions(grid, trained_on), *also])
    return Plan(config, splits, network, recipe, tuple(bases), tuple(grid))


def _check_grid(config: Config, layer_names: tuple[str, ...]) -> None:
    """Check, before images are read, that the cuts are the network's and the grid is no mistake."""
    one = condition_grid(
        len(layer_names),
        cuts=config.cuts,
        preserved=config.preserved,
        schedules=config.schedules,
        variants=build_variants(config, layer_names),
    )
    networks = len(one) * len(config.splits) * len(config.examples) * config.seeds
    if networks > MOST_NETWORKS:
        raise ConfigError(
            f"seeds, splits, cuts and examples make {networks} networks; allowed: up to "
            f"{MOST_NETWORKS}"
        )
