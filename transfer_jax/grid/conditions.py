"""What is trained: tasks, treatments, conditions and columns. Names only, no arrays."""

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from transfer_jax.grid.variants import Variant

# What conditions call the base network that was never trained.
RANDOM_BASE = "random"
# What they call none: trained from scratch, for as many steps as base and transfer together, or
# as many as the others where the base network is pretrained.
SCRATCH_BASE = "scratch"
# What they call a base network whose weights lie in a file.
PRETRAINED_BASE = "pretrained"


class Treatment(StrEnum):
    """The paper's arms; A and B stand for any base and target task."""

    BASE = "base"
    SCRATCH = "scratch"
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
class Cut:
    """Where a network is cut: the first n layers are transferred, frozen or fine-tuned.

    A variant says otherwise which layers are copied and frozen; n is then only its name's. Where
    it has several phases, `phase` is the number of the one that is trained.
    """

    n: int
    fine_tuned: bool
    variant: Variant | None = None
    phase: int = 0

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
        """The layers that stay as they are in this phase, counted from 0."""
        if self.variant:
            return self.variant.phases[self.phase].frozen
        return () if self.fine_tuned else tuple(range(self.n))

    @property
    def depths(self) -> tuple[int, ...]:
        """After how many layers a head that is solved takes features; none where one is trained."""
        return self.variant.depths if self.variant else ()

    @property
    def from_base(self) -> tuple[int, ...]:
        """The layers that are the base network's, as it was: copied, and frozen until now."""
        return tuple(sorted(set(self.copied) & set(self.frozen)))

    @property
    def trunk_depth(self) -> int:
        """How many first layers, counted without a gap, are the base network's, as it was."""
        layers = self.from_base
        return next((n for n, layer in enumerate(layers) if n != layer), len(layers))

    @property
    def set_free(self) -> tuple[tuple[int, ...], ...]:
        """The layers that each phase until now has set free, the first phase left out."""
        phases = self.variant.phases[: self.phase + 1] if self.variant else ()
        return tuple(
            tuple(sorted(set(before.frozen) - set(after.frozen)))
            for before, after in pairwise(phases)
        )

    def at(self, done: int, steps: int) -> "Cut":
        """The cut in the phase in which it is after some steps.

        Args:
          done: steps done.
          steps: steps in all.

        Returns:
          The cut of that phase.

        Example:
          >>> from transfer_jax.grid.variants import Phase
          >>> half = Variant("half", (0, 1), (0, 1), (Phase(0.5, ()),))
          >>> [Cut(2, True, half).at(done, 10).frozen for done in (4, 5)]
          [(0, 1), ()]
        """
        return replace(self, phase=sum(step <= done for step in self.boundaries(steps)))

    def boundaries(self, steps: int) -> tuple[int, ...]:
        """The steps after which a later phase begins.

        Args:
          steps: steps in all.

        Returns:
          One number a phase, but for the first and for those that come too late.
        """
        later = self.variant.later if self.variant else ()
        begin = (round(phase.start * steps) for phase in later)
        return tuple(step for step in begin if step < steps)


@dataclass(frozen=True)
class Condition:
    """One network to train.

    Attributes:
      split: name of the split.
      seed: the run's seed.
      base: name of the base network: the task that it was trained on, "random" for an untrained
        one, or what a plan calls one that it was given; None for a base network itself, "scratch"
        for one that is trained from scratch as long as base and transfer together.
      target: task that is trained on.
      n: number of transferred layers; 0 for a network trained from scratch.
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
        if self.base is None or self.base == SCRATCH_BASE:
            return f"{self.base or 'base'}{self.target}"
        name = f" {self.variant.name}" if self.variant else ""
        return f"{self.base}{self.n}{self.target}{'+' if self.fine_tuned else ''}{name}"

    @property
    def solved(self) -> bool:
        """Whether it is a linear head that is solved, and nothing is trained step by step."""
        return self.variant is not None and self.variant.solved

    @property
    def begins_as(self) -> str:
        """What its fresh network is drawn as: scratch begins as the base network of its task."""
        return f"base{self.target}" if self.base == SCRATCH_BASE else self.label

    @property
    def treatment(self) -> Treatment:
        """The arm that this condition belongs to."""
        if self.base is None:
            return Treatment.BASE
        if self.base == RANDOM_BASE:
            return Treatment.RANDOM
        if self.base == SCRATCH_BASE:
            return Treatment.SCRATCH
        if self.base == self.target:
            return Treatment.SELFFER_PLUS if self.fine_tuned else Treatment.SELFFER
        return Treatment.TRANSFER_PLUS if self.fine_tuned else Treatment.TRANSFER


@dataclass(frozen=True)
class Column:
    """All conditions that share split, seed, base, target and its examples, hence batches.

    `trainings` says how many trainings' steps it has: scratch as many as base and transfer
    together, where a base network is trained; probes, which are solved, none.
    """

    split: str
    seed: int
    base: str | None
    target: str
    cuts: tuple[Cut, ...]
    examples: int | None = None
    trainings: int = 1

    @property
    def name(self) -> str:
        """A name fit for a file: `distant.seed0.A-B`, `distant.seed0.A-B.first100`."""
        first = "" if self.examples is None else f".first{self.examples}"
        probes = "" if self.trainings else ".probes"
        return f"{self.split}.seed{self.seed}.{self.base or 'base'}-{self.target}{first}{probes}"

    @property
    def copies(self) -> bool:
        """Whether its conditions copy layers: not those of networks trained from scratch."""
        return self.base not in (None, SCRATCH_BASE)

    def steps(self, training: int) -> int:
        """Its training steps, of one training's: of a base network, or of a condition.

        Example:
          >>> Column("halves", 0, SCRATCH_BASE, "A", (), trainings=2).steps(300)
          600
        """
        return training * self.trainings

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The column's conditions, in the order of its cuts."""
        place = (self.split, self.seed, self.base, self.target)
        return tuple(
            Condition(*place, cut.n, cut.fine_tuned, cut.variant, self.examples)
            for cut in self.cuts
        )
