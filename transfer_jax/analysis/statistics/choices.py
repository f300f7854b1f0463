"""What ways to train a network are called, by programs and in words, and what they cost."""

from collections.abc import Callable, Iterable, Sequence

from transfer_jax.analysis.statistics.crossing import Arm, Group
from transfer_jax.grid.conditions import PRETRAINED_BASE, Treatment
from transfer_jax.grid.pretrained import (
    FREEZE,
    FULL,
    GRADUAL,
    HEAD2TOE,
    LP_FT,
    PROBE,
    SURGICAL,
)

# "scratch"; ("frozen", n) and ("tuned", n); a variant's name, with n where it has one.
Choice = str | tuple[str, int]
SCRATCH, FROZEN, TUNED = "scratch", "frozen", "tuned"
TRANSFERRED = (Treatment.TRANSFER, Treatment.TRANSFER_PLUS)
# Names of layers, in order; none where they are not known.
Layers = Sequence[str]


def is_family(arm: Arm) -> bool:
    """Whether a way is one of those that begin with a pretrained network, whole but for its head.

    Args:
      arm: the way.

    Returns:
      True for these; "lp-ft" and "gradual" of the first n layers are the paper's, with a fresh top.

    Example:
      >>> [is_family(Arm(Treatment.TRANSFER_PLUS, 3, name)) for name in ("freeze", "lp-ft")]
      [True, False]
    """
    if arm.treatment not in TRANSFERRED:
        return False
    return arm.variant in (PROBE, FREEZE, FULL, SURGICAL) or (
        arm.variant in (HEAD2TOE, LP_FT, GRADUAL) and not arm.n
    )


def is_pretrained(group: Group) -> bool:
    """Whether the layers of a group's networks come from weights that were given.

    Args:
      group: the networks.

    Returns:
      False where they come from base networks of the paper's kind.
    """
    # Names of layers are given for no others; until its columns end, a run may have scratch alone.
    if group.layers or any(map(is_family, group.rows)):
        return True
    first = (next(iter(places.values()), ()) for places in group.rows.values())
    return any(row.base == PRETRAINED_BASE for rows in first for row in rows)


def choice_of(arm: Arm) -> Choice:
    """What a way is called by programs.

    Args:
      arm: the way.

    Returns:
      Its name, with n where it has one.

    Example:
      >>> choice_of(Arm(Treatment.TRANSFER, 3)), choice_of(Arm(Treatment.BASE, 0))
      (('frozen', 3), 'scratch')
    """
    if arm.treatment not in TRANSFERRED:
        return SCRATCH
    if arm.variant:
        return (arm.variant, arm.n) if arm.n else arm.variant
    return (FROZEN if arm.treatment == Treatment.TRANSFER else TUNED, arm.n)


def typed(arm: Arm) -> str:
    """What a way is called on a command line.

    Args:
      arm: the way.

    Returns:
      Such as "freeze:5", "full" or "AnB:4".

    Example:
      >>> [typed(Arm(Treatment.TRANSFER_PLUS, n, name)) for n, name in ((5, "freeze"), (0, "full"))]
      ['freeze:5', 'full']
    """
    if arm.treatment not in TRANSFERRED:
        return SCRATCH
    name = arm.variant or arm.treatment.value
    return f"{name}:{arm.n}" if arm.n else name


def name_of(arm: Arm, layers: Layers = ()) -> str:
    """What to do, in words.

    Args:
      arm: the way.
      layers: names of the network's layers; given where it began with weights of a file.

    Returns:
      Such as "transfer the first layer and freeze them".

    Example:
      >>> name_of(Arm(Treatment.TRANSFER_PLUS, 2, "freeze"), ["stem", "layer1.0", "head"])
      'train the last layer, head, alone and keep all others frozen'
      >>> name_of(Arm(Treatment.TRANSFER_PLUS, 2, "freeze"))
      'keep the first 2 layers frozen and tune the rest from pretrained'
    """
    if arm.treatment not in TRANSFERRED:
        return "train from scratch"
    if is_family(arm):
        return _FAMILIES[arm.variant](arm.n, layers)
    first = _first(arm.n, layers)
    if arm.variant:
        return f"{f'transfer {first}' if arm.n else 'train'} as {arm.variant} does"
    tuned = arm.treatment == Treatment.TRANSFER_PLUS
    if not layers:
        return f"transfer {first} and {'fine-tune everything' if tuned else 'freeze them'}"
    if tuned:
        return f"transfer {first} under a fresh top and fine-tune everything"
    return f"transfer {first} and freeze them under a fresh top"


def _first(n: int, layers: Layers) -> str:
    first = "the first layer" if n == 1 else f"the first {n} layers"
    if not 0 < n <= len(layers):
        return first
    return f"{first}, {layers[0]}," if n == 1 else f"{first}, up to {layers[n - 1]},"


def _at(n: int, layers: Layers) -> str:
    """A layer with its number and its name."""
    return f"layer {n}, {layers[n - 1]}" if 0 < n <= len(layers) else f"layer {n}"


def _probe(n: int, layers: Layers) -> str:
    where = f" after {_at(n, layers)}" if n else ""
    return f"train a linear head on the frozen features{where}"


def _head2toe(_: int, __: Layers) -> str:
    return "train a linear head on all layers' activations, all of them frozen"


def _freeze(n: int, layers: Layers) -> str:
    if n and n == len(layers) - 1:
        return f"train the last layer, {layers[-1]}, alone and keep all others frozen"
    return f"keep {_first(n, layers)} frozen and tune the rest from pretrained"


def _full(_: int, __: Layers) -> str:
    return "fine-tune everything from pretrained"


def _lp_ft(_: int, __: Layers) -> str:
    return "fit a linear head, then fine-tune everything from there, as LP-FT does"


def _surgical(n: int, layers: Layers) -> str:
    comma = "," * (0 < n <= len(layers))
    return f"tune only the part that ends at {_at(n, layers)}{comma} and the head"


def _gradual(_: int, __: Layers) -> str:
    return "fine-tune from the top down, part by part, by gradual unfreezing"


_FAMILIES: dict[str, Callable[[int, Layers], str]] = {
    PROBE: _probe,
    HEAD2TOE: _head2toe,
    FREEZE: _freeze,
    FULL: _full,
    LP_FT: _lp_ft,
    SURGICAL: _surgical,
    GRADUAL: _gradual,
}
# From the fewest trained layers to the most; ways of one place by their n.
_ORDER = (PROBE, HEAD2TOE, FREEZE, FROZEN, SURGICAL, SCRATCH, TUNED, GRADUAL, LP_FT, FULL)
_FREEZES = _ORDER.index(FREEZE)


def cost_of(arm: Arm) -> tuple[int, int, str]:
    """What a way costs beside another: least for the fewest trained layers.

    Args:
      arm: the way.

    Returns:
      A key to sort by: probes, fewest layers first; a head on all layers; what is frozen, most
      layers first; one part tuned; scratch; all that is fine-tuned; other variants.
    """
    if arm.treatment not in TRANSFERRED:
        return _ORDER.index(SCRATCH), 0, ""
    if is_family(arm):
        place = _ORDER.index(arm.variant)
        return place, arm.n if arm.variant == PROBE else -arm.n, arm.variant
    if arm.variant:
        return len(_ORDER), -arm.n, arm.variant
    if arm.treatment == Treatment.TRANSFER:
        return _FREEZES, -arm.n, FROZEN
    return _ORDER.index(TUNED), -arm.n, ""


def trains_fewest(arm: Arm) -> bool:
    """Whether a way freezes something for good, so that all other ones train more layers.

    Args:
      arm: the way.

    Returns:
      True for linear heads and for frozen layers.
    """
    return cost_of(arm)[0] <= _FREEZES


def told_by_family(arms: Iterable[Arm]) -> str:
    """Many ways in few words.

    Args:
      arms: the ways, those of a kind one after the other.

    Returns:
      The kinds, each with its cuts.

    Example:
      >>> tuned = Treatment.TRANSFER_PLUS
      >>> told_by_family([Arm(tuned, 1, "freeze"), Arm(tuned, 3, "freeze"), Arm(tuned, 0, "full")])
      'freeze at n = 1, 3; full'
    """
    cuts: dict[str, list[int]] = {}
    for arm in arms:
        name = SCRATCH if arm.treatment not in TRANSFERRED else arm.variant or arm.treatment.value
        cuts.setdefault(name, []).append(arm.n)
    return "; ".join(
        f"{name} at n = {', '.join(map(str, sorted(ns)))}" if any(ns) else name
        for name, ns in cuts.items()
    )
