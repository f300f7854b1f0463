"""Which examples each network classifies right, eight to a byte."""

from dataclasses import dataclass

import numpy as np
from etils import epath
from jaxtyping import Bool, Int, UInt8

from transfer_jax.folder.results import ResultsError
from transfer_jax.folder.whole_file import read_arrays, write_arrays
from transfer_jax.grid.conditions import Column


@dataclass(frozen=True)
class Correctness:
    """One column's networks, example by example.

    Attributes:
      labels: the networks, by the labels of their conditions.
      images: the examples, as numbers of the dataset's test (or validation) images, ascending.
      bits: what `np.packbits` makes of right and wrong, a row a network.
    """

    labels: tuple[str, ...]
    images: Int[np.ndarray, " example"]
    bits: UInt8[np.ndarray, "network byte"]

    def right(self, label: str) -> Bool[np.ndarray, " example"]:
        """Which examples one network classifies right.

        Args:
          label: the label of its condition.

        Returns:
          True for the right ones, in the order of `images`.

        Raises:
          ValueError: there is no such network.
        """
        bits = self.bits[self.labels.index(label)]
        return np.unpackbits(bits, count=len(self.images)).astype(bool)


def write_correctness(
    path: epath.Path,
    column: Column,
    right: Bool[np.ndarray, "condition example"],
    examples: Int[np.ndarray, " example"],
    candidates: Bool[np.ndarray, " image"],
) -> None:
    """Write which examples a column's networks classify right.

    Args:
      path: the file, `.npz`.
      column: the column.
      right: a row a condition, in the order of the column's.
      examples: the examples, as indices of the dataset, ascending.
      candidates: True for the dataset's test images, or for its validation images.

    Example:
      >>> from transfer_jax.grid.conditions import Cut
      >>> path = epath.Path(__import__("tempfile").mkdtemp()) / "right.npz"
      >>> column = Column("halves", 0, None, "A", (Cut(0, True),))
      >>> test = np.array([False, True, True, True])
      >>> write_correctness(path, column, np.array([[True, False]]), np.array([1, 3]), test)
      >>> found = read_correctness(path)
      >>> found.images.tolist(), found.right("baseA").tolist()
      ([0, 2], [True, False])
    """
    chosen = np.isin(np.flatnonzero(candidates), examples)
    write_arrays(
        path,
        labels=np.array([c.label for c in column.conditions]),
        images=np.packbits(chosen),
        bits=np.packbits(right, axis=1),
    )


def read_correctness(path: epath.Path) -> Correctness:
    """Read which examples a column's networks classify right.

    Args:
      path: the file; nothing in it is executed.

    Returns:
      The networks and their tests.

    Raises:
      ResultsError: the file is missing or damaged.
    """
    try:
        labels, mask, bits = read_arrays(path, ("labels", "images", "bits"))
        images = np.flatnonzero(np.unpackbits(mask))
    except (ValueError, TypeError) as error:
        raise ResultsError(str(error)) from None
    whole = (len(labels), -(-len(images) // 8)) == bits.shape and bits.dtype == np.uint8
    if not whole:
        raise ResultsError(f"{path} is damaged: {len(labels)} networks, {len(images)} examples")
    return Correctness(tuple(map(str, labels)), images, bits)
