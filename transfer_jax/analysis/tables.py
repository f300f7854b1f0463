"""Tables for people: treatments across, cuts down, mean and interval in each cell."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from transfer_jax.analysis.statistics.choices import is_pretrained
from transfer_jax.analysis.statistics.crossing import WHOLE, Arm
from transfer_jax.analysis.statistics.effects import (
    ACCURACY,
    BOOST,
    CO_ADAPTATION,
    GAIN,
    GAIN_OVER_CONTROL,
    OVER_RANDOM,
    SPECIALISATION,
    Effect,
    Effects,
)
from transfer_jax.analysis.statistics.inference import Estimate
from transfer_jax.analysis.statistics.splits import between_splits
from transfer_jax.analysis.statistics.steps_to_reach import Reached
from transfer_jax.grid.conditions import Treatment

ALL = "all classes"


@dataclass(frozen=True)
class Table:
    """A table ready to print."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def accuracy_table(found: Effects) -> Table:
    """Test accuracy: one row for each n, one column for each treatment.

    Returns:
      The table, in percent; empty where a treatment was not run at that n.
    """
    name = f"{title(found)}: test accuracy, %"
    return _by_treatment(name, found.at_cuts(ACCURACY), signed=False)


def gain_table(found: Effects) -> Table:
    """Points above the target's own base network.

    Returns:
      The table, in percentage points.
    """
    name = f"{title(found)}: points above the target's own base network"
    return _by_treatment(name, found.at_cuts(GAIN), signed=True)


def control_table(found: Effects) -> Table:
    """Points above scratch with the whole budget.

    Returns:
      The table, in percentage points; no rows where there is no such control.
    """
    name = f"{title(found)}: points above scratch with the whole budget"
    return _by_treatment(name, found.at_cuts(GAIN_OVER_CONTROL), signed=True)


def steps_table(found: Effects, reached: Sequence[Reached]) -> Table:
    """From which step on each way is as accurate as its control is in the end.

    Args:
      reached: the steps of its ways.

    Returns:
      The table, in steps; no rows where networks were not tested on their way.
    """
    control = reached[0].control.treatment.value if reached else ""
    name = f"{title(found)}: steps until the final accuracy of {control} is reached"
    ways = list(dict.fromkeys((one.arm.treatment, one.arm.variant) for one in reached))
    plain = is_pretrained(found.group)
    cells = {one.arm: "not shown" if one.step is None else str(one.step) for one in reached}
    lines = [
        (str(n), *(cells.get(Arm(way[0], n, way[1]), "") for way in ways))
        for n in sorted({one.arm.n for one in reached})
    ]
    return Table(name, ("n", *(heading(*way, plain=plain) for way in ways)), tuple(lines))


def cost_table(found: Effects) -> Table:
    """What each cut costs and gains, paired and as pooled means.

    Returns:
      The table, in percentage points, with how probable such a cost would be if there were none
      at any n.
    """
    columns: list[tuple[str, list[Effect]]] = [
        ("co-adaptation: base − BnB", found.of(CO_ADAPTATION)),
        ("specialisation: BnB − AnB", found.of(SPECIALISATION)),
        ("AnB − random, frozen", found.of(OVER_RANDOM)),
        ("boost: AnB+ − BnB+", found.of(BOOST)),
        ("boost: AnB+ − base", found.of(GAIN, Treatment.TRANSFER_PLUS)),
    ]
    columns = [(name, own) for name, own in columns if own]
    header = ["n"]
    for name, _ in columns:
        header += [name, "p", "pooled"]
    ns = sorted({e.quantity.first_n for _, own in columns for e in own})
    lines = []
    for n in ns:
        line = [str(n)]
        for _, own in columns:
            here = next((e for e in own if e.quantity.first_n == n), None)
            line += ["", "", ""] if here is None else [points(here), _p(here), pooled(here)]
        lines.append(tuple(line))
    name = f"{title(found)}: what each cut costs and gains, points"
    return Table(name, tuple(header), tuple(lines))


def boost_table(found: Effects) -> Table:
    """What fine-tuned transfer gains over ranges of cuts.

    Returns:
      The table, in percentage points, paired and as pooled means.

    Source: Yosinski et al. (2014), table 1.
    """
    columns = {name: found.ranges(kind) for name, kind in (("base", GAIN), ("BnB+", BOOST))}
    cuts = sorted(
        {(e.quantity.first_n, e.quantity.last_n) for own in columns.values() for e in own}
    )
    header = ["n"]
    lines = [[f"{first} to {last}"] for first, last in cuts]
    for name, own in columns.items():
        by_cut = {(e.quantity.first_n, e.quantity.last_n): e for e in own}
        header += [f"over {name}", "pooled"]
        for line, cut in zip(lines, cuts, strict=True):
            here = by_cut.get(cut)
            line += ["", ""] if here is None else [points(here), pooled(here)]
    name = f"{title(found)}: the boost of AnB+ over ranges of cuts, points"
    return Table(name, tuple(header), tuple(map(tuple, lines)))


def split_table(found: Sequence[Effects]) -> Table:
    """What frozen and fine-tuned transfer gain over base on random halves, less that elsewhere.

    Args:
      found: the numbers of each group.

    Returns:
      The table, in percentage points; empty where there is nothing to compare.
    """
    effects = between_splits(found)
    columns = list(dict.fromkeys((e.group, e.quantity.treatment) for e in effects))
    cells = {(e.group, e.quantity.treatment, e.quantity.first_n): e for e in effects}
    header, lines = ["n"], []
    for group, treatment in columns:
        header += [f"{group}: {treatment.value}", "p"]
    for n in sorted({effect.quantity.first_n for effect in effects}):
        line = [str(n)]
        for column in columns:
            here = cells.get((*column, n))
            line += ["", ""] if here is None else [points(here), _p(here)]
        lines.append(tuple(line))
    name = "Differences between splits: points above base"
    return Table(name, tuple(header), tuple(lines))


def title(found: Effects) -> str:
    """What a group is called.

    Returns:
      Its name.
    """
    group = found.group
    if len(group.splits) > 1:
        return group.name
    if is_pretrained(group) and group.family == WHOLE:
        return f"all classes, first {group.examples} images of each" * bool(group.examples) or ALL
    first = f", first {group.examples}" if group.examples else ""
    return f"{group.splits[0]} split{first}"


def points(effect: Effect) -> str:
    """A difference in points with its interval.

    Returns:
      Such as "+1.2±0.3"; without the interval where there is none.
    """
    return effect.estimate.points()


def pooled(effect: Effect) -> str:
    """The same difference between unpaired means.

    Returns:
      Such as "+1.2", without an interval: networks are not independent.
    """
    return Estimate(effect.pooled, (), 0).points()


def heading(treatment: Treatment, variant: str = "", *, plain: bool = False) -> str:
    """What a treatment is called in tables and figures.

    Args:
      variant: name of the choice of layers; empty for the paper's.
      plain: the variant alone, where that is a family of networks that start from given weights.

    Returns:
      Its name.

    Example:
      >>> heading(Treatment.RANDOM)
      'random, frozen'
    """
    if plain:
        return variant or treatment.value
    name = "random, frozen" if treatment == Treatment.RANDOM else treatment.value
    return f"{name}, {variant}" if variant else name


def _by_treatment(name: str, effects: Sequence[Effect], *, signed: bool) -> Table:
    order = list(Treatment)
    present = sorted(
        {(e.quantity.treatment, e.quantity.variant) for e in effects},
        key=lambda arm: (arm[1], order.index(arm[0])),
    )
    found = {(e.quantity.first_n, e.quantity.treatment, e.quantity.variant): e for e in effects}
    rows = tuple(
        (str(n), *(_cell(found.get((n, *arm)), signed) for arm in present))
        for n in sorted({e.quantity.first_n for e in effects})
    )
    return Table(name, ("n", *(heading(*arm) for arm in present)), rows)


def _cell(effect: Effect | None, signed: bool) -> str:
    return "" if effect is None else effect.estimate.points(signed=signed)


def _p(effect: Effect) -> str:
    if effect.p_some is None:
        return ""
    return "<0.001" if effect.p_some < 0.001 else f"{effect.p_some:.3f}"


def shown(tables: Iterable[Table | None]) -> list[Table]:
    """The tables that have rows.

    Args:
      tables: tables; None for one that could not be made.

    Returns:
      Those with something in them.
    """
    return [table for table in tables if table is not None and table.rows]
