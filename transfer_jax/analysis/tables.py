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
      >>> cell = Cell("distant", Treatment.TRANSFER, "", 1, (0.5, 0.7), 0.6, 0.1)
      >>> treatment_table("accuracy", [cell]).rows
      (('1', '60.0±10.0'),)
    """
    present = arms(cells)
    found = {(cell.n, cell.treatment, cell.variant): cell for cell in cells}
    rows = tuple(
        (str(n), *(_text(found.get((n, *arm)), signed) for arm in present))
        for n in sorted({cell.n for cell in cells})
    )
    return Table(title, ("n", *(heading(*arm) for arm in present)), rows)


def arms(cells: Sequence[Cell]) -> list[tuple[Treatment, str]]:
    """The treatments and variants that were run, the paper's first.

    Args:
      cells: cells of one split.

    Returns:
      (treatment, variant) pairs.

    Example:
      >>> arms([Cell("distant", Treatment.TRANSFER, "", 1, (0.5,), 0.5, None)])
      [(<Treatment.TRANSFER: 'AnB'>, '')]
    """
    variants = dict.fromkeys(["", *(cell.variant for cell in cells)])
    present = {(cell.treatment, cell.variant) for cell in cells}
    return [(t, v) for v in variants for t in Treatment if (t, v) in present]


def heading(treatment: Treatment, variant: str = "") -> str:
    """What a treatment is called in tables and figures.

    Args:
      treatment: the arm.
      variant: name of the choice of layers; empty for the paper's.

    Returns:
      Its name.

    Example:
      >>> heading(Treatment.RANDOM)
      'random, frozen'
    """
    name = "random, frozen" if treatment == Treatment.RANDOM else treatment.value
    return f"{name}, {variant}" if variant else name


def _text(cell: Cell | None, signed: bool) -> str:
    if cell is None:
        return ""
    mean = f"{100 * cell.mean:{'+' if signed else ''}.1f}"
    return mean if cell.half_width is None else f"{mean}±{100 * cell.half_width:.1f}"
