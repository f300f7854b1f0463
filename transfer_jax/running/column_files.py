"""What is kept of a finished column: its networks, its tests, its results."""

import numpy as np
from jaxtyping import Array, Int

from transfer_jax.engine.columns import ColumnStart
from transfer_jax.engine.outcome import ColumnOutcome
from transfer_jax.folder.checkpoints import save
from transfer_jax.folder.correctness import write_correctness
from transfer_jax.folder.curves import write_curves
from transfer_jax.folder.results import mean_of_best, rows_of, write_rows
from transfer_jax.grid.conditions import Column
from transfer_jax.models.layered import as_stored
from transfer_jax.running.bases import save_base
from transfer_jax.running.report_images import keep_filters
from transfer_jax.running.run import Run


def keep_networks(run: Run, column: Column, outcome: ColumnOutcome) -> None:
    """Keep base networks, and if the config asks for it the layers that conditions trained.

    Args:
      outcome: what its training gave.
    """
    folder, networks = run.folder, outcome.networks
    assert networks is not None
    keep_filters(folder.filters(column), column, networks, run.plan.network.layer_names[0])
    if column.base is None:
        (base,), (cut,) = column.conditions, column.cuts
        save_base(folder, base, networks[cut.label])
    elif run.plan.config.checkpoint.networks == "all":
        save(folder.networks(column), {n: as_stored(own) for n, own in networks.items()})


def keep_tests(run: Run, column: Column, start: ColumnStart, outcome: ColumnOutcome) -> None:
    """Keep the learning curves, and which test and validation examples are right.

    Args:
      start: what it started from.
      outcome: what its training gave.
    """
    folder, images, inputs = run.folder, run.plan.recipe.images, start.inputs
    test, validation = _examples(inputs.test_batches), _examples(inputs.validation_batches)
    if len(validation):
        where, right = folder.validated(column), outcome.validation_right
        write_correctness(where, column, right, validation, images.is_validation)
    if run.tests:
        where = folder.correct(column)
        order = np.argsort(test)
        write_correctness(where, column, outcome.right[:, order], test[order], images.is_test)
        # Tests of a part of the images: one after the last step too, before the whole one.
        curve = slice(-1 if _in_part(run) else None)
        write_curves(folder.curves(column), column, outcome.steps[curve], outcome.test[curve])


def _in_part(run: Run) -> bool:
    """Whether tests before the last step are made of a part of the images."""
    return bool(run.plan.config.test_every and run.plan.config.test_part)


def _examples(batches: Int[Array | np.ndarray, "batch example"]) -> Int[np.ndarray, " example"]:
    """The examples of padded batches."""
    numbers = np.asarray(batches)
    return numbers[numbers >= 0]


def keep_results(run: Run, column: Column, outcome: ColumnOutcome) -> None:
    """Keep the rows of a column; a column that has them is finished.

    Args:
      outcome: what its training gave.
    """
    rows = rows_of(
        column,
        outcome.top1,
        outcome.loss,
        outcome.diverged,
        column.steps(run.plan.recipe.steps),
        validation=outcome.validation[-1] if run.plan.recipe.validation_examples else None,
        best10=mean_of_best(outcome.test[-1:] if _in_part(run) else outcome.test),
    )
    write_rows(run.folder.column(column), rows)
