"""What a config makes of its images: splits of their classes, and batches."""

import math
from collections.abc import Sequence

import numpy as np

from transfer_jax.data.image_set import ImageSet, enlarge
from transfer_jax.data.tasks import first_examples
from transfer_jax.engine.columns import validation_examples
from transfer_jax.engine.recipe import Recipe
from transfer_jax.grid.conditions import Split, Task
from transfer_jax.models.layered import Layered
from transfer_jax.plan.components import build_images, build_splits
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.network_sight import checked_sight
from transfer_jax.plan.optimizer_fields import rates_of
from transfer_jax.plan.schema import Config


def images_and_splits(config: Config) -> tuple[ImageSet, dict[str, Split]]:
    """The images that a config names, and its splits of their classes.

    Returns:
      The dataset, and name to split.

    Raises:
      ValueError: there is no such dataset or split, or they do not fit.
    """
    images = enlarge(build_images(config), config.data.enlarge)
    return images, build_splits(config, images)


def _tasks(splits: dict[str, Split]) -> list[Task]:
    return [task for split in splits.values() for task in split.tasks]


def largest_task(splits: dict[str, Split]) -> int:
    """The number of classes of the largest task.

    Args:
      splits: name to split.

    Returns:
      The number.
    """
    return max(len(task.classes) for task in _tasks(splits))


def _training(config: Config, images: ImageSet, task: Task) -> np.ndarray:
    per_class = config.data.train_per_class or None
    what = {"names": images.class_names, "what": "training images"}
    return first_examples(images.labels, images.is_train, task, per_class, **what)


def make_recipe(
    config: Config, images: ImageSet, splits: dict[str, Split], network: Layered
) -> Recipe:
    """How a config makes batches of its images.

    Args:
      images: its dataset.
      network: what sees them.

    Returns:
      The recipe.

    Raises:
      ConfigError: images are smaller than what is cut out of them, not what the network takes, or
        too few for a batch.
      ValueError: a class has too few images.
    """
    tasks = _tasks(splits)
    test = config.data.test_per_class or None
    what = {"names": images.class_names, "what": "test images"}
    test_examples = max(
        len(first_examples(images.labels, images.is_test, task, test, **what)) for task in tasks
    )
    crop = config.data.crop
    if crop > min(images.images.shape[1:3]):
        sides = "x".join(map(str, images.images.shape[1:3]))
        raise ConfigError(f"data.crop is {crop}, but the images have {sides} pixels")
    _check_places(config, images)
    for task in tasks:
        count = len(_training(config, images, task))
        if config.batch_size > count:
            raise ConfigError(
                f"batch_size is {config.batch_size}, but {_has(task, tasks)} {count} training "
                f"examples; allowed: up to {count}"
            )
    validation = [len(validation_examples(images, task)) for task in tasks]
    if len(rates_of(config.optimizer)) > 1 and not all(validation):
        odd = tasks[validation.index(0)]
        raise ConfigError(
            f"optimizer.rates holds {len(rates_of(config.optimizer))} rates, but "
            f"{_has(odd, tasks)} no validation images to choose by; {_why_none(config)}; or name "
            "one rate"
        )
    if config.budget and not all(validation):
        odd = tasks[validation.index(0)]
        raise ConfigError(
            f"budget is {config.budget:g}, but {_has(odd, tasks)} no validation images to race "
            f"on; {_why_none(config)}; or have no race: run with budget=0"
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
        validation_examples=max(validation),
        test_part=config.test_part,
        preprocessing=checked_sight(config, network, images),
    )


def _check_places(config: Config, images: ImageSet) -> None:
    """Check that images have as many places as they are to be seen at."""
    data, sides = config.data, images.images.shape[1:3]
    cuts = [side - data.crop + 1 for side in sides] if data.crop else []
    places = math.prod([(2 * data.shift + 1) ** 2, *cuts])
    if data.views > places:
        raise ConfigError(
            f"data.views is {data.views}, but with data.crop={data.crop} and data.shift="
            f"{data.shift} images of {'x'.join(map(str, sides))} pixels are seen at {places}; "
            f"allowed: up to {places}, or 0 for all of them"
        )


def _has(task: Task, tasks: Sequence[Task]) -> str:
    """Who has it: a task that is the only one has no name that anybody gave it."""
    return f"task {task.name} has" if len(tasks) > 1 else "there are"


def _why_none(config: Config) -> str:
    """Why there are no validation images, and what would give some."""
    if share := config.data.validation_share:
        return (
            f"data.validation_share is {share:g}, but its classes have too few images: it takes "
            "three of a class, one each to train on, to choose by and to test on"
        )
    return "data.validation_share is 0: a larger one holds some out"


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
        images, splits = images_and_splits(config)
        return min(len(_training(config, images, task)) for task in _tasks(splits))
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from error
