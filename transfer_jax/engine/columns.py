"""What a column starts from: its networks, its base network and its inputs."""

from collections.abc import Callable, Mapping
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
from transfer_jax.data.tasks import by_turns, first_examples, ranks
from transfer_jax.engine.counts import Evaluation
from transfer_jax.engine.normalisation import Normalisation, wanted_normalisation
from transfer_jax.engine.recipe import Recipe
from transfer_jax.engine.step import ColumnState
from transfer_jax.grid.conditions import Column, Split, Task
from transfer_jax.grid.keys import key_for
from transfer_jax.models.layered import Variables
from transfer_jax.surgery.graft import graft

Init = Callable[[Key[Array, ""]], Variables]


class ResumePoint(NamedTuple):
    """Where a column that was stopped stands: its state, and its evaluations so far.

    Each of them is a pair: steps done, and the counts.
    """

    state: ColumnState
    evaluations: list[tuple[int, Evaluation]]


class ColumnStart(NamedTuple):
    """Everything a column needs before its first step, or to go on from where it stands.

    `order` is for a feed that reads; `settings` are, by the label of a cut, those that its
    optimizer keeps in its state.
    """

    networks: dict[str, Variables]
    base: Variables
    inputs: ColumnInputs
    order: BatchOrder | None = None
    settings: Mapping[str, Mapping[str, float]] | None = None
    resume_point: ResumePoint | None = None


def column_inputs(
    column: Column, split: Split, recipe: Recipe, seen: Normalisation | None = None
) -> ColumnInputs:
    """The batches, labels, normalisation and key of a column.

    Args:
      split: the split that the column belongs to.
      recipe: how examples become batches.
      seen: how pixels became what the base network saw, so that all conditions of a column see
        the same numbers; None where it does not say: as for a base network of the target.

    Returns:
      The column's inputs.

    Raises:
      ValueError: a class has too few images.

    Source: the original subtracts the mean image of the base network's task.
    """
    images, target = recipe.images, split.task(column.target)
    mean, scale = seen or task_normalisation(recipe, target)
    test = first_examples(images.labels, images.is_test, target, recipe.test_per_class)
    if recipe.test_part:
        test = by_turns(images.labels, test)
    validation, size = validation_examples(images, target), recipe.test_batch_size
    order = column_order(column, split, recipe)
    return ColumnInputs(
        train_batches=order.batches(recipe.numbered_steps(column.trainings)),
        validation_batches=padded_batches(validation, size, recipe.validation_examples),
        test_batches=padded_batches(test, size, recipe.test_examples),
        ranks=ranks(target, len(images.class_names)),
        class_sizes=np.stack(
            [
                np.bincount(images.labels[own], minlength=len(images.class_names))
                for own in (validation, test)
            ]
        ).astype(np.int32),
        mean=mean,
        scale=scale,
        key=jax.random.key_data(column_key(column)),
    )


def validation_examples(images: ImageSet, task: Task) -> Int[np.ndarray, " example"]:
    """The validation images of a task.

    Args:
      images: the dataset.

    Returns:
      Indices in ascending order; none where no image is held out for validation.
    """
    return np.flatnonzero(images.is_validation & np.isin(images.labels, task.classes)).astype(
        np.int32
    )


def column_key(column: Column) -> Key[Array, ""]:
    """The key that all random numbers of a column's training come from.

    Returns:
      A scalar key; scratch has that of the base network whose longer training it is.
    """
    base = (column.base if column.copies else None) or "base"
    return key_for(column.seed, "train", column.split, base, column.target)


def input_shapes(recipe: Recipe, trainings: int = 1) -> ColumnInputs:
    """Shapes of what `column_inputs` makes, for plans: nothing is read or computed.

    Args:
      recipe: how examples become batches.
      trainings: those of the column.

    Returns:
      The inputs, of `jax.ShapeDtypeStruct`.
    """
    images = recipe.images
    size = recipe.test_batch_size
    shapes = {
        "train_batches": (recipe.numbered_steps(trainings), recipe.batch_size),
        "validation_batches": (-(-recipe.validation_examples // size), size),
        "test_batches": (-(-recipe.test_examples // size), size),
        "ranks": (len(images.class_names),),
        "class_sizes": (2, len(images.class_names)),
    }
    numbers: dict[str, Any] = {
        name: jax.ShapeDtypeStruct(shape, np.int32) for name, shape in shapes.items()
    }
    return ColumnInputs(
        **numbers,
        mean=jax.ShapeDtypeStruct(recipe.normalised_shape, np.float32),  # pyright: ignore
        scale=jax.ShapeDtypeStruct(  # pyright: ignore
            recipe.normalised_shape[2:] if recipe.preprocessing else (), np.float32
        ),
        key=jax.eval_shape(lambda: jax.random.key_data(jax.random.key(0))),  # pyright: ignore
    )


def column_order(column: Column, split: Split, recipe: Recipe) -> BatchOrder:
    """The order in which a column sees its training examples.

    Columns with the same split, seed, target and number of examples see the same batches.

    Args:
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


def task_normalisation(recipe: Recipe, task: Task) -> Normalisation:
    """The mean image of a task's training images, whatever number of them a column sees.

    Args:
      recipe: how examples become batches.

    Returns:
      The mean, and the scale that the recipe asks for; or those that a pretrained network wants.
    """
    if recipe.preprocessing:
        return wanted_normalisation(recipe.preprocessing, recipe.normalised_shape)
    images = recipe.images
    seen = first_examples(images.labels, images.is_train, task, recipe.train_per_class)
    if isinstance(images.images, StoredImages):
        mean, deviation = images.images.statistics(seen)
        mean, scale = mean.astype(np.float32), inverse(deviation)
    else:
        mean, scale = normalisation(images.in_memory[seen])
    return Normalisation(mean, scale if recipe.scale == "deviation" else np.ones((), np.float32))


def initial_networks(
    column: Column, layer_names: tuple[str, ...], init: Init, base: Variables | None
) -> dict[str, Variables]:
    """Each condition's whole network before training: a fresh one, its copied layers grafted.

    Args:
      layer_names: the layers in depth order.
      init: makes a fresh network from a key.
      base: the base network; None for a column of base networks.

    Returns:
      Cut label to variables.

    Source: Yosinski et al. (2014), section 2.
    """
    networks = {}
    for cut, condition in zip(column.cuts, column.conditions, strict=True):
        fresh = init(key_for(column.seed, "init", column.split, condition.begins_as))
        if base is not None and cut.copied:
            names = [layer_names[layer] for layer in cut.copied]
            # A layer without parameters has nothing to copy.
            copied = [f"{name}/**" for name in names if jax.tree.leaves(base[name])]
            fresh = graft(fresh, base, copied) if copied else fresh
        networks[cut.label] = fresh
    return networks
