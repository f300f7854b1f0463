"""A handful of images that networks are looked at with."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from transfer_jax.data.augment import normalise
from transfer_jax.data.crops import centre_crop
from transfer_jax.data.image_set import ImageSet
from transfer_jax.data.order import ColumnInputs
from transfer_jax.data.tasks import first_examples, ranks
from transfer_jax.grid.conditions import Task
from transfer_jax.models.layered import Layered, Variables
from transfer_jax.plan.plan import Plan

BATCH = 250


class Probe:
    """Some images of a task, normalised as a column sees them.

    Args:
      images: the dataset.
      inputs: the column's inputs, whose mean and scale are used.
      count: images at most, evenly from all of the task's.
      test: whether they are test images, or training images.
      crop: side of the square that is cut out of each image; 0 for none.
    """

    def __init__(
        self,
        images: ImageSet,
        task: Task,
        inputs: ColumnInputs,
        count: int,
        *,
        test: bool,
        crop: int = 0,
    ) -> None:
        there = images.is_test if test else images.is_train
        numbers = first_examples(images.labels, there, task, None)
        places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(int)
        chosen = numbers[places]
        pixels = np.stack([np.asarray(images.images[int(i)]) for i in chosen])  # pyright: ignore
        x = normalise(jnp.asarray(pixels), jnp.asarray(inputs.mean), jnp.asarray(inputs.scale))
        self.x = np.asarray(centre_crop(x, crop))
        self.labels: Int[np.ndarray, " example"] = ranks(task, len(images.class_names))[
            images.labels[chosen]
        ]


def probe_of(plan: Plan, task: Task, inputs: ColumnInputs, *, test: bool) -> Probe:
    """As many images of a task as a plan's controls look at.

    Args:
      plan: says how many, and how pixels are cut.
      inputs: those of the column that sees them.
      test: whether they are test images, or training images.

    Returns:
      The images.
    """
    recipe, count = plan.recipe, plan.config.control_examples
    return Probe(recipe.images, task, inputs, count, test=test, crop=recipe.crop)


class Evaluator:
    """Runs whole networks of one architecture on probes, compiled once.

    Args:
      network: the architecture.
    """

    def __init__(self, network: Layered) -> None:
        self.network = network
        self._layers: Callable[..., Mapping[str, jax.Array]] = jax.jit(self._run)
        self._whole = jax.jit(lambda variables, x: network.apply(variables, x)[0])

    def activations(
        self, variables: Variables, probe: Probe
    ) -> dict[str, Float[np.ndarray, "e p"]]:
        """What leaves each layer, a row an example.

        Args:
          variables: the whole network.
          probe: the images.

        Returns:
          Layer name to activations; the last are the logits.
        """
        parts = [self._batch(variables, x) for x in _batches(probe.x)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def accuracy(self, variables: Variables, probe: Probe) -> float:
        """Share of a probe's images that a network classifies right.

        Args:
          variables: the whole network.
          probe: the images.

        Returns:
          The share.
        """
        logits = [
            np.asarray(self._whole(variables, _padded(x)))[: len(x)] for x in _batches(probe.x)
        ]
        return float(np.mean(np.concatenate(logits).argmax(axis=1) == probe.labels))

    def _batch(self, variables: Variables, x: np.ndarray) -> dict[str, np.ndarray]:
        found = jax.device_get(self._layers(variables, _padded(x)))
        return {name: value[: len(x)].reshape(len(x), -1) for name, value in found.items()}

    def _run(self, variables: Variables, x: jax.Array) -> dict[str, jax.Array]:
        found = {}
        for layer, name in enumerate(self.network.layer_names):
            x, _ = self.network.apply(variables, x, layer, layer + 1)
            found[name] = x
        return found


def _batches(x: np.ndarray) -> list[np.ndarray]:
    return [x[start : start + BATCH] for start in range(0, len(x), BATCH)]


def _padded(x: np.ndarray) -> np.ndarray:
    """All batches have one shape, so that one program runs them."""
    return np.concatenate([x, np.zeros((BATCH - len(x), *x.shape[1:]), x.dtype)])
