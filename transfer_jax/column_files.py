"""What is kept of a finished column: its networks, its tests, its results."""

import numpy as np

from transfer_jax.checkpoints import save
from transfer_jax.conditions import Column
from transfer_jax.correctness import write_correctness
from transfer_jax.curves import write_curves
from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.loop import ColumnOutcome
from transfer_jax.keepsakes import keep_filters
from transfer_jax.plan import Plan
from transfer_jax.results import mean_of_best, rows_of, write_rows
from transfer_jax.workdir import Workdir


def keep_networks(plan: Plan, folder: Workdir, column: Column, outcome: ColumnOutcome) -> None:
    """Keep base networks, and if the config asks for it the layers that conditions trained.

    Args:
      plan: the plan.
      folder: the run's folder.
      column: the column.
      outcome: what its training gave.
    """
    params = outcome.params
    assert params is not None
    keep_filters(folder.filters(column), column, params, plan.network.layer_names[0])
    if column.base is None:
        (base,), (cut,) = column.conditions, column.cuts
        save(folder.base_network(base), params[cut.label])
    elif plan.config.checkpoint.networks == "all":
        save(folder.networks(column), params)


def keep_tests(
    plan: Plan, folder: Workdir, column: Column, start: ColumnStart, outcome: ColumnOutcome
) -> None:
    """Keep the learning curves, and which test examples are right.

    Args:
      plan: the plan.
      folder: the run's folder.
      column: the column.
      start: what it started from.
      outcome: what its training gave.
    """
    numbers = np.asarray(start.inputs.test_batches)
    where = (folder.correct(column), column, outcome.right)
    write_correctness(*where, numbers[numbers >= 0], plan.recipe.images.is_test)
    write_curves(folder.curves(column), column, outcome.tested, outcome.tests)


def keep_results(plan: Plan, folder: Workdir, column: Column, outcome: ColumnOutcome) -> None:
    """Keep the rows of a column; a column that has them is finished.

    Args:
      plan: the plan.
      folder: the run's folder.
      column: the column.
      outcome: what its training gave.
    """
    best10 = mean_of_best(outcome.tests)
    figures = (outcome.top1, outcome.loss, outcome.diverged, plan.recipe.steps, best10)
    write_rows(folder.column(column), rows_of(column, *figures))
