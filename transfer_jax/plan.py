"""The plan of an experiment: everything that a config decides, checked before training."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from transfer_jax.components import (
    IN_STATE,
    build_network,
    build_optimizer,
    build_splits,
    build_variants,
)
from transfer_jax.conditions import Column, Condition, Cut, Split
from transfer_jax.config import (
    RUNNING_FIELDS,
    Config,
    ConfigError,
    flat_fields,
    with_defaults,
)
from transfer_jax.control_results import STITCHING
from transfer_jax.data.image_set import ImageSet, enlarge
from transfer_jax.data.sources import held_out_fields, load_images
from transfer_jax.data.tasks import first_examples
from transfer_jax.engine.columns import Recipe
from transfer_jax.engine.mesh import check_processes, column_mesh, devices_per_column
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.field_checks import check_fields
from transfer_jax.grid import base_condition, base_conditions, columns, condition_grid
from transfer_jax.models.layered import Layered
from transfer_jax.models.precision import InPrecision

# Fields that change what columns there are and what arrays they start with, not the program.
GRID_FIELDS = (
    "name",
    "reference",
    "seeds",
    "splits",
    "cuts",
    "treatments",
    "examples",
    "preserved",
    "controls",
    "control_examples",
)
OF_COLUMNS = (*GRID_FIELDS, "data.train_per_class", *(f"optimizer.{name}" for name in IN_STATE))


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
        fields = dict(flat_fields(self.config))
        held = [
            (name, str(value))
            for name, value in sorted(fields.items())
            if name not in OF_COLUMNS and name.split(".")[0] not in RUNNING_FIELDS
        ]
        largest = max(len(task.classes) for s in self.splits.values() for task in s.tasks)
        return (cuts, largest, self.recipe.test_examples, *held)

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


def make_plan(config: Config) -> Plan:
    """Check a config and work out what it asks for.

    Args:
      config: the config.

    Returns:
      The plan.

    Raises:
      ConfigError: the config asks for what is impossible; the field is named.
    """
    try:
        return _plan(with_defaults(config))
    except ConfigError:
        raise
    except (ValueError, TypeError) as error:
        raise ConfigError(str(error)) from error


def _plan(config: Config) -> Plan:
    check_fields(config)
    data = config.data
    images = load_images(data.source, data.folder, stream=data.stream, **held_out_fields(data))
    images = enlarge(images, data.enlarge)
    splits = build_splits(config, images)
    network = build_network(config, splits)
    recipe = _recipe(config, images, splits)
    jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, *recipe.network_shape))))
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


def _recipe(config: Config, images: ImageSet, splits: dict[str, Split]) -> Recipe:
    tasks = [task for split in splits.values() for task in split.tasks]
    test = config.data.test_per_class or None
    test_examples = max(
        len(first_examples(images.labels, images.is_test, task, test)) for task in tasks
    )
    crop, train_per_class = config.data.crop, config.data.train_per_class or None
    if crop > min(images.images.shape[1:3]):
        sides = "x".join(map(str, images.images.shape[1:3]))
        raise ConfigError(f"data.crop is {crop}, but the images have {sides} pixels")
    for task in tasks:
        train = first_examples(images.labels, images.is_train, task, train_per_class)
        if config.batch_size > len(train):
            raise ConfigError(
                f"batch_size is {config.batch_size}, but task {task.name} has "
                f"{len(train)} training examples"
            )
    return Recipe(
        images=images,
        train_per_class=train_per_class,
        test_per_class=test,
        test_examples=test_examples,
        batch_size=config.batch_size,
        test_batch_size=min(config.test_batch_size, test_examples),
        steps=config.steps,
        reshuffle=config.data.reshuffle,
        mean=config.data.mean,
        scale=config.data.scale,
        crop=crop,
    )
