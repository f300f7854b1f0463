"""Tables for people: treatments across, cuts down, mean and interval in each cell."""

from collections.abc import Sequence
from dataclasses import dataclass

from transfer_jax.analysis.statistics import Cell
from transfer_jax.conditions import Treatment


@dataclass(frozen=True)
class Table:
    """A table ready to print."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def treatment_table(title: str, cells: Sequence[Cell], *, signed: bool = False) -> Table:
    """One row for each n, one column for each treatment.

    Args:
      title: the table's title.
      cells: the cells of one split.
      signed: print differences, with a sign.

    Returns:
      The table, in percent; empty where a treatment was not run at that n.

    Example:
      >>> cell = Cell("distant", Treatment.TRANSFER, 1, (0.5, 0.7), 0.6, 0.1)
      >>> treatment_table("accuracy", [cell]).rows
      (('1', '60.0±10.0'),)
    """
    present = [t for t in Treatment if any(cell.treatment == t for cell in cells)]
    found = {(cell.n, cell.treatment): cell for cell in cells}
    rows = tuple(
        (str(n), *(_text(found.get((n, t)), signed) for t in present))
        for n in sorted({cell.n for cell in cells})
    )
    return Table(title, ("n", *(heading(t) for t in present)), rows)


def heading(treatment: Treatment) -> str:
    """What a treatment is called in tables and figures.

    Args:
      treatment: the arm.

    Returns:
      Its name.

    Example:
      >>> heading(Treatment.RANDOM)
      'random, frozen'
    """
    return "random, frozen" if treatment == Treatment.RANDOM else treatment.value


def _text(cell: Cell | None, signed: bool) -> str:
    if cell is None:
        return ""
    mean = f"{100 * cell.mean:{'+' if signed else ''}.1f}"
    return mean if cell.half_width is None else f"{mean}±{100 * cell.half_width:.1f}"
