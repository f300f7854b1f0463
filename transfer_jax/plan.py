"""The plan of an experiment: everything that a config decides, checked before training."""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from transfer_jax.components import (
    build_images,
    build_network,
    build_optimizer,
    build_splits,
    build_variants,
)
from transfer_jax.conditions import Column, Condition, Cut, Split, Task
from transfer_jax.config import read_config
from transfer_jax.control_results import STITCHING
from transfer_jax.data.image_set import ImageSet, enlarge
from transfer_jax.data.tasks import first_examples
from transfer_jax.engine.columns import Recipe, validation_examples
from transfer_jax.engine.mesh import check_processes, column_mesh, devices_per_column
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.fields import Affects, ConfigError, flat
from transfer_jax.grid import base_condition, base_conditions, columns, condition_grid
from transfer_jax.models.layered import Layered
from transfer_jax.models.precision import InPrecision
from transfer_jax.schema import Config

# Numbers above these are mistakes, and would take all memory.
MOST_NETWORKS, MOST_PARAMETERS = 200_000, 2 * 10**9
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
    """

    config: Config
    splits: dict[str, Split]
    network: Layered
    recipe: Recipe
    bases: tuple[Condition, ...]
    grid: tuple[Condition, ...]

    @property
    def networks(self) -> tuple[Condition, ...]:
        """All networks, base networks first."""
        return self.bases + self.grid

    def waves(self) -> Iterator[tuple[str, list[Column]]]:
        """The waves in order: the base networks, then the conditions."""
        yield "base networks", columns(self.bases)
        yield "conditions", columns(self.grid)

    def program_key(self, cuts: tuple[Cut, ...]) -> Hashable:
        """What columns must have in common to share a compiled program.

        Args:
          cuts: the cuts of a column.

        Returns:
          The cuts, and all of the config but what a column's own arrays hold.
        """
        held = [(f.name, f.value) for f in flat(self.config) if f.affects in PROGRAMS]
        return (cuts, _largest(self.splits), self.recipe.test_examples, *held)

    def program(self, cuts: tuple[Cut, ...]) -> ColumnProgram:
        """The computation that columns with these cuts share."""
        config, network = self.config, self.network
        if config.precision != "float32":
            network = InPrecision(network, config.precision)
        return ColumnProgram(
            network,
            cuts,
            build_optimizer(config),
            mirror=config.data.mirror,
            shift=config.data.shift,
            crop=config.data.crop,
            frozen_dropout=config.frozen_dropout,
            packing=config.packing,
        )


def by_program(wave: list[Column]) -> list[tuple[tuple[Cut, ...], list[Column]]]:
    """The columns of a wave, grouped by the cuts that they share.

    Args:
      wave: columns.

    Returns:
      (cuts, columns) pairs: one compiled program each.

    Example:
      >>> [len(group) for _, group in by_program(columns(condition_grid(3)))]
      [4]
    """
    groups: dict[tuple[Cut, ...], list[Column]] = {}
    for column in wave:
        groups.setdefault(column.cuts, []).append(column)
    return list(groups.items())


def plan_mesh(plan: Plan, group: Sequence[object]) -> Mesh:
    """The mesh on which the columns of one program train, over the devices of all processes.

    Args:
      plan: the plan.
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

    Args:
      plan: the plan.

    Raises:
      MeshError: the devices do not fit the batch, or a process has nothing to do in any wave.
      ConfigError: a control is asked for that one process alone can measure.
    """
    if STITCHING in plan.config.controls and jax.process_count() > 1:
        raise ConfigError(
            f"controls holds '{STITCHING}', which is trained by one process alone; start one"
        )
    groups = [group for _, wave in plan.waves() for _, group in by_program(wave)]
    meshes = [plan_mesh(plan, group) for group in groups]
    largest = max(range(len(groups)), key=lambda i: len(groups[i]))
    check_processes(len(groups[largest]), meshes[largest])


def make_plan(config: Config | ConfigDict) -> Plan:
    """Check a config and work out what it asks for.

    Args:
      config: the config.

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
    images, splits = _images_and_splits(config)
    network = build_network(config, _largest(splits))
    recipe = _recipe(config, images, splits)
    _check_parameters(network, recipe)
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
            variants=build_variants(config, network.layer_names),
        )
        also += [
            base_condition(name, seed, task, k)
            for seed in range(config.seeds)
            for k in examples
            for task in tasks
        ]
    # Every task has its base networks, also where no other treatment is asked for.
    bases = dict.fromkeys([*base_conditions(grid), *also])
    return Plan(config, splits, network, recipe, tuple(bases), tuple(grid))


def smallest_task(config: Config) -> int:
    """The number of training examples that the smallest task of a config has.

    Args:
      config: the config; its dataset is there.

    Returns:
      The number: a batch can have no more.

    Raises:
      ConfigError: the splits do not fit the dataset.
    """
    try:
        images, splits = _images_and_splits(config)
        return min(len(_training(config, images, task)) for task in _tasks(splits))
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _check_grid(config: Config, layer_names: tuple[str, ...]) -> None:
    """Check, before images are read, that the cuts are the network's and the grid is no mistake."""
    one = condition_grid(
        len(layer_names),
        cuts=config.cuts,
        preserved=config.preserved,
        variants=build_variants(config, layer_names),
    )
    networks = len(one) * len(config.splits) * len(config.examples) * config.seeds
    if networks > MOST_NETWORKS:
        raise ConfigError(
            f"seeds, splits, cuts and examples make {networks} networks; allowed: up to "
            f"{MOST_NETWORKS}"
        )


def _check_parameters(network: Layered, recipe: Recipe) -> None:
    shape = (1, *recipe.network_shape)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros(shape)))
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    if parameters > MOST_PARAMETERS:
        raise ConfigError(
            f"the network has {parameters} parameters; allowed: up to {MOST_PARAMETERS}"
        )


def _images_and_splits(config: Config) -> tuple[ImageSet, dict[str, Split]]:
    images = enlarge(build_images(config), config.data.enlarge)
    return images, build_splits(config, images)


def _tasks(splits: dict[str, Split]) -> list[Task]:
    return [task for split in splits.values() for task in split.tasks]


def _largest(splits: dict[str, Split]) -> int:
    return max(len(task.classes) for task in _tasks(splits))


def _training(config: Config, images: ImageSet, task: Task) -> np.ndarray:
    per_class = config.data.train_per_class or None
    return first_examples(images.labels, images.is_train, task, per_class)


def _recipe(config: Config, images: ImageSet, splits: dict[str, Split]) -> Recipe:
    tasks = _tasks(splits)
    test = config.data.test_per_class or None
    test_examples = max(
        len(first_examples(images.labels, images.is_test, task, test)) for task in tasks
    )
    crop = config.data.crop
    if crop > min(images.images.shape[1:3]):
        sides = "x".join(map(str, images.images.shape[1:3]))
        raise ConfigError(f"data.crop is {crop}, but the images have {sides} pixels")
    for task in tasks:
        count = len(_training(config, images, task))
        if config.batch_size > count:
            raise ConfigError(
                f"batch_size is {config.batch_size}, but task {task.name} has {count} training "
                f"examples; allowed: up to {count}"
            )
    return Recipe(
        images=images,
        train_per_class=config.data.train_per_class or None,
        test_per_class=test,
        test_examples=test_examples,
        batch_size=config.batch_size,
        test_batch_size=min(config.test_batch_size, test_examples),
        steps=config.steps,
        reshuffle=config.data.reshuffle,
        mean=config.data.mean,
        scale=config.data.scale,
        crop=crop,
        validation_examples=max(len(validation_examples(images, task)) for task in tasks),
    )
