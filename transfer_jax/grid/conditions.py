"""What is trained: tasks, treatments, conditions and columns. Names only, no arrays."""

from dataclasses import dataclass
from enum import StrEnum

RANDOM = "random"


class Treatment(StrEnum):
    """The paper's arms; A and B stand for any base and target task."""

    BASE = "base"
    SELFFER = "BnB"
    SELFFER_PLUS = "BnB+"
    TRANSFER = "AnB"
    TRANSFER_PLUS = "AnB+"
    RANDOM = "random"


@dataclass(frozen=True)
class Task:
    """A classification task: a name and the classes of the dataset that it holds."""

    name: str
    classes: tuple[int, ...]


@dataclass(frozen=True)
class Split:
    """A way to divide a dataset's classes into tasks: A and B, or A alone for all classes."""

    name: str
    tasks: tuple[Task, ...]

    def task(self, name: str) -> Task:
        """The task of that name.

        Args:
          name: "A" or "B".

        Returns:
          The task.

        Raises:
          KeyError: there is no such task.

        Example:
          >>> Split("halves", (Task("A", (0, 1)), Task("B", (2, 3)))).task("B").classes
          (2, 3)
        """
        return {task.name: task for task in self.tasks}[name]


@dataclass(frozen=True)
class Variant:
    """A choice of layers beside the paper's: which are copied, which of all stay frozen.

    Layers are counted from 0. A frozen layer that is not copied stays as it was initialised.
    """

    name: str
    copied: tuple[int, ...]
    frozen: tuple[int, ...]


@dataclass(frozen=True)
class Cut:
    """Where a network is cut: the first n layers are transferred, frozen or fine-tuned.

    A variant says otherwise which layers are copied and frozen; n is then only its name's.
    """

    n: int
    fine_tuned: bool
    variant: Variant | None = None

    @property
    def label(self) -> str:
        """`3`, or `3+` where the transferred layers are fine-tuned; a variant's name follows."""
        plus = "+" if self.fine_tuned else ""
        return f"{self.n}{plus}" + (f" {self.variant.name}" if self.variant else "")

    @property
    def copied(self) -> tuple[int, ...]:
        """The layers that come from the base network, counted from 0."""
        return self.variant.copied if self.variant else tuple(range(self.n))

    @property
    def frozen(self) -> tuple[int, ...]:
        """The layers that stay as they are, counted from 0."""
        if self.variant:
            return self.variant.frozen
        return () if self.fine_tuned else tuple(range(self.n))

    @property
    def from_base(self) -> tuple[int, ...]:
        """The layers that are the base network's for good: copied and frozen."""
        return tuple(sorted(set(self.copied) & set(self.frozen)))

    @property
    def trunk_depth(self) -> int:
        """How many first layers, counted without a gap, are the base network's for good."""
        layers = self.from_base
        return next((n for n, layer in enumerate(layers) if n != layer), len(layers))


@dataclass(frozen=True)
class Condition:
    """One network to train.

    Attributes:
      split: name of the split.
      seed: the run's seed.
      base: task of the base network; "random" for an untrained one, None for a base network.
      target: task that is trained on.
      n: number of transferred layers; 0 for a base network.
      fine_tuned: whether the transferred layers are trained on.
      variant: a choice of layers beside the paper's, or None.
      examples: training images of each class of the target, the first ones; None takes all.
        The network that layers are copied from always had all.
    """

    split: str
    seed: int
    base: str | None
    target: str
    n: int
    fine_tuned: bool
    variant: Variant | None = None
    examples: int | None = None

    @property
    def label(self) -> str:
        """`A3B+`: base, number of transferred layers, target, fine-tuned."""
        if self.base is None:
            return f"base{self.target}"
        name = f" {self.variant.name}" if self.variant else ""
        return f"{self.base}{self.n}{self.target}{'+' if self.fine_tuned else ''}{name}"

    @property
    def treatment(self) -> Treatment:
        """The arm that this condition belongs to."""
        if self.base is None:
            return Treatment.BASE
        if self.base == RANDOM:
            return Treatment.RANDOM
        if self.base == self.target:
            return Treatment.SELFFER_PLUS if self.fine_tuned else Treatment.SELFFER
        return Treatment.TRANSFER_PLUS if self.fine_tuned else Treatment.TRANSFER


@dataclass(frozen=True)
class Column:
    """All conditions that share split, seed, base, target and its examples, hence batches."""

    split: str
    seed: int
    base: str | None
    target: str
    cuts: tuple[Cut, ...]
    examples: int | None = None

    @property
    def name(self) -> str:
        """A name fit for a file: `distant.seed0.A-B`, `distant.seed0.A-B.first100`."""
        first = "" if self.examples is None else f".first{self.examples}"
        return f"{self.split}.seed{self.seed}.{self.base or 'base'}-{self.target}{first}"

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The column's conditions, in the order of its cuts."""
        place = (self.split, self.seed, self.base, self.target)
        return tuple(
            Condition(*place, cut.n, cut.fine_tuned, cut.variant, self.examples)
            for cut in self.cuts
        )
