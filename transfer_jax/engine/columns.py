"""What a column starts from: its networks, its base network and its inputs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Int, Key

from transfer_jax.data.image_set import ImageSet
from transfer_jax.data.order import (
    BatchOrder,
    ColumnInputs,
    batch_order,
    inverse,
    normalisation,
    padded_batches,
)
from transfer_jax.data.records import StoredImages
from transfer_jax.data.tasks import first_examples, ranks
from transfer_jax.engine.step import ColumnState, Evaluation
from transfer_jax.grid.conditions import RANDOM, Column, Split, Task
from transfer_jax.grid.keys import key_for
from transfer_jax.models.layered import Params
from transfer_jax.surgery.graft import graft

Init = Callable[[Key[Array, ""]], Params]


class Standing(NamedTuple):
    """Where a column that was stopped stands: its state, and its evaluations so far.

    Each of them is a pair: steps done, and the counts.
    """

    state: ColumnState
    evaluations: list[tuple[int, Evaluation]]


class ColumnStart(NamedTuple):
    """Everything a column needs before its first step, or to go on from where it stands.

    `order` is that of streamed images; `settings` are those that the optimizer keeps in its state.
    """

    networks: dict[str, Params]
    base: Params
    inputs: ColumnInputs
    order: BatchOrder | None = None
    settings: Mapping[str, float] | None = None
    standing: Standing | None = None


@dataclass(frozen=True)
class Recipe:
    """How examples become batches, the same for all columns of a grid.

    Attributes:
      images: the dataset.
      train_per_class: training images taken of each class, the first ones; None takes all.
      test_per_class: test images taken of each class; None takes all.
      test_examples: number of test examples that each task's are padded to.
      batch_size: examples of a training batch.
      test_batch_size: examples of a batch to evaluate on.
      steps: training steps.
      reshuffle: whether each pass over the data has an order of its own.
      mean: whose mean image is subtracted: that of the "base" network's task, or the "target"'s.
      scale: "deviation" makes a task's pixels of variance 1, "none" leaves grey levels.
      crop: side of the square that is cut out of each image; 0 for none.
      validation_examples: number of validation examples that each task's are padded to.
    """

    images: ImageSet
    train_per_class: int | None
    test_per_class: int | None
    test_examples: int
    batch_size: int
    test_batch_size: int
    steps: int
    reshuffle: bool = True
    mean: str = "base"
    scale: str = "deviation"
    crop: int = 0
    validation_examples: int = 0

    @property
    def network_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of what a network sees."""
        height, width, channels = self.images.images.shape[1:]
        return (self.crop or height, self.crop or width, channels)


def column_inputs(column: Column, split: Split, recipe: Recipe) -> ColumnInputs:
    """The batches, labels, normalisation and key of a column.

    The mean image is that of the base network's task, so that all conditions of a column see
    the same numbers; a column without a trained base uses its target's.

    Args:
      column: the column.
      split: the split that the column belongs to.
      recipe: how examples become batches.

    Returns:
      The column's inputs.

    Raises:
      ValueError: a class has too few images.

    Source: the original subtracts the mean image of the base network's task.
    """
    images, target = recipe.images, split.task(column.target)
    own_mean = recipe.mean == "target" or column.base in (None, RANDOM)
    mean, scale = _normalisation(recipe, target if own_mean else split.task(column.base or ""))
    test = first_examples(images.labels, images.is_test, target, recipe.test_per_class)
    validation, size = validation_examples(images, target), recipe.test_batch_size
    if images.streamed:
        batches = np.zeros((0, recipe.batch_size), np.int32)
    else:
        batches = column_order(column, split, recipe).batches(recipe.steps)
    return ColumnInputs(
        train_batches=batches,
        validation_batches=padded_batches(validation, size, recipe.validation_examples),
        test_batches=padded_batches(test, size, recipe.test_examples),
        ranks=ranks(target, len(images.class_names)),
        mean=mean,
        scale=scale,
        key=jax.random.key_data(column_key(column)),
    )


def validation_examples(images: ImageSet, task: Task) -> Int[np.ndarray, " example"]:
    """The validation images of a task.

    Args:
      images: the dataset.
      task: the task.

    Returns:
      Indices in ascending order; none where no image is held out for validation.
    """
    return np.flatnonzero(images.is_validation & np.isin(images.labels, task.classes)).astype(
        np.int32
    )


def column_key(column: Column) -> Key[Array, ""]:
    """The key that all random numbers of a column's training come from.

    Args:
      column: the column.

    Returns:
      A scalar key.
    """
    return key_for(column.seed, "train", column.split, column.base or "base", column.target)


def input_shapes(recipe: Recipe) -> ColumnInputs:
    """Shapes of what `column_inputs` makes, for plans: nothing is read or computed.

    Args:
      recipe: how examples become batches.

    Returns:
      The inputs, of `jax.ShapeDtypeStruct`.
    """
    images = recipe.images
    size = recipe.test_batch_size
    shapes = {
        "train_batches": (0 if images.streamed else recipe.steps, recipe.batch_size),
        "validation_batches": (-(-recipe.validation_examples // size), size),
        "test_batches": (-(-recipe.test_examples // size), size),
        "ranks": (len(images.class_names),),
    }
    numbers: dict[str, Any] = {
        name: jax.ShapeDtypeStruct(shape, np.int32) for name, shape in shapes.items()
    }
    return ColumnInputs(
        **numbers,
        mean=jax.ShapeDtypeStruct(images.images.shape[1:], np.float32),  # pyright: ignore
        scale=jax.ShapeDtypeStruct((), np.float32),  # pyright: ignore
        key=jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0))),  # pyright: ignore
    )


def column_order(column: Column, split: Split, recipe: Recipe) -> BatchOrder:
    """The order in which a column sees its training examples.

    Columns with the same split, seed, target and number of examples see the same batches.

    Args:
      column: the column.
      split: the split that the column belongs to.
      recipe: how examples become batches.

    Returns:
      The order.

    Raises:
      ValueError: a class has too few images.
    """
    images, k = recipe.images, column.examples
    candidates = images.is_train
    task = split.task(column.target)
    train = first_examples(images.labels, candidates, task, recipe.train_per_class)
    if k is not None:
        kept = np.zeros(len(candidates), bool)
        kept[train] = True
        train = first_examples(images.labels, kept, task, k, at_most=True)
    reduced = () if k is None else (k,)
    key = key_for(column.seed, "batches", column.split, column.target, *reduced)
    return batch_order(key, train, recipe.batch_size, reshuffle=recipe.reshuffle)


def _normalisation(recipe: Recipe, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The mean image of a task's training images, whatever number of them a column sees."""
    images = recipe.images
    seen = first_examples(images.labels, images.is_train, task, recipe.train_per_class)
    if isinstance(images.images, StoredImages):
        mean, deviation = images.images.statistics(seen)
        mean, scale = mean.astype(np.float32), inverse(deviation)
    else:
        mean, scale = normalisation(images.in_memory[seen])
    return mean, scale if recipe.scale == "deviation" else np.ones((), np.float32)


def initial_networks(
    column: Column, layer_names: tuple[str, ...], init: Init, base: Params | None
) -> dict[str, Params]:
    """Each condition's whole network before training: a fresh one, its copied layers grafted.

    Args:
      column: the column.
      layer_names: the layers in depth order.
      init: makes fresh parameters from a key.
      base: the base network's parameters; None for a column of base networks.

    Returns:
      Cut label to parameters.

    Source: Yosinski et al. (2014), section 2.
    """
    networks = {}
    for cut, condition in zip(column.cuts, column.conditions, strict=True):
        fresh = init(key_for(column.seed, "init", column.split, condition.label))
        if base is not None and cut.copied:
            copied = [f"{layer_names[layer]}/**" for layer in cut.copied]
            fresh = graft(fresh, base, copied)
        networks[cut.label] = fresh
    return networks


def random_base(column: Column, init: Init) -> Params:
    """The untrained network whose layers the random control freezes.

    Args:
      column: a column whose base is "random".
      init: makes fresh parameters from a key.

    Returns:
      Parameters that depend on seed and split alone.

    Source: Yosinski et al. (2014), section 4.3.
    """
    return init(key_for(column.seed, "init", column.split, RANDOM))
