"""The plan of an experiment: everything that a config decides, checked before training."""

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from transfer_jax.conditions import (
    Column,
    Condition,
    Cut,
    Split,
    Variant,
    base_conditions,
    columns,
    condition_grid,
)
from transfer_jax.config import Config, ConfigError, flat_fields
from transfer_jax.data.sources import ImageSet, load_images
from transfer_jax.data.tasks import first_examples, named_split, random_halves
from transfer_jax.engine.columns import Recipe
from transfer_jax.engine.mesh import check_processes, column_mesh, devices_per_column
from transfer_jax.engine.step import PACKINGS, ColumnProgram
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.layered import Layered
from transfer_jax.models.precision import PRECISIONS, InPrecision

POSITIVE = (
    "seeds",
    "steps",
    "batch_size",
    "test_batch_size",
    "data.train_per_class",
    "data.test_per_class",
)


@dataclass(frozen=True)
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

    def program(self, cuts: tuple[Cut, ...]) -> ColumnProgram:
        """The computation that columns with these cuts share."""
        config, network = self.config, self.network
        if config.precision != "float32":
            network = InPrecision(network, config.precision)
        augment = (config.data.mirror, config.data.shift)
        return ColumnProgram(network, cuts, self.optimizer(), *augment, config.packing)

    def optimizer(self) -> optax.GradientTransformation:
        """SGD with momentum; the decay is added to the gradient, the rate warms up, then falls."""
        settings = self.config.optimizer
        rate = optax.warmup_cosine_decay_schedule(
            0.0, settings.learning_rate, settings.warmup_steps, self.config.steps
        )
        return optax.chain(
            optax.add_decayed_weights(settings.weight_decay),
            optax.sgd(rate, momentum=settings.momentum),
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


def plan_mesh(plan: Plan, group: list[Column]) -> Mesh:
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
    """
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
        return _plan(config)
    except ConfigError:
        raise
    except (ValueError, TypeError) as error:
        raise ConfigError(str(error)) from error


def _plan(config: Config) -> Plan:
    _check_numbers(config)
    images = load_images(config.data.source)
    splits = {name: _split(name, config, images) for name in config.splits}
    if not splits:
        raise ConfigError("splits is empty; name at least one, such as ('random-0',)")
    outputs = max(len(task.classes) for split in splits.values() for task in split.tasks)
    network = ConvNet(outputs, **config.network.to_dict())
    shape = (1, *images.images.shape[1:])
    jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros(shape)))
    grid = condition_grid(
        len(network.layer_names),
        splits=tuple(splits),
        seeds=range(config.seeds),
        cuts=config.cuts,
        random_frozen=config.random_frozen,
        preserved=config.preserved,
        variants=_variants(config, network.layer_names),
    )
    recipe = _recipe(config, images, splits)
    bases = tuple(base_conditions(grid))
    return Plan(config, splits, network, recipe, bases, tuple(grid))


def _variants(config: Config, layer_names: tuple[str, ...]) -> list[Variant]:
    for name, layers in config.variants.items():
        if not isinstance(layers, ConfigDict) or set(layers) != {"copied", "frozen"}:
            raise ConfigError(
                f"variants.{name} has {', '.join(map(str, layers))}; it needs copied and frozen"
            )
    return [
        Variant(
            name,
            _layers(f"variants.{name}.copied", layers.copied, layer_names),
            _layers(f"variants.{name}.frozen", layers.frozen, layer_names),
        )
        for name, layers in config.variants.items()
    ]


def _layers(field: str, patterns: tuple[str, ...], layer_names: tuple[str, ...]) -> tuple[int, ...]:
    """The layers that match a pattern, counted from 0."""
    for pattern in patterns:
        if not fnmatch.filter(layer_names, pattern):
            raise ConfigError(
                f"{field}: no layer '{pattern}' in this network; layers: {', '.join(layer_names)}"
            )
    found = {name for pattern in patterns for name in fnmatch.filter(layer_names, pattern)}
    return tuple(i for i, name in enumerate(layer_names) if name in found)


def _split(name: str, config: Config, images: ImageSet) -> Split:
    if match := re.fullmatch(r"random-(\d+)", str(name)):
        return random_halves(name, len(images.class_names), int(match[1]))
    if name not in config.named_splits:
        known = ", ".join(["random-0, random-1, ...", *config.named_splits])
        raise ConfigError(f"no split '{name}'; splits: {known}")
    tasks = config.named_splits[name]
    return named_split(name, tasks.A, tasks.B, images.class_names)


def _recipe(config: Config, images: ImageSet, splits: dict[str, Split]) -> Recipe:
    tasks = [task for split in splits.values() for task in split.tasks]
    test = config.data.test_per_class
    test_examples = max(
        len(first_examples(images.labels, images.is_test, task, test)) for task in tasks
    )
    for task in tasks:
        train = first_examples(images.labels, ~images.is_test, task, config.data.train_per_class)
        if config.batch_size > len(train):
            raise ConfigError(
                f"batch_size is {config.batch_size}, but task {task.name} has "
                f"{len(train)} training examples"
            )
    return Recipe(
        images=images,
        train_per_class=config.data.train_per_class,
        test_per_class=test,
        test_examples=test_examples,
        batch_size=config.batch_size,
        test_batch_size=min(config.test_batch_size, test_examples),
        steps=config.steps,
    )


def _check_numbers(config: Config) -> None:
    fields: dict[str, Any] = dict(flat_fields(config))
    for name in POSITIVE:
        value = fields[name]
        if not isinstance(value, int) or value < 1:
            raise ConfigError(f"{name} is {value!r}; allowed: whole numbers from 1")
    for name in ("cuts", "preserved"):
        for n in fields[name]:
            if not isinstance(n, int) or n < (name == "preserved"):
                raise ConfigError(f"{name} holds {n!r}; allowed: whole numbers, such as (1, 3)")
    for name, low, high in (
        ("optimizer.momentum", 0.0, 1.0),
        ("optimizer.weight_decay", 0.0, float("inf")),
        ("optimizer.warmup_steps", 0, config.steps),
        ("data.shift", 0, 1000),
        ("devices_per_column", 0, float("inf")),
    ):
        if not low <= fields[name] < high:
            raise ConfigError(f"{name} is {fields[name]}; allowed: {low} <= {name} < {high}")
    for name, allowed in (("packing", PACKINGS), ("precision", PRECISIONS)):
        if fields[name] not in allowed:
            raise ConfigError(f"{name} is '{fields[name]}'; allowed: {', '.join(allowed)}")
    if config.optimizer.learning_rate <= 0:
        raise ConfigError(
            f"optimizer.learning_rate is {config.optimizer.learning_rate}; allowed: above 0"
        )
