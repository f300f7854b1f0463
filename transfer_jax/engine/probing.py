"""Linear heads on features: solved at several strengths, one of them chosen by validation."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from transfer_jax.engine.features import widened
from transfer_jax.engine.logistic import (
    FIXED_STRENGTH,
    STRENGTHS,
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


def probe(
    train: Examples, validation: Examples, test: Examples, outputs: int, width: int = 0
) -> Probed:
    """The linear head on some features: logistic regression, its strength chosen by validation.

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
    axes = axes_of(train.features)
    each = [axes.of(own.features) for own in (train, validation, test)]
    count = each[0].shape[1]
    x, x_validation, x_test = widened(each, max(width, count))
    strengths = STRENGTHS if len(validation.labels) else (FIXED_STRENGTH,)
    several = solve(
        jnp.asarray(x), jnp.asarray(train.labels), jnp.asarray(strengths, jnp.float32), outputs
    )
    solved = [Linear(*(np.asarray(leaf[i]) for leaf in several)) for i in range(len(strengths))]
    rights = [_right(linear, x_validation, validation.labels) for linear in solved]
    best = _best(np.stack(rights), strengths)
    linear = solved[best]
    logits = logits_of(linear, jnp.asarray(x_test))
    loss = np.asarray(cross_entropy(logits, jnp.asarray(test.labels)))
    narrow = Linear(linear.kernel[:count], linear.bias)
    of_test = _right(linear, x_test, test.labels)
    of_validation = _of_validation(np.stack(rights), strengths)
    return Probed(axes.folded(narrow), strengths[best], of_test, loss, of_validation)


def _best(rights: Float[np.ndarray, "strength example"], strengths: Sequence[float]) -> int:
    return max(range(len(strengths)), key=lambda i: (rights[i].sum(), strengths[i]))


def _of_validation(
    rights: Float[np.ndarray, "strength example"], strengths: Sequence[float]
) -> Float[np.ndarray, " example"]:
    """Each validation example, as the strength has it that those of the other folds choose.

    What chose the strength would flatter it, and ways are compared by these numbers.
    """
    folds = np.arange(rights.shape[1]) % FOLDS
    found = np.zeros(rights.shape[1], rights.dtype)
    for fold in range(FOLDS):
        found[folds == fold] = rights[_best(rights[:, folds != fold], strengths), folds == fold]
    return found


def _right(linear: Linear, features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """1 for each example that is classified right."""
    return np.asarray(right(logits_of(linear, jnp.asarray(features)), jnp.asarray(labels)))
