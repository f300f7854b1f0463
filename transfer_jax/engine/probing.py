"""Linear heads on features: solved at several strengths, one of them chosen by validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, Int

from transfer_jax.engine.features import widened
from transfer_jax.engine.logistic import (
    FIXED_STRENGTH,
    STRENGTHS,
    Axes,
    Linear,
    axes_of,
    logits_of,
    solve,
)
from transfer_jax.engine.objective import cross_entropy, right

FOLDS = 5


class Examples(NamedTuple):
    """Some images: their features, and their classes within the task."""

    features: Float[np.ndarray, "example feature"]
    labels: Int[np.ndarray, " example"]


class Probed(NamedTuple):
    """A linear head, and how it does.

    `linear` takes features as they are. `right` and `loss` are of each test example, and
    `validation_right` of each validation example.
    """

    linear: Linear
    strength: float
    right: Float[np.ndarray, " example"]
    loss: Float[np.ndarray, " example"]
    validation_right: Float[np.ndarray, " example"]


@dataclass(frozen=True)
class Heads:
    """Linear heads on the same features, one a strength.

    Attributes:
      axes: what makes the features uncorrelated.
      maps: of each strength, in order, what is linear in features along the axes; zeros follow.
      strengths: factors of the squares of weights.
    """

    axes: Axes
    maps: tuple[Linear, ...]
    strengths: tuple[float, ...]

    def rights(self, examples: Examples) -> Float[np.ndarray, "strength example"]:
        """1 for each example that a head classifies right."""
        x = self._along(examples.features)
        return np.stack([_right(own, x, examples.labels) for own in self.maps])

    def linear(self, number: int) -> Linear:
        """One of them, of features as they are."""
        count = self.axes.turn.shape[1]
        return self.axes.folded(Linear(self.maps[number].kernel[:count], self.maps[number].bias))

    def judged(
        self, number: int, test: Examples, validation_right: Float[np.ndarray, " example"]
    ) -> Probed:
        """One of them, and how it does."""
        x, own = jnp.asarray(self._along(test.features)), self.maps[number]
        loss = np.asarray(cross_entropy(logits_of(own, x), jnp.asarray(test.labels)))
        of_test = _right(own, x, test.labels)
        return Probed(self.linear(number), self.strengths[number], of_test, loss, validation_right)

    def _along(self, features: Float[np.ndarray, "e f"]) -> Float[np.ndarray, "e a"]:
        (found,) = widened([self.axes.of(features)], self.maps[0].kernel.shape[0])
        return found


def solved_heads(train: Examples, outputs: int, strengths: Sequence[float], width: int) -> Heads:
    """The linear heads on some features: logistic regression.

    Args:
      train: what they are solved on.
      outputs: number of logits.
      strengths: factors of the squares of weights.
      width: number of features that the program is made for, at least.

    Returns:
      The heads.
    """
    axes = axes_of(train.features)
    along = axes.of(train.features)
    (x,) = widened([along], max(width, along.shape[1]))
    several = solve(
        jnp.asarray(x), jnp.asarray(train.labels), jnp.asarray(strengths, jnp.float32), outputs
    )
    each = [Linear(*(np.asarray(leaf[i]) for leaf in several)) for i in range(len(strengths))]
    return Heads(axes, tuple(each), tuple(strengths))


def probe(
    train: Examples, validation: Examples, test: Examples, outputs: int, width: int = 0
) -> Probed:
    """The linear head on some features, its strength chosen by validation.

    Of strengths that classify as many validation examples right the greatest is taken; where there
    are none, the strength is fixed. How the head does on these examples is told of each by a
    strength that it did not choose.

    Args:
      train: what it is solved on.
      validation: what the strength is chosen by; may be empty.
      test: what it is judged by.
      outputs: number of logits.
      width: number of features that the program is made for, at least.

    Returns:
      The head.

    Example:
      >>> some = Examples(np.array([[-1.0], [1.0]], np.float32), np.array([0, 1]))
      >>> probe(some, some, some, 2).right.tolist()
      [1.0, 1.0]
    """
    strengths = strengths_for(validation)
    heads = solved_heads(train, outputs, strengths, width)
    rights = heads.rights(validation)
    return heads.judged(best(rights, strengths), test, of_validation(rights, strengths))


def strengths_for(validation: Examples) -> tuple[float, ...]:
    """What there is to choose from: without validation examples, one strength."""
    return STRENGTHS if len(validation.labels) else (FIXED_STRENGTH,)


def best(rights: Float[np.ndarray, "choice example"], preferred: Sequence[Any]) -> int:
    """Which choice classifies the most examples right.

    Args:
      rights: 1 for each example that is classified right.
      preferred: of choices that are as good the one is taken of which this is greatest.

    Returns:
      Its number.

    Example:
      >>> best(np.array([[1, 0], [1, 1], [1, 1]]), [0.1, 0.2, 0.3])
      2
    """
    return max(range(len(preferred)), key=lambda i: (rights[i].sum(), preferred[i]))


def of_validation(
    rights: Float[np.ndarray, "choice example"], preferred: Sequence[Any]
) -> Float[np.ndarray, " example"]:
    """Each validation example, as the choice has it that those of the other folds make.

    What made the choice would flatter it, and ways are compared by these numbers.

    Args:
      rights: 1 for each example that is classified right.
      preferred: as of `best`.

    Returns:
      1 for each example that is classified right.

    Example:
      >>> of_validation(np.array([[1, 0], [0, 1]]), [0.1, 0.2]).tolist()
      [0, 0]
    """
    folds = np.arange(rights.shape[1]) % FOLDS
    found = np.zeros(rights.shape[1], rights.dtype)
    for fold in range(FOLDS):
        found[folds == fold] = rights[best(rights[:, folds != fold], preferred), folds == fold]
    return found


def _right(linear: Linear, features: ArrayLike, labels: np.ndarray) -> np.ndarray:
    """1 for each example that is classified right."""
    return np.asarray(right(logits_of(linear, jnp.asarray(features)), jnp.asarray(labels)))
