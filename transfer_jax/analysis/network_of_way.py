"""Which way a network is one of, and which network of a way is the most accurate."""

from collections.abc import Iterable

from transfer_jax.analysis.statistics.choices import Choice, choice_of
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment


def arm_of(row: ResultRow) -> Arm:
    """The way of a network.

    Returns:
      Treatment, n and variant.
    """
    return Arm(Treatment(row.treatment), row.n, row.variant)


def network_of(networks: Iterable[ResultRow], choice: Choice) -> ResultRow | None:
    """Of the networks of a way, the one that is most accurate on validation images.

    Args:
      networks: some that did not fail, of tasks that one choice is for.
      choice: the way.

    Returns:
      It, on test images where there are no others, of alike ones that of the lowest seed; None
      where there is none that did not fail.
    """
    rows = [row for row in networks if _is_of(row, choice)]
    return max(
        sorted(rows, key=lambda row: row.seed),
        key=lambda row: row.top1 if row.validation is None else row.validation,
        default=None,
    )


def _is_of(row: ResultRow, choice: Choice) -> bool:
    control = Arm(Treatment.SCRATCH, 0)
    return choice_of(arm_of(row)) == choice and (choice != "scratch" or arm_of(row) == control)
