"""The tables of networks that start from given weights: by family and n, with names of layers."""

from collections.abc import Sequence

from transfer_jax.analysis.statistics.choices import cost_of
from transfer_jax.analysis.statistics.crossing import Arm
from transfer_jax.analysis.statistics.effects import (
    ACCURACY,
    GAIN_OVER_CONTROL,
    OVER_RANDOM,
    Effect,
    Effects,
)
from transfer_jax.analysis.statistics.inference import independent
from transfer_jax.analysis.tables import Table, heading, shown, title
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.pretrained import (
    FREEZE,
    FULL,
    GRADUAL,
    HEAD2TOE,
    LP_FT,
    PROBE,
    SOLVED,
    SURGICAL,
)

FROZEN = (Treatment.TRANSFER, Treatment.RANDOM)
FAMILY_COLUMNS = (
    "group", "family", "treatment", "variant", "n", "layer", "accuracy", "low", "high", "gain",
    "gain_low", "gain_high", "parameters_trained", "networks",
)  # fmt: skip
# What each family is: in words, in the paper's, and where it comes from.
MEANINGS = {
    "scratch": (
        "a random start and nothing copied, for as many steps as the others",
        "base",
        "Yosinski et al. (2014)",
    ),
    PROBE: (
        "all layers frozen, and a linear head on the mean of what leaves layer n, which is solved "
        "and not trained",
        "AnB with a linear top",
        "Alain and Bengio (2016)",
    ),
    HEAD2TOE: (
        "all layers frozen, and a linear head on all layers' activations: on the means of what "
        "leaves every n and of what enters the last layer's logits, of which those that weigh most "
        "are kept; it is solved and not trained",
        "not there",
        "Evci et al. (2022)",
    ),
    FREEZE: (
        "the first n layers frozen, all others tuned from pretrained, under a new head",
        "not there; AnB where only the head is left",
        "",
    ),
    FULL: ("everything tuned, under a new head", "AnB+ where n is all but the head", ""),
    LP_FT: (
        "everything tuned, from the last probe's head on",
        "not there",
        "Kumar et al. (2022)",
    ),
    SURGICAL: (
        "only the layers from the cut before n to n tuned, and the head",
        "not there",
        "Lee et al. (2022)",
    ),
    GRADUAL: (
        "all frozen but the head at first, then set free from the top, cut by cut",
        "not there",
        "Howard and Ruder (2018)",
    ),
    Treatment.TRANSFER.value: (
        "the first n layers frozen, all above them new: can the network be cut off there?",
        "AnB",
        "Yosinski et al. (2014)",
    ),
    Treatment.TRANSFER_PLUS.value: (
        "the first n layers tuned, all above them new",
        "AnB+",
        "Yosinski et al. (2014)",
    ),
    Treatment.RANDOM.value: (
        "the first n layers random and frozen",
        "random, frozen",
        "Yosinski et al. (2014)",
    ),
}


def family_name(arm: Arm) -> str:
    """What the family of a way is called.

    Args:
      arm: the way.

    Returns:
      Its name in tables.

    Example:
      >>> [family_name(Arm(Treatment.TRANSFER_PLUS, 3, name)) for name in ("freeze", "")]
      ['freeze', 'AnB+']
    """
    return heading(arm.treatment, arm.variant, plain=True)


def pretrained_tables(found: Sequence[Effects], parameters: Sequence[int] = ()) -> list[Table]:
    """All tables of a report, but for what families are.

    Args:
      found: the numbers of each group.
      parameters: how many each layer has; none where it is not known.

    Returns:
      Those that have rows.
    """
    made = [family_table(own, parameters) for own in found]
    return shown([*made, *(_over_random(own) for own in found)])


def family_table(found: Effects, parameters: Sequence[int] = ()) -> Table:
    """Accuracy of each family at each n, and what it gains over scratch.

    Args:
      found: the numbers of a group.
      parameters: how many each layer has; none where it is not known.

    Returns:
      The table, in percent and points; the cheapest family first.
    """
    layers, lines = found.group.layers, []
    gains = _by_arm(found, GAIN_OVER_CONTROL)
    for arm, effect in _by_arm(found, ACCURACY).items():
        line = [family_name(arm), f"{arm.n}" if arm.n else ""]
        line += [_layer(arm, layers)] if layers else []
        line.append(effect.estimate.points(signed=False))
        line += [gains[arm].estimate.points() if arm in gains else ""] if gains else []
        line += [_share_text(found, arm, parameters)] if parameters else []
        lines.append(tuple(line))
    header = ["family", "n", *(["up to layer"] if layers else []), "accuracy, %"]
    header += ["points above scratch"] if gains else []
    header += ["parameters trained"] if parameters else []
    return Table(f"{title(found)}: test accuracy by family and n", tuple(header), tuple(lines))


def family_comparison(group: str, runs: Sequence[tuple[str, Effects | None]]) -> Table:
    """Accuracy of each family at each n in several runs, and the others less the first.

    Args:
      group: what the networks are called.
      runs: the name of each run, and its numbers of the group; None where it has none.

    Returns:
      The table, in percent and points.
    """
    held = [(name, _by_arm(own, ACCURACY) if own else {}) for name, own in runs]
    arms = sorted({arm for _, own in held for arm in own}, key=_place)
    header, first = ["family", "n"], held[0]
    columns: list[dict[Arm, str]] = []
    for number, (name, own) in enumerate(held):
        header.append(f"{name}, %")
        columns.append({arm: e.estimate.points(signed=False) for arm, e in own.items()})
        if number:
            header.append(f"less {first[0]}, points")
            both = own.keys() & first[1].keys()
            columns.append(
                {a: independent(own[a].estimate, first[1][a].estimate).points() for a in both}
            )
    lines = [
        (family_name(arm), f"{arm.n}" if arm.n else "", *(own.get(arm, "") for own in columns))
        for arm in arms
    ]
    return Table(f"{group}: test accuracy by family and n", tuple(header), tuple(lines))


def meanings_table(found: Sequence[Effects], raced: Sequence[Arm] = ()) -> Table:
    """What the families of a run are, in plain words and in the paper's.

    Args:
      found: the numbers of each group.
      raced: the ways of a race, some of which may have no numbers.

    Returns:
      The table, a line a family.
    """
    seen = (arm for own in found for arm in _by_arm(own, ACCURACY))
    names = dict.fromkeys(map(family_name, (*seen, *raced)))
    lines = [(name, *MEANINGS[name]) for name in names if name in MEANINGS]
    header = ("family", "is", "in the paper", "source")
    return Table("Families", header, tuple(lines))


def meanings_lines(found: Sequence[Effects], raced: Sequence[Arm] = ()) -> list[str]:
    """The same for a terminal.

    Args:
      found: the numbers of each group.
      raced: the ways of a race, some of which may have no numbers.

    Returns:
      A line a family.
    """
    rows = meanings_table(found, raced).rows
    return [f"{name}: {told} (in the paper: {theirs})." for name, told, theirs, _ in rows]


def family_lines(found: Sequence[Effects], parameters: Sequence[int]) -> list[list[object]]:
    """The same numbers for other programs, as shares; the columns are `FAMILY_COLUMNS`.

    Args:
      found: the numbers of each group.
      parameters: how many each layer has; none where it is not known.

    Returns:
      A line a family and n; None where there is no number.
    """
    lines: list[list[object]] = []
    for own in found:
        gains = _by_arm(own, GAIN_OVER_CONTROL)
        for arm, effect in _by_arm(own, ACCURACY).items():
            gain, layers = gains.get(arm), own.group.layers
            rows = [row for held in own.group.rows[arm].values() for row in held]
            lines.append(
                [own.group.name, family_name(arm), arm.treatment.value, arm.variant, arm.n,
                 _layer(arm, layers), effect.mean, effect.low, effect.high,
                 *((gain.mean, gain.low, gain.high) if gain else (None,) * 3),
                 share_trained(own, arm, parameters), len(rows)]
            )  # fmt: skip
    return lines


def share_trained(found: Effects, arm: Arm, parameters: Sequence[int]) -> float | None:
    """The share of the network's parameters that a way trains.

    Args:
      found: the numbers of its group.
      arm: the way.
      parameters: how many each layer has.

    Returns:
      It; None where it is not known, or where a linear head of its own is all that is trained.
    """
    total = sum(parameters)
    if not total or (arm.variant == PROBE and arm.n != len(parameters) - 1):
        return None
    if arm.variant in (PROBE, FREEZE) or (arm.treatment in FROZEN and not arm.variant):
        return sum(parameters[arm.n :]) / total
    if arm.variant == SURGICAL:
        before = max((n for n in found.group.cuts(arm.treatment, SURGICAL) if n < arm.n), default=0)
        last = parameters[-1] if arm.n < len(parameters) else 0
        return (sum(parameters[before : arm.n]) + last) / total
    known = not arm.variant or arm.variant in (FULL, LP_FT, GRADUAL)
    return 1.0 if known else None


def _by_arm(found: Effects, kind: str) -> dict[Arm, Effect]:
    """The numbers of a kind of all ways, the cheapest family first."""
    held = {
        Arm(e.quantity.treatment, e.quantity.first_n, e.quantity.variant): e
        for e in found.at_cuts(kind)
    }
    return {arm: held[arm] for arm in sorted(held, key=_place)}


def _place(arm: Arm) -> tuple[object, ...]:
    """Families from the cheapest on, each from its first n on."""
    kind, _, name = cost_of(arm)
    return kind, name, arm.treatment, arm.n


def _layer(arm: Arm, layers: Sequence[str]) -> str:
    return layers[arm.n - 1] if 0 < arm.n <= len(layers) else ""


def _share_text(found: Effects, arm: Arm, parameters: Sequence[int]) -> str:
    if arm.variant in SOLVED:
        return "a head"
    share = share_trained(found, arm, parameters)
    return "" if share is None else f"{100 * share:.3g}%"


def _over_random(found: Effects) -> Table | None:
    """What transferred layers have over random ones, where both were asked for."""
    effects = found.of(OVER_RANDOM)
    if not effects:
        return None
    lines = [(f"{e.quantity.first_n}", e.estimate.points()) for e in effects]
    name = f"{title(found)}: pretrained layers less random ones, both frozen, points"
    return Table(name, ("n", "AnB − random"), tuple(lines))
