"""The table of controls: what was measured of networks beside their accuracy."""

from collections.abc import Iterable
from dataclasses import dataclass

from etils import epath

from transfer_jax.folder.typed_rows import read_typed, write_typed

CKA, STITCHING, BARRIER = "cka", "stitching", "barrier"
REINITIALISATION, SCORES = "reinitialisation", "scores"
CONTROLS = (CKA, STITCHING, BARRIER, REINITIALISATION, SCORES)
# Those that train networks of their own.
TRAINING = (STITCHING, BARRIER)
# What rows are called that are not called as their control.
DEBIASED_CKA, TWO_RUNS, LEEP, LOGME = "debiased-cka", "two-runs", "leep", "raw-logme"
# What rows were called by earlier versions, and what they are of.
FORMER = {
    "cka": "CKA that is too high where features outnumber examples",
    "barrier": "the line between fine-tuned networks of neighbouring cuts",
    "logme": "LogME of 64 principal directions of the features",
}


@dataclass(frozen=True)
class ControlRow:
    """One number of a control.

    Attributes:
      split, seed, base, target, examples: the column that it was measured in; examples of each
        class of the target, 0 for all.
      control: which one: STITCHING, REINITIALISATION, DEBIASED_CKA, TWO_RUNS, or the score.
      n: number of transferred layers; 0 for base networks.
      layer: the layer that it is of; empty where it is of the whole network.
      at: a place on the way: 0 ... 1 from one network to another, or steps of training.
      value: the number.
    """

    split: str
    seed: int
    base: str
    target: str
    examples: int
    control: str
    n: int
    layer: str
    at: float
    value: float


def write_controls(path: epath.Path, rows: Iterable[ControlRow]) -> None:
    """Write controls as CSV, all of them or nothing.

    Args:
      path: the file; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_typed(path, ControlRow, rows)


def read_controls(path: epath.Path) -> list[ControlRow]:
    """Read controls.

    Args:
      path: the file.

    Returns:
      The rows.

    Raises:
      ResultsError: the file is missing, or a line is not a row; the line is named.

    Example:
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "controls.csv"
      >>> write_controls(path, [ControlRow("s", 0, "A", "B", 0, "cka", 1, "conv1", 0.0, 0.5)])
      >>> read_controls(path)[0].value
      0.5
    """
    return read_typed(path, ControlRow)
