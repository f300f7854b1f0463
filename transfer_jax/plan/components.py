"""What the fields of a config stand for: images, splits, network and variants."""

import fnmatch
import re

from transfer_jax.data.image_set import ImageSet
from transfer_jax.data.sources import load_images
from transfer_jax.data.tasks import named_split, random_halves, whole
from transfer_jax.grid.conditions import Split
from transfer_jax.grid.registry import RegistryError
from transfer_jax.grid.variants import Variant
from transfer_jax.models.layered import Layered
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.network_fields import make_network
from transfer_jax.plan.schema import RANDOM_SPLIT, WHOLE, Config


def build_images(config: Config, *, stream: bool | None = None) -> ImageSet:
    """The dataset that a config names, a validation and a test part held out where it has none.

    Args:
      stream: whether its images are read as they are asked for; None: what the config says.

    Returns:
      The images, as they were prepared.

    Raises:
      ValueError: there is no such dataset, it is not prepared, or its records are damaged.
    """
    data = config.data
    return load_images(
        data.source,
        data.folder,
        stream=data.stream if stream is None else stream,
        validation_share=data.validation_share,
        test_share=data.test_share,
        hold_out_seed=data.hold_out_seed,
    )


def build_splits(config: Config, images: ImageSet) -> dict[str, Split]:
    """The splits that a config names.

    Args:
      images: the dataset.

    Returns:
      Name to split.

    Raises:
      ConfigError: a split is unknown.
      ValueError: a split names classes that the dataset lacks.
    """
    return {name: _split(name, config, images) for name in config.splits}


def _split(name: str, config: Config, images: ImageSet) -> Split:
    classes = len(images.class_names)
    if match := re.fullmatch(RANDOM_SPLIT, name):
        return random_halves(name, classes, int(match[1]))
    if name == WHOLE:
        return whole(name, classes)
    if name not in config.named_splits:
        known = ", ".join(["random-0, random-1, ...", WHOLE, *config.named_splits])
        raise ConfigError(f"no split '{name}'; splits: {known}")
    groups = {**images.groups, **config.groups}
    for group in groups:
        if group in images.class_names:
            raise ConfigError(f"groups.{group} has the name of a class")
    tasks = config.named_splits[name]
    return named_split(name, tasks.A, tasks.B, images.class_names, groups)


def num_outputs(config: Config, largest: int) -> int:
    """The number of logits of the network that a config names.

    Args:
      largest: classes of the largest task: as many, if the config does not say it.
    """
    return config.network.num_outputs or largest


def build_network(config: Config, largest: int) -> Layered:
    """The network that a config names.

    Args:
      largest: classes of the largest task: the number of logits, if the config does not say it.

    Returns:
      The network.

    Raises:
      ConfigError: the network cannot have these fields, or has too few logits for a task.
    """
    outputs = num_outputs(config, largest)
    if outputs < largest:
        raise ConfigError(
            f"network.num_outputs is {outputs}, but a task has {largest} classes; 0 takes as many"
        )
    try:
        return make_network(config.network, outputs)
    except RegistryError as error:
        raise ConfigError(str(error)) from None
    except ValueError as error:
        raise ConfigError(f"network.{error}") from None


def build_variants(config: Config, layer_names: tuple[str, ...]) -> list[Variant]:
    """The choices of layers that a config names.

    Args:
      layer_names: the network's layers.

    Returns:
      The variants.

    Raises:
      ConfigError: a variant names a layer that the network does not have.
    """
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
