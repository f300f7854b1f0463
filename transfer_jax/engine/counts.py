"""Sums over the examples that networks are evaluated on, and the means that they are."""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


class Counts(NamedTuple):
    """Sums over the examples seen so far, in the order of the column's cuts; the next batch.

    `weight` is the sum of what each example's score counts: 1, or less in large classes.
    """

    loss: Float[Array, " cut"]
    score: Float[Array, " cut"]
    weight: Float[Array, ""]
    examples: Int[Array, ""]
    batch: Int[Array, ""]


class Evaluation(NamedTuple):
    """How networks stand: on validation images, which a run chooses by, and on test images."""

    validation: Counts
    test: Counts


def no_counts(cuts: int, batch: int = 0) -> Counts:
    """Sums over no examples.

    Args:
      cuts: number of networks.
      batch: the first batch to be added.

    Returns:
      Zeros.
    """
    zeros, zero = jnp.zeros(cuts), jnp.zeros(())
    return Counts(zeros, zeros, zero, zero.astype(jnp.int32), jnp.asarray(batch, jnp.int32))


def added(
    counts: Counts,
    losses: Float[Array, "cut example"],
    scores: Float[Array, "cut example"],
    weights: Float[Array, " example"],
    real: Bool[Array, " example"],
) -> Counts:
    """The sums with one more batch.

    Args:
      counts: the sums so far.
      losses: each network's loss of each example.
      scores: likewise.
      weights: what each example's score counts.
      real: False for padding.

    Returns:
      The next sums.
    """
    return Counts(
        counts.loss + _total(losses, real),
        counts.score + _total(scores * weights, real),
        counts.weight + _total(weights, real),
        counts.examples + jnp.sum(real),
        counts.batch + 1,
    )


def _total(
    values: Float[Array, "... example"], real: Bool[Array, " example"]
) -> Float[Array, "..."]:
    """The sum over examples, in one order: XLA chooses its own by what it joins a sum with."""
    count = len(real)
    room = (1 << (count - 1).bit_length()) - count
    part = jnp.pad(jnp.where(real, values, 0.0), [(0, 0)] * (values.ndim - 1) + [(0, room)])
    while part.shape[-1] > 1:
        first, second = jnp.split(part, 2, axis=-1)
        part = first + second
    return part[..., 0]


def mean_scores(counts: Sequence[Counts]) -> Float[np.ndarray, "evaluation column cut"]:
    """Mean scores of evaluations, whose sums have a leading axis of columns.

    Args:
      counts: their sums.

    Returns:
      Means, not numbers where there are no examples.
    """
    weight = np.stack([np.asarray(own.weight, np.float64)[:, None] for own in counts])
    score = np.stack([np.asarray(own.score, np.float64) for own in counts])
    return np.divide(score, weight, out=np.full(score.shape, np.nan), where=weight > 0)
