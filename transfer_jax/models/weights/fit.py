"""Whether the arrays of a file are those of a network: all that does not fit, in one line."""

from collections.abc import Mapping
from dataclasses import dataclass

from transfer_jax.models.weights.leaf_names import Shape
from transfer_jax.surgery.tree_file_error import few


@dataclass(frozen=True)
class Misfit:
    """What does not fit.

    Attributes:
      missing: names that the network has, and the file not.
      left_over: names that the file has, and the network not.
      misshapen: names that both have, with the file's shape and the network's.
    """

    missing: tuple[str, ...]
    left_over: tuple[str, ...]
    misshapen: Mapping[str, tuple[Shape, Shape]]

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.missing or self.left_over or self.misshapen)

    def __str__(self) -> str:
        """All of it, the first few of each kind by name."""
        shapes = [
            f"{name} is {_shape(found)}, not {_shape(asked)}"
            for name, (found, asked) in self.misshapen.items()
        ]
        kinds = {"missing": self.missing, "left over": self.left_over, "misshapen": shapes}
        return "; ".join(f"{kind}: {few(names)}" for kind, names in kinds.items() if names)


def misfit(asked: Mapping[str, Shape], found: Mapping[str, Shape]) -> Misfit:
    """What does not fit.

    Args:
      asked: the shapes that a network has, by name.
      found: those that a file has.

    Returns:
      The misfit, which is false where there is none.

    Example:
      >>> str(misfit({"a": (2,), "b": (1, 2)}, {"b": (2, 2), "c": ()}))
      'missing: a; left over: c; misshapen: b is 2x2, not 1x2'
    """
    return Misfit(
        tuple(name for name in asked if name not in found),
        tuple(name for name in found if name not in asked),
        {n: (found[n], asked[n]) for n in asked if n in found and found[n] != asked[n]},
    )


def share(asked: Mapping[str, Shape], found: Mapping[str, Shape]) -> float:
    """How much of a network and a file is the same, in name and shape.

    Args:
      asked: the shapes that the network has, by name.
      found: those that the file has.

    Returns:
      1 where all of both is.

    Example:
      >>> share({"a": (2,), "b": (1, 2)}, {"b": (1, 2), "c": ()})
      0.5
    """
    same = sum(found.get(name) == shape for name, shape in asked.items())
    return same / max(len(asked), len(found), 1)


def _shape(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a number"
