"""Choices of layers beside the paper's: which are copied, and which stay frozen until when."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Phase:
    """A part of training: the share of the steps after which it begins, and what is frozen then."""

    start: float
    frozen: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "frozen", _layers("a phase", self.frozen))


def _layers(name: str, layers: Iterable[int]) -> tuple[int, ...]:
    """Numbers of layers, whatever holds them."""
    found = tuple(layers)
    if odd := [layer for layer in found if type(layer) is not int or layer < 0]:
        raise ValueError(f"{name} names layer {odd[0]!r}; allowed: whole numbers from 0")
    return found


@dataclass(frozen=True)
class Variant:
    """A choice of layers beside the paper's: which are copied, which of all stay frozen.

    Layers are counted from 0. A frozen layer that is not copied stays as it was initialised.

    Attributes:
      name: its name, in results.
      copied: the layers that come from the base network.
      frozen: the layers that are frozen at first.
      later: the phases that follow; each sets free some of what was frozen.
      start: what the last layer begins as: "probe", the linear head that is solved for the layers
        below it; empty, as it is drawn.
      depths: after how many layers a linear head takes features, where one is solved on them and
        nothing is trained step by step; else none.

    Raises:
      ValueError: a phase does not begin after the one before it, or freezes what was free.
    """

    name: str
    copied: tuple[int, ...]
    frozen: tuple[int, ...]
    later: tuple[Phase, ...] = ()
    start: str = ""
    depths: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("copied", "frozen"):
            object.__setattr__(self, name, _layers(self.name, getattr(self, name)))
        object.__setattr__(self, "later", tuple(self.later))
        object.__setattr__(self, "depths", tuple(self.depths))
        for before, after in pairwise(self.phases):
            if not before.start < after.start < 1:
                raise ValueError(
                    f"{self.name}: a phase begins after {after.start} of the steps; allowed: "
                    f"above {before.start} and below 1"
                )
            if not set(after.frozen) < set(before.frozen):
                raise ValueError(f"{self.name}: the phase from {after.start} on sets nothing free")

    @property
    def solved(self) -> bool:
        """Whether it is a linear head that is solved, and nothing is trained step by step."""
        return bool(self.depths)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases, in order."""
        return (Phase(0.0, self.frozen), *self.later)
