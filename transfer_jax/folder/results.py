"""The table of results: one row for each trained network."""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from etils import epath
from jaxtyping import Float

from transfer_jax.folder.extras import needs
from transfer_jax.folder.places import place
from transfer_jax.folder.whole_file import write_table
from transfer_jax.grid.conditions import PRETRAINED_BASE, Column, Condition, Treatment
from transfer_jax.grid.pretrained import SOLVED

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, int, str, str, int, bool, str, int]
BEST = 10


class ResultsError(ValueError):
    """A results file that is damaged or incomplete."""


@dataclass(frozen=True)
class ResultRow:
    """One trained network.

    Attributes:
      split, seed, treatment, base, target, n, fine_tuned: the condition.
      variant: name of its choice of layers; empty for the paper's.
      examples: training images of each class of the target; 0 for all.
      top1: share of test images classified right, after the last step.
      validation: share of validation images classified right, after the last step; what a choice
        between networks is made by. None where no images are held out for it.
      best10: mean of the ten highest accuracies of all tests of the run, the paper's statistic;
        of as many as there were, if fewer. Chosen on test images: only to compare with the paper.
      loss: mean cross-entropy of the test images, in nats.
      step: training steps done.
      diverged: the first step whose loss was not finite; 0 for none.
    """

    split: str
    seed: int
    treatment: str
    base: str
    target: str
    n: int
    fine_tuned: bool
    variant: str
    examples: int
    top1: float
    validation: float | None
    best10: float
    loss: float
    step: int
    diverged: int

    @property
    def column(self) -> str:
        """The name of the column that the network was trained in."""
        base = None if self.treatment == Treatment.BASE else self.base
        place = (self.split, self.seed, base, self.target, (), self.examples or None)
        is_solved = self.variant in SOLVED and self.base == PRETRAINED_BASE
        return Column(*place, trainings=0 if is_solved else 1).name

    @property
    def label(self) -> str:
        """`A3B+`: base, number of transferred layers, target, fine-tuned; a variant's name."""
        if self.treatment in (Treatment.BASE, Treatment.SCRATCH):
            return f"{self.treatment}{self.target}"
        plus, name = "+" if self.fine_tuned else "", f" {self.variant}" if self.variant else ""
        return f"{self.base}{self.n}{self.target}{plus}{name}"

    @property
    def setting(self) -> str:
        """The split, and the number of examples where it is not all."""
        return f"{self.split}, first {self.examples}" if self.examples else self.split


@dataclass(frozen=True)
class Results:
    """The rows of a run, and the folder they were written to."""

    rows: tuple[ResultRow, ...]
    workdir: str

    @classmethod
    def read(cls, workdir: epath.PathLike) -> "Results":
        """The results of a finished run.

        Args:
          workdir: the run's folder.

        Returns:
          The table.

        Raises:
          ResultsError: the folder holds no results, or they are damaged.
        """
        folder = place(workdir, "workdir")
        return cls(tuple(read_rows(folder / "results.csv")), str(folder))

    def frame(self) -> "pd.DataFrame":
        """The rows as a pandas table, a network a row.

        Returns:
          A table with the fields of `ResultRow` as columns.

        Raises:
          ExtraError: pandas is not installed.

        Example:
          >>> list(Results((), "").frame().columns)[:3]
          ['split', 'seed', 'treatment']
        """
        with needs("tables", "A table of pandas"):
            import pandas as pd

        names = [field.name for field in fields(ResultRow)]
        return pd.DataFrame([astuple(row) for row in self.rows], columns=pd.Index(names))

    def accuracy(self, condition: Condition) -> float:
        """Test accuracy of one condition.

        Returns:
          Its top-1 accuracy, 0 ... 1.

        Raises:
          KeyError: the run has no such condition.
        """
        for row in self.rows:
            if _key(row) == _key_of(condition):
                return row.top1
        raise KeyError(f"no condition {condition.label} of {condition.split} in {self.workdir}")


def rows_of(
    column: Column,
    top1: Iterable[float],
    loss: Iterable[float],
    diverged: Iterable[int],
    step: int,
    *,
    validation: Iterable[float | None] | None = None,
    best10: Iterable[float] | None = None,
) -> list[ResultRow]:
    """The rows of a trained column.

    Args:
      top1: accuracy of each condition, in the order of the cuts.
      loss: mean cross-entropy of each condition, in nats.
      diverged: the first step whose loss was not finite, of each condition; 0 for none.
      step: training steps done.
      validation: accuracy of each condition on validation images; None where there are none.
      best10: the paper's statistic of each condition; None where there was one test.

    Returns:
      One row a condition.
    """
    top1 = list(top1)
    validation = [None] * len(top1) if validation is None else validation
    found = zip(column.conditions, top1, validation, best10 or top1, loss, diverged, strict=True)
    return [
        ResultRow(
            *_key_of(c)[:2],
            c.treatment.value,
            *_key_of(c)[2:],
            top1=float(t),
            validation=None if v is None else float(v),
            best10=float(best),
            loss=float(x),
            step=step,
            diverged=int(d),
        )
        for c, t, v, best, x, d in found
    ]


def mean_of_best(tests: Float[np.ndarray, "test condition"]) -> list[float]:
    """The paper's statistic: the mean of the ten highest accuracies of each condition.

    Args:
      tests: accuracy of each condition at every test.

    Returns:
      One number a condition; of all tests where there are fewer than ten.

    Example:
      >>> mean_of_best(np.array([[0.5], [0.75], [0.25]]))
      [0.5]

    Source: the notebook of the authors' repository, yosinski/convnet_transfer.
    """
    return np.sort(tests, axis=0)[-BEST:].mean(axis=0).tolist()


def write_rows(path: epath.Path, rows: Iterable[ResultRow]) -> None:
    """Write rows as CSV, all of them or nothing.

    Args:
      path: the file.
    """
    write_table(path, [field.name for field in fields(ResultRow)], (astuple(row) for row in rows))


def read_rows(path: epath.Path) -> list[ResultRow]:
    """Read rows from CSV.

    Args:
      path: the file.

    Returns:
      The rows.

    Raises:
      ResultsError: the file is missing, or a line is not a row; the line is named.
    """
    try:
        lines = list(csv.reader(io.StringIO(path.read_text())))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ResultsError(f"{path} cannot be read: {error}") from None
    names = [field.name for field in fields(ResultRow)]
    if not lines or lines[0] != names:
        raise ResultsError(f"{path} is no results file: line 1 should be {','.join(names)}")
    return [_parse(path, number, line) for number, line in enumerate(lines[1:], start=2)]


def check_complete(path: epath.Path, rows: Iterable[ResultRow], grid: Iterable[Condition]) -> None:
    """Check that a results file holds each condition of a grid exactly once.

    Args:
      path: the file, for the message.
      grid: the conditions.

    Raises:
      ResultsError: conditions are missing, unknown or there twice.
    """
    found, wanted = [_key(row) for row in rows], [_key_of(c) for c in grid]
    if sorted(found) != sorted(wanted):
        missing, odd = set(wanted) - set(found), set(found) - set(wanted)
        raise ResultsError(
            f"{path} is damaged: {len(found)} rows for {len(wanted)} conditions, {len(missing)} "
            f"missing, {len(odd)} unknown; delete it and run again, finished columns are kept"
        )


def _parse(path: epath.Path, number: int, line: list[str]) -> ResultRow:
    expected = fields(ResultRow)
    if len(line) != len(expected):
        raise ResultsError(
            f"{path} is damaged: line {number} has {len(line)} fields, expected {len(expected)}; "
            "delete it and run again, finished columns are kept"
        )
    values: dict[str, Any] = {}
    for field, text in zip(expected, line, strict=True):
        try:
            values[field.name] = _PARSERS[field.type](text)  # pyright: ignore
        except (KeyError, ValueError):
            raise ResultsError(
                f"{path} is damaged: line {number}, {field.name} is '{text}'; "
                "delete it and run again, finished columns are kept"
            ) from None
    return ResultRow(**values)


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    float | None: lambda text: float(text) if text else None,
    bool: {"True": True, "False": False}.__getitem__,
}


def _key(row: ResultRow) -> Key:
    return (
        row.split,
        row.seed,
        row.base,
        row.target,
        row.n,
        row.fine_tuned,
        row.variant,
        row.examples,
    )


def _key_of(c: Condition) -> Key:
    variant = c.variant.name if c.variant else ""
    place = (c.split, c.seed, c.base or c.target, c.target, c.n, c.fine_tuned)
    return (*place, variant, c.examples or 0)
