"""What a column starts from: its networks, its base network and its inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from transfer_jax.conditions import RANDOM, Column, Split
from transfer_jax.data.pipeline import ColumnInputs, batch_order, normalisation, test_batches
from transfer_jax.data.sources import ImageSet
from transfer_jax.data.tasks import first_examples, ranks
from transfer_jax.models.layered import Params
from transfer_jax.randomness import key_for
from transfer_jax.surgery.graft import graft

Init = Callable[[Key[Array, ""]], Params]


class ColumnStart(NamedTuple):
    """Everything a column needs before its first step."""

    networks: dict[str, Params]
    base: Params
    inputs: ColumnInputs


@dataclass(frozen=True)
class Recipe:
    """How examples become batches, the same for all columns of a grid.

    Attributes:
      images: the dataset.
      train_per_class: training images taken of each class, the first ones; None takes all.
      test_per_class: test images taken of each class; None takes all.
      test_examples: number of test examples that each task's are padded to.
      batch_size: examples of a training batch.
      test_batch_size: examples of a test batch.
      steps: training steps.
    """

    images: ImageSet
    train_per_class: int | None
    test_per_class: int | None
    test_examples: int
    batch_size: int
    test_batch_size: int
    steps: int


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
    base = target if column.base in (None, RANDOM) else split.task(column.base)
    train = first_examples(images.labels, ~images.is_test, target, recipe.train_per_class)
    test = first_examples(images.labels, images.is_test, target, recipe.test_per_class)
    seen_by_base = first_examples(images.labels, ~images.is_test, base, recipe.train_per_class)
    mean, scale = normalisation(images.images[seen_by_base])
    order = key_for(column.seed, "batches", column.split, column.target)
    return ColumnInputs(
        train_batches=batch_order(order, train, recipe.batch_size, recipe.steps),
        test_batches=jnp.asarray(test_batches(test, recipe.test_batch_size, recipe.test_examples)),
        ranks=jnp.asarray(ranks(target, len(images.class_names))),
        mean=jnp.asarray(mean),
        scale=jnp.asarray(scale),
        key=jax.random.key_data(
            key_for(column.seed, "train", column.split, column.base or "base", column.target)
        ),
    )


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
