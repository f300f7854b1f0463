"""What is trained: tasks, treatments, conditions and columns. Names only, no arrays."""

from collections.abc import Iterable, Sequence
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
    """A way to divide a dataset's classes into two tasks."""

    name: str
    tasks: tuple[Task, Task]

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
    """

    split: str
    seed: int
    base: str | None
    target: str
    n: int
    fine_tuned: bool
    variant: Variant | None = None

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
    """All conditions that share split, seed, base and target: they see the same batches."""

    split: str
    seed: int
    base: str | None
    target: str
    cuts: tuple[Cut, ...]

    @property
    def name(self) -> str:
        """A name fit for a file: `distant.seed0.A-B`."""
        return f"{self.split}.seed{self.seed}.{self.base or 'base'}-{self.target}"

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The column's conditions, in the order of its cuts."""
        place = (self.split, self.seed, self.base, self.target)
        return tuple(Condition(*place, cut.n, cut.fine_tuned, cut.variant) for cut in self.cuts)


def condition_grid(
    num_layers: int,
    tasks: Sequence[str] = ("A", "B"),
    *,
    splits: Sequence[str] = ("split",),
    seeds: Sequence[int] = (0,),
    cuts: Sequence[int] = (),
    random_frozen: bool = False,
    preserved: Sequence[int] = (),
    variants: Sequence[Variant] = (),
) -> list[Condition]:
    """Every condition of the paper's grid: base x target x {frozen, fine-tuned} x n.

    Args:
      num_layers: number of layers N of the network.
      tasks: names of the tasks.
      splits: names of the splits.
      seeds: the seeds.
      cuts: the values of n; empty for all of 1 ... N-1.
      random_frozen: add the control whose first n layers are random and frozen.
      preserved: for each k here, add conditions that also copy k layers above the n frozen ones
        and train these.
      variants: other choices of layers, each for every base and target.

    Returns:
      The conditions; those of one column stand together.

    Raises:
      ValueError: a cut is not in 1 ... N-1, or twice there.

    Example:
      >>> [c.label for c in condition_grid(3)][:5]
      ['A1A', 'A1A+', 'A2A', 'A2A+', 'A1B']

    Source: Yosinski et al. (2014), section 2 and figure 1; section 4.3 for random layers.
    """
    values = tuple(cuts) or tuple(range(1, num_layers))
    for n in values:
        if not 1 <= n < num_layers:
            raise ValueError(
                f"n = {n} is no cut of a network of {num_layers} layers; "
                f"allowed: 1 ... {num_layers - 1}"
            )
    if len(set(values)) != len(values):
        raise ValueError(f"a cut stands twice in {values}")
    frozen, tuned = [Cut(n, False) for n in values], [Cut(n, True) for n in values]
    paper = [cut for pair in zip(frozen, tuned, strict=True) for cut in pair]
    others = [_preserved(n, k) for k in preserved for n in values if n + k < num_layers]
    others += [Cut(len(v.copied), not v.frozen, v) for v in variants]
    cuts_of = dict.fromkeys(tasks, paper + others) | ({RANDOM: frozen} if random_frozen else {})
    return [
        Condition(split, seed, base, target, cut.n, cut.fine_tuned, cut.variant)
        for split in splits
        for seed in seeds
        for base, cuts_of_base in cuts_of.items()
        for target in tasks
        for cut in cuts_of_base
    ]


def _preserved(n: int, k: int) -> Cut:
    return Cut(n, False, Variant(f"preserved{k}", tuple(range(n + k)), tuple(range(n))))


def base_condition(split: str, seed: int, task: str) -> Condition:
    """The base network of a task.

    Args:
      split: name of the split.
      seed: the run's seed.
      task: name of the task.

    Returns:
      A condition with base None and n = 0, all of whose layers are trained.

    Example:
      >>> base_condition("distant", 0, "A").label
      'baseA'
    """
    return Condition(split, seed, None, task, 0, True)


def base_conditions(grid: Iterable[Condition]) -> list[Condition]:
    """The base networks that a grid needs: one for each split, seed and task.

    Args:
      grid: the conditions.

    Returns:
      Conditions with base None and n = 0: of every base, and of every target, which is the
      level that the others are compared with.

    Example:
      >>> [c.label for c in base_conditions(condition_grid(3))]
      ['baseA', 'baseB']
    """
    wanted = {
        (c.split, c.seed, task): base_condition(c.split, c.seed, task)
        for c in grid
        for task in (c.base, c.target)
        if task is not None and task != RANDOM
    }
    return list(wanted.values())


def columns(grid: Iterable[Condition]) -> list[Column]:
    """The columns of a grid, in order of first appearance.

    Args:
      grid: the conditions.

    Returns:
      One column for each split, seed, base and target.

    Example:
      >>> [(c.name, len(c.cuts)) for c in columns(condition_grid(3))][:2]
      [('split.seed0.A-A', 4), ('split.seed0.A-B', 4)]
    """
    cuts: dict[tuple[str, int, str | None, str], list[Cut]] = {}
    for c in grid:
        place = (c.split, c.seed, c.base, c.target)
        cuts.setdefault(place, []).append(Cut(c.n, c.fine_tuned, c.variant))
    return [Column(*place, tuple(found)) for place, found in cuts.items()]
