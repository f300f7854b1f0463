"""Families of networks that begin as pretrained ones: ways to use a weights file, as values."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from transfer_jax.grid.conditions import (
    PRETRAINED_BASE,
    RANDOM_BASE,
    SCRATCH_BASE,
    Condition,
    Cut,
)
from transfer_jax.grid.grid import check_cuts
from transfer_jax.grid.variants import Phase, Variant

PROBE, FREEZE, FULL, LP_FT = "probe", "freeze", "full", "lp-ft"
SURGICAL, GRADUAL, HEAD2TOE = "surgical", "gradual", "head2toe"
# Linear heads, which are solved: the same for every seed.
SOLVED = (PROBE, HEAD2TOE)
SCRATCH, FRESH_TOP, FRESH_TOP_PLUS, RANDOM = SCRATCH_BASE, "AnB", "AnB+", RANDOM_BASE
# Fields of a config that say nothing of them: they are about base networks that are trained here,
# or about other choices of layers.
NOT_WITH_WEIGHTS = ("treatments", "preserved", "schedules", "controls", "bases", "reference")
DEFAULT_FAMILIES = (SCRATCH, PROBE, FREEZE, FULL, LP_FT)

# From the values of n, in order, and the number of all layers, to cuts.
Family = Callable[[Sequence[int], int], list[Cut]]


def probes(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """A linear head on what leaves the first n layers, all of them frozen, for each n.

    Example:
      >>> [cut.label for cut in probes((1, 3), 4)]
      ['1 probe', '3 probe']
    """
    layers = tuple(range(num_layers))
    return [Cut(n, False, Variant(PROBE, layers[:n], layers[:n], depths=(n,))) for n in cuts]


def all_layers(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """One linear head on what leaves all cuts and the layer below the last, all of them frozen.

    Example:
      >>> [(cut.label, cut.depths) for cut in all_layers((1, 3), 5)]
      [('0 head2toe', (1, 3, 4))]

    Source: Evci et al. (2022), arXiv 2201.03529.
    """
    layers = tuple(range(num_layers - 1))
    depths = tuple(sorted({*cuts, len(layers)}))
    return [Cut(0, False, Variant(HEAD2TOE, layers, layers, depths=depths))]


def frozen_first(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """The first n layers frozen, the rest tuned from what was pretrained, for each n.

    Example:
      >>> [(cut.label, cut.copied, cut.frozen) for cut in frozen_first((1,), 4)]
      [('1+ freeze', (0, 1, 2), (0,))]
    """
    layers = tuple(range(num_layers - 1))
    return [Cut(n, True, Variant(FREEZE, layers, layers[:n])) for n in cuts]


def full(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """Everything is tuned.

    Example:
      >>> [(cut.label, cut.frozen) for cut in full((1, 3), 4)]
      [('0+ full', ())]
    """
    return [Cut(0, True, Variant(FULL, tuple(range(num_layers - 1)), ()))]


def probe_then_full(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """Everything is tuned, from the linear head that is solved on the features as they were.

    Example:
      >>> [(cut.label, cut.variant.start) for cut in probe_then_full((1, 3), 4)]
      [('0+ lp-ft', 'probe')]

    Source: Kumar et al. (2022), arXiv 2202.10054.
    """
    return [Cut(0, True, Variant(LP_FT, tuple(range(num_layers - 1)), (), start=PROBE))]


def one_part(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """Of the pretrained layers only those that end at n are tuned, from the cut before it on.

    Example:
      >>> [(cut.label, cut.frozen) for cut in one_part((1, 3), 5)]
      [('1+ surgical', (1, 2, 3)), ('3+ surgical', (0, 3))]

    Source: Lee et al. (2022), Surgical fine-tuning improves adaptation to distribution shifts.
    """
    layers = tuple(range(num_layers - 1))
    return [
        Cut(n, True, Variant(SURGICAL, layers, layers[:before] + layers[n:]))
        for before, n in pairwise((0, *cuts))
    ]


def from_the_top(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """All that is pretrained is frozen at first, and set free from the top, cut by cut.

    The phases are equally long.

    Example:
      >>> [phase.frozen for phase in from_the_top((1, 3), 5)[0].variant.phases]
      [(0, 1, 2, 3), (0, 1, 2), (0,), ()]

    Source: Howard and Ruder (2018), section 3.3, arXiv 1801.06146.
    """
    layers = tuple(range(num_layers - 1))
    depths = [n for n in reversed((0, *cuts)) if n < len(layers)]
    parts = len(depths) + 1
    later = tuple(Phase((i + 1) / parts, layers[:depth]) for i, depth in enumerate(depths))
    return [Cut(0, True, Variant(GRADUAL, layers, layers, later))]


def fresh_top(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """The paper's AnB: the first n layers frozen, all that is above them fresh, for each n."""
    return [Cut(n, False) for n in cuts]


def fresh_top_tuned(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """The paper's AnB+: the first n layers tuned, all that is above them fresh, for each n."""
    return [Cut(n, True) for n in cuts]


def nothing_copied(cuts: Sequence[int], num_layers: int) -> list[Cut]:
    """A network trained from scratch, for as many steps as the others."""
    return [Cut(0, True)]


FAMILIES: dict[str, Family] = {
    SCRATCH: nothing_copied,
    PROBE: probes,
    HEAD2TOE: all_layers,
    FREEZE: frozen_first,
    FULL: full,
    LP_FT: probe_then_full,
    SURGICAL: one_part,
    GRADUAL: from_the_top,
    FRESH_TOP: fresh_top,
    FRESH_TOP_PLUS: fresh_top_tuned,
    RANDOM: fresh_top,
}
# What conditions of a family call their base network; of all others it is pretrained.
BASES = {SCRATCH: SCRATCH_BASE, RANDOM: RANDOM_BASE}


def head_name(variant: Variant) -> str:
    """What a linear head is called among those of one task.

    Args:
      variant: one that is solved.

    Returns:
      The number of layers below a probe, or the name of its family.

    Example:
      >>> [head_name(cut.variant) for cut in (*probes((3,), 5), *all_layers((3,), 5))]
      ['3', 'head2toe']
    """
    return str(variant.depths[0]) if variant.name == PROBE else variant.name


def pretrained_grid(
    num_layers: int,
    cuts: Sequence[int],
    families: Sequence[str],
    *,
    tasks: Sequence[str] = ("A",),
    splits: Sequence[str] = ("whole",),
    seeds: Sequence[int] = (0,),
    examples: Sequence[int | None] = (None,),
    variants: Sequence[Variant] = (),
) -> list[Condition]:
    """Every condition of an experiment with a pretrained network.

    Args:
      num_layers: number of layers N of the network.
      cuts: the values of n, each of 1 ... N - 1.
      families: names of `FAMILIES`.
      tasks: names of the tasks that are trained on.
      splits: names of the splits.
      examples: numbers of training images of each class of the target; None takes all.
      variants: other choices of layers.

    Returns:
      The conditions; those of one column stand together.

    Raises:
      ValueError: a variant has the name of a family, or a cut is none.

    Example:
      >>> [c.label for c in pretrained_grid(4, (1, 3), ("scratch", "freeze", "full"))]
      ['pretrained1A+ freeze', 'pretrained3A+ freeze', 'pretrained0A+ full', 'scratchA']
    """
    if odd := [variant.name for variant in variants if variant.name in FAMILIES]:
        raise ValueError(f"variants.{odd[0]} has the name of a family; give it another")
    check_cuts(num_layers, cuts)
    ordered = sorted(cuts)
    cuts_of: dict[str, list[Cut]] = {PRETRAINED_BASE: [], RANDOM_BASE: [], SCRATCH_BASE: []}
    for name in families:
        cuts_of[BASES.get(name, PRETRAINED_BASE)] += FAMILIES[name](ordered, num_layers)
    cuts_of[PRETRAINED_BASE] += [Cut(len(v.copied), not v.frozen, v) for v in variants]
    return [
        Condition(split, seed, base, target, cut.n, cut.fine_tuned, cut.variant, k)
        for split in splits
        for seed in seeds
        for k in examples
        for base, found in cuts_of.items()
        for target in tasks
        for cut in found
    ]
