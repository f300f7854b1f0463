"""What training a column gives."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float, Int

from transfer_jax.engine.counts import Evaluation, mean_scores
from transfer_jax.engine.mesh import fetch, fetch_rows
from transfer_jax.engine.step import ColumnState
from transfer_jax.models.layered import Variables

# Of all columns of a slot: steps done, and sums with a leading axis of columns.
Evaluations = list[tuple[int, Evaluation]]


class ColumnOutcome(NamedTuple):
    """What training a column gives, in the order of its cuts.

    `steps` are the steps done at every evaluation, the last one included; `test` and `validation`
    the mean score then, not a number where there are no validation examples.
    `loss` is that of the test examples after the last step, not a number where there are none.
    `diverged` is the first step, counted from 1, whose loss was not finite; 0 for none.
    `scores` are those of each test example after the last step, in their order;
    `validation_scores` likewise.
    `networks` are the layers that each condition owns, by the label of its cut: there on the first
    process, None elsewhere.
    """

    steps: Int[np.ndarray, " evaluation"]
    test: Float[np.ndarray, "evaluation cut"]
    validation: Float[np.ndarray, "evaluation cut"]
    loss: Float[np.ndarray, " cut"]
    diverged: Int[np.ndarray, " cut"]
    scores: Float[np.ndarray, "cut example"]
    validation_scores: Float[np.ndarray, "cut example"]
    networks: dict[str, Variables] | None

    @property
    def top1(self) -> Float[np.ndarray, " cut"]:
        """Mean score on the test examples after the last step; by default accuracy."""
        return self.test[-1]

    @property
    def right(self) -> Bool[np.ndarray, "cut example"]:
        """Which test examples have a score of 1: those that are right, where it is an accuracy."""
        return self.scores == 1

    @property
    def validation_right(self) -> Bool[np.ndarray, "cut example"]:
        """Likewise of validation examples."""
        return self.validation_scores == 1


def outcomes(
    evaluations: Evaluations,
    state: ColumnState,
    validation_scores: Sequence[np.ndarray],
    test_scores: Sequence[np.ndarray],
    columns: int,
    mesh: Mesh,
) -> list[ColumnOutcome]:
    """What training a slot of columns gives; all processes call this together.

    Args:
      evaluations: all of them, the last one after the last step.
      state: the columns' state then.
      validation_scores: batch by batch, each network's score of each example.
      test_scores: likewise.
      columns: how many columns the slot has.
      mesh: the mesh that they are on.

    Returns:
      One outcome a column.
    """
    diverged = fetch(state.diverged)
    networks = fetch_rows({n: held.variables for n, held in state.conditions.items()}, mesh)
    validation = [found.validation for _, found in evaluations]
    test = [found.test for _, found in evaluations]
    examples = np.asarray(test[-1].examples)[:, None]
    none = np.full(diverged.shape, np.nan)
    loss = np.divide(np.asarray(test[-1].loss), examples, out=none, where=examples > 0)
    # The last step's loss is that before its update: what it broke shows in the tests.
    broken = ~np.isfinite(np.asarray(test[-1].loss) + np.asarray(validation[-1].loss))
    diverged = np.where((diverged == 0) & broken, evaluations[-1][0], diverged)
    validation_means, means = mean_scores(validation), mean_scores(test)
    of_validation = _of_examples(validation_scores, validation[-1].examples, loss.shape[1])
    of_test = _of_examples(test_scores, test[-1].examples, loss.shape[1])
    return [
        ColumnOutcome(
            steps=np.array([done for done, _ in evaluations]),
            test=means[:, i],
            validation=validation_means[:, i],
            loss=loss[i],
            diverged=diverged[i],
            scores=of_test[i],
            validation_scores=of_validation[i],
            networks=networks.get(i),
        )
        for i in range(columns)
    ]


def _of_examples(
    batches: Sequence[np.ndarray], examples: jax.Array, cuts: int
) -> list[Float[np.ndarray, "cut example"]]:
    """Each column's scores, example by example; padding cut off."""
    counted = np.asarray(examples).tolist()
    if not batches:
        return [np.zeros((cuts, 0), np.float32) for _ in counted]
    whole = np.concatenate(batches, axis=-1)
    return [whole[i, :, :count] for i, count in enumerate(counted)]
