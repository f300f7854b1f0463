"""How many batches a column is evaluated on as it is trained, and at the end."""

from collections.abc import Sequence
from itertools import pairwise

from transfer_jax.data.order import ColumnInputs
from transfer_jax.plan.plan import Plan


def evaluated_batches(
    plan: Plan, inputs: ColumnInputs, ends: Sequence[int], *, is_pilot: bool = False
) -> list[int]:
    """The number of batches in each phase of a column.

    Args:
      inputs: the column's, arrays or their shapes.
      ends: the step after the last one of each phase; the last is that of the training.
      is_pilot: whether the column is one of a pilot, which is validated once and never tested.

    Returns:
      One number a phase; what is judged at the step at which a phase begins is judged in it.
    """
    every = 0 if is_pilot else plan.config.test_every
    whole = inputs.validation_batches.shape[0]
    whole += 0 if is_pilot else inputs.test_batches.shape[0]
    part = plan.recipe.part_batches if every else 0
    last, found = ends[-1], []
    for begin, end in pairwise([0, *ends]):
        # Multiples of `every` from the phase's first step, but for step 0, up to its last one.
        on_the_way = (end - 1) // every - max(begin - 1, 0) // every if every else 0
        tests = on_the_way + (end == last)
        found.append(tests * (part or whole) + (whole if part and end == last else 0))
    return found
