"""What training makes small, and what its networks are judged by: functions of each example."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

OfEachExample = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Measure:
    """A number for each example; a network's is their mean.

    Attributes:
      name: what it is called.
      of_each: outputs and labels to one number an example.
      higher_is_better: its direction.
      by_class: whether every class counts the same, however many examples it has.
    """

    name: str
    of_each: OfEachExample
    higher_is_better: bool
    by_class: bool = False

    def better(self, one: float, other: float) -> bool:
        """Whether one value is better than another.

        Args:
          one: a value.
          other: a value.

        Returns:
          True where it is; nothing is better than an equal value, or than one that is not a
          number if itself it is none.
        """
        return one > other if self.higher_is_better else one < other


@dataclass(frozen=True)
class Objective:
    """A loss, whose mean over the batch is differentiated, and a score.

    Attributes:
      loss: what training makes small.
      score: what tables and curves hold.

    Raises:
      ValueError: the loss is one of which more is better, or not a plain mean over examples.
    """

    loss: Measure
    score: Measure

    def __post_init__(self) -> None:
        """Check that the loss can be made small."""
        if self.loss.higher_is_better or self.loss.by_class:
            wrong = "is better high" if self.loss.higher_is_better else "is a mean over classes"
            raise ValueError(
                f"the loss is {self.loss.name}, which {wrong}; "
                "allowed: a mean over examples that is better low"
            )


def cross_entropy(logits: Float[Array, "batch output"], labels: Array) -> Float[Array, " batch"]:
    """Cross-entropy of each example, by a one-hot product.

    The gradient of a lookup is a scatter, which XLA merges or not depending on the number of
    devices, so that sums would come out in another order.

    Args:
      logits: the network's output.
      labels: the true classes.

    Returns:
      The cross-entropy in nats.

    Example:
      >>> round(cross_entropy(jnp.zeros((1, 2)), jnp.zeros(1, jnp.int32)).item(), 3)
      0.693
    """
    return optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, logits.shape[-1]))  # pyright: ignore


def right(
    logits: Float[Array, "batch output"], labels: Int[Array, " batch"]
) -> Float[Array, " batch"]:
    """1 where the largest output is the true class's, else 0.

    Args:
      logits: the network's output; of equal ones the first counts.
      labels: the true classes.

    Returns:
      Ones and zeros.

    Example:
      >>> right(jnp.array([[2.0, 1.0], [2.0, 1.0]]), jnp.array([0, 1])).tolist()
      [1.0, 0.0]
    """
    return (logits.argmax(-1) == labels).astype(jnp.float32)


def among_first(count: int) -> OfEachExample:
    """1 where the true class is among those of the largest outputs, else 0.

    Args:
      count: how many largest outputs; of equal ones the first classes count.

    Returns:
      A function of outputs and labels. Outputs that are not numbers are never right.

    Example:
      >>> among_first(2)(jnp.array([[3.0, 1.0, 2.0]] * 3), jnp.arange(3)).tolist()
      [1.0, 0.0, 1.0]
    """

    def of_each(
        logits: Float[Array, "batch output"], labels: Int[Array, " batch"]
    ) -> Float[Array, " batch"]:
        own = jnp.take_along_axis(logits, labels[:, None], axis=-1)
        before = jnp.arange(logits.shape[-1]) < labels[:, None]
        ahead = (logits > own) | ((logits == own) & before)
        found = (ahead.sum(-1) < count) & jnp.isfinite(logits).all(-1)
        return found.astype(jnp.float32)

    return of_each


def squared_error(outputs: Float[Array, "batch output"], labels: Array) -> Float[Array, " batch"]:
    """Sum of the squared differences between an example's outputs and what they should be.

    Args:
      outputs: the network's output.
      labels: true classes, which should be 1 and all others 0; or numbers, one an output.

    Returns:
      The sums.

    Example:
      >>> squared_error(jnp.array([[1.0, 0.5]]), jnp.array([0])).tolist()
      [0.25]

    Source: for classes, Hui and Belkin (2021), Evaluation of neural architectures trained with
    square loss vs cross-entropy in classification tasks.
    """
    classes = jnp.issubdtype(labels.dtype, jnp.integer)
    wanted = jax.nn.one_hot(labels, outputs.shape[-1]) if classes else labels
    return jnp.square(outputs - wanted.reshape(outputs.shape)).sum(-1)


CROSS_ENTROPY = Measure("cross entropy", cross_entropy, higher_is_better=False)
SQUARED_ERROR = Measure("squared error", squared_error, higher_is_better=False)
TOP1 = Measure("top-1 accuracy", right, higher_is_better=True)
TOP5 = Measure("top-5 accuracy", among_first(5), higher_is_better=True)
BALANCED = Measure("balanced accuracy", right, higher_is_better=True, by_class=True)
CLASSIFICATION = Objective(CROSS_ENTROPY, TOP1)
