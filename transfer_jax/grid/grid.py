"""Which networks an experiment trains: the grid of conditions, their base networks, columns."""

from collections.abc import Collection, Iterable, Sequence

from transfer_jax.grid.conditions import (
    RANDOM_BASE,
    SCRATCH_BASE,
    Column,
    Condition,
    Cut,
    Treatment,
)
from transfer_jax.grid.schedules import scheduled
from transfer_jax.grid.variants import Variant

PAPER = (
    Treatment.SELFFER,
    Treatment.SELFFER_PLUS,
    Treatment.TRANSFER,
    Treatment.TRANSFER_PLUS,
)


def condition_grid(
    num_layers: int,
    tasks: Sequence[str] = ("A", "B"),
    *,
    splits: Sequence[str] = ("split",),
    seeds: Sequence[int] = (0,),
    cuts: Sequence[int] = (),
    treatments: Sequence[str] = PAPER,
    examples: Sequence[int | None] = (None,),
    preserved: Sequence[int] = (),
    variants: Sequence[Variant] = (),
    schedules: Sequence[str] = (),
) -> list[Condition]:
    """Every condition of the paper's grid: base x target x {frozen, fine-tuned} x n.

    Args:
      num_layers: number of layers N of the network.
      tasks: names of the tasks.
      splits: names of the splits.
      cuts: the values of n; empty for all of 1 ... N-1.
      treatments: the arms to train, by name; "random" is the control whose first n layers are
        random and frozen, "scratch" the one that copies nothing and is trained as long as base
        and transfer together. Base networks come by themselves.
      examples: numbers of training images of each class of the target; None takes all.
      preserved: for each k here, add conditions that also copy k layers above the n frozen ones
        and train these.
      variants: other choices of layers, each for every base and target.
      schedules: ways to set the n transferred layers free one after the other, by name: "lp-ft",
        "gradual", or `package.module:function`; each for every base, target and n.

    Returns:
      The conditions; those of one column stand together.

    Raises:
      ValueError: a cut is not in 1 ... N-1, or twice there; there is no such treatment.

    Example:
      >>> [c.label for c in condition_grid(3)][:5]
      ['A1A', 'A1A+', 'A2A', 'A2A+', 'A1B']

    Source: Yosinski et al. (2014), section 2 and figure 1; section 4.3 for random layers; the
    supplement for reduced numbers of examples.
    """
    values = tuple(cuts) or tuple(range(1, num_layers))
    check_cuts(num_layers, values)
    wanted = _treatments(treatments)
    frozen, tuned = [Cut(n, False) for n in values], [Cut(n, True) for n in values]
    paper = [cut for pair in zip(frozen, tuned, strict=True) for cut in pair]
    others = [_preserved(n, k) for k in preserved for n in values if n + k <= num_layers]
    others += [Cut(len(v.copied), not v.frozen, v) for v in variants]
    others += [Cut(n, True, scheduled(name, n, num_layers)) for name in schedules for n in values]
    labels = [cut.label for cut in paper + others]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ValueError(f"two choices of layers are called '{twice}'; give each a name of its own")
    cuts_of = {
        **dict.fromkeys(tasks, paper + others),
        RANDOM_BASE: frozen,
        SCRATCH_BASE: [Cut(0, True)],
    }
    grid = [
        Condition(split, seed, base, target, cut.n, cut.fine_tuned, cut.variant, k)
        for split in splits
        for seed in seeds
        for k in examples
        for base, cuts_of_base in cuts_of.items()
        for target in tasks
        for cut in cuts_of_base
    ]
    return [condition for condition in grid if condition.treatment in wanted]


def check_cuts(num_layers: int, values: Sequence[int]) -> None:
    """Check that a network can be cut there.

    Args:
      num_layers: number of layers N of the network.
      values: values of n.

    Raises:
      ValueError: one is not in 1 ... N-1, or twice there.
    """
    for n in values:
        if not 1 <= n < num_layers:
            raise ValueError(
                f"n = {n} is no cut of a network of {num_layers} layers; "
                f"allowed: 1 ... {num_layers - 1}"
            )
    if len(set(values)) != len(values):
        raise ValueError(f"a cut stands twice in {tuple(values)}")


def _treatments(names: Sequence[str]) -> set[str]:
    known = [t.value for t in Treatment if t != Treatment.BASE]
    for name in names:
        if name not in known:
            raise ValueError(f"no treatment '{name}'; treatments: {', '.join(known)}")
    return set(names)


def _preserved(n: int, k: int) -> Cut:
    return Cut(n, False, Variant(f"preserved{k}", tuple(range(n + k)), tuple(range(n))))


def base_condition(split: str, seed: int, task: str, examples: int | None = None) -> Condition:
    """The base network of a task.

    Args:
      split: name of the split.
      seed: the run's seed.
      task: name of the task.
      examples: training images of each class; None takes all.

    Returns:
      A condition with base None and n = 0, all of whose layers are trained.

    Example:
      >>> base_condition("distant", 0, "A").label
      'baseA'
    """
    return Condition(split, seed, None, task, 0, True, None, examples)


def base_conditions(
    grid: Iterable[Condition], tasks: Collection[str] = ("A", "B")
) -> list[Condition]:
    """The base networks that a grid needs.

    Args:
      grid: the conditions.
      tasks: names of the tasks; a base network of another name is not trained here.

    Returns:
      Conditions with base None and n = 0: those whose layers are copied, trained on all images,
      and for each target and number of examples the level that its conditions are compared with.

    Example:
      >>> [c.label for c in base_conditions(condition_grid(3))]
      ['baseA', 'baseB']
    """
    wanted: dict[Condition, None] = {}
    for c in grid:
        if c.base is not None and c.base in tasks:
            wanted[base_condition(c.split, c.seed, c.base)] = None
        wanted[base_condition(c.split, c.seed, c.target, c.examples)] = None
    return list(wanted)


def columns(grid: Iterable[Condition], scratch_trainings: int = 2) -> list[Column]:
    """The columns of a grid, in order of first appearance.

    Args:
      grid: the conditions.
      scratch_trainings: how many trainings' steps networks from scratch have: those of base and
        transfer together, or of transfer alone where no base network is trained.

    Returns:
      One column for each split, seed, base, target and number of examples; probes, which are
      solved, have columns of their own.

    Example:
      >>> [(c.name, len(c.cuts)) for c in columns(condition_grid(3))][:2]
      [('split.seed0.A-A', 4), ('split.seed0.A-B', 4)]
    """
    cuts: dict[tuple[str, int, str | None, str, int | None, int], list[Cut]] = {}
    for c in grid:
        trainings = scratch_trainings if c.base == SCRATCH_BASE else int(not c.solved)
        place = (c.split, c.seed, c.base, c.target, c.examples, trainings)
        cuts.setdefault(place, []).append(Cut(c.n, c.fine_tuned, c.variant))
    return [Column(*place[:4], tuple(found), *place[4:]) for place, found in cuts.items()]
