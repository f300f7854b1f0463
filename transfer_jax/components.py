"""What the fields of a config stand for: its splits, network, optimizer and variants."""

import fnmatch
import re

import optax
from jaxtyping import Array
from ml_collections import ConfigDict

from transfer_jax.conditions import Split, Variant
from transfer_jax.config import Config, ConfigError
from transfer_jax.data.image_set import ImageSet
from transfer_jax.data.tasks import named_split, random_halves, whole
from transfer_jax.models.caffenet import CaffeNet
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.layered import Layered
from transfer_jax.optimizers import caffe_sgd, sgd, step_schedule

NETWORKS = {"convnet": ConvNet, "caffenet": CaffeNet}
OPTIMIZERS = ("sgd", "caffe")
IN_STATE = ("learning_rate", "weight_decay")
WHOLE = "whole"


def build_splits(config: Config, images: ImageSet) -> dict[str, Split]:
    """The splits that a config names.

    Args:
      config: the config.
      images: the dataset.

    Returns:
      Name to split.

    Raises:
      ConfigError: a split is unknown.
      ValueError: a split names classes that the dataset lacks.
    """
    if not config.splits:
        raise ConfigError("splits is empty; name at least one, such as ('random-0',)")
    for name in config.splits:
        # Names of files are made of it.
        if not re.fullmatch(r"\w[\w.+ -]*", str(name)):
            raise ConfigError(f"'{name}' is no name of a split; letters, digits, . + - and _")
    return {name: _split(name, config, images) for name in config.splits}


def _split(name: str, config: Config, images: ImageSet) -> Split:
    classes = len(images.class_names)
    if match := re.fullmatch(r"random-(\d+)", str(name)):
        return random_halves(name, classes, int(match[1]))
    if name == WHOLE:
        return whole(name, classes)
    if name not in config.named_splits:
        known = ", ".join(["random-0, random-1, ...", WHOLE, *config.named_splits])
        raise ConfigError(f"no split '{name}'; splits: {known}")
    groups = {**images.groups, **config.get("groups", {})}
    for group in groups:
        if group in images.class_names:
            raise ConfigError(f"groups.{group} has the name of a class")
    tasks = config.named_splits[name]
    return named_split(name, tasks.A, tasks.B, images.class_names, groups)


def build_network(config: Config, splits: dict[str, Split]) -> Layered:
    """The network that a config names.

    Args:
      config: the config; `network.name` is one of `NETWORKS`, the other fields are its arguments.
      splits: the splits; the largest task decides the number of logits, if the config does not.

    Returns:
      The network.

    Raises:
      ConfigError: there is no such network, or it has too few logits for a task.
    """
    settings = config.network.to_dict()
    name, asked = settings.pop("name"), settings.pop("num_outputs")
    if name not in NETWORKS:
        raise ConfigError(f"network.name is '{name}'; allowed: {', '.join(NETWORKS)}")
    largest = max(len(task.classes) for split in splits.values() for task in split.tasks)
    if asked and asked < largest:
        raise ConfigError(
            f"network.num_outputs is {asked}, but a task has {largest} classes; 0 takes as many"
        )
    try:
        return NETWORKS[name](asked or largest, **settings)
    except TypeError as error:
        raise ConfigError(f"network.{name}: {error}") from None


def build_optimizer(config: Config) -> optax.GradientTransformation:
    """The optimizer that a config names.

    Args:
      config: the config: "sgd" warms up and falls along a cosine, "caffe" falls in steps.

    Returns:
      The optimizer of one network.
    """
    settings = config.optimizer
    if settings.name == "caffe":
        make, shape = caffe_sgd, step_schedule(1.0, settings.step_every, settings.step_factor)
    else:
        warmup = settings.warmup_steps
        make, shape = sgd, optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup, config.steps)

    # In the state, not in the program: runs that differ in these alone share a program.
    @optax.inject_hyperparams
    def of(learning_rate: Array, weight_decay: Array) -> optax.GradientTransformation:
        return make(lambda step: learning_rate * shape(step), settings.momentum, weight_decay)

    return of(**in_state(config))


def in_state(config: Config) -> dict[str, float]:
    """The settings of the optimizer that lie in its state.

    Args:
      config: the config.

    Returns:
      Name to value.
    """
    return {name: float(config.optimizer[name]) for name in IN_STATE}


def build_variants(config: Config, layer_names: tuple[str, ...]) -> list[Variant]:
    """The choices of layers that a config names.

    Args:
      config: the config.
      layer_names: the network's layers.

    Returns:
      The variants.

    Raises:
      ConfigError: a variant lacks a field, or names a layer that the network does not have.
    """
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
