"""What controls say, with intervals over splits or seeds: cuts and layers are no units."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from transfer_jax.analysis.statistics.crossing import RANDOM_HALVES, family_of
from transfer_jax.analysis.statistics.inference import Estimate, over_units
from transfer_jax.folder.control_results import (
    REINITIALISATION,
    STITCHING,
    TWO_RUNS,
    ControlRow,
)
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import RANDOM_BASE, SCRATCH_BASE, Treatment

# Where two networks are mixed in equal parts.
MIDDLE = 0.5

# A number, and the split and seed that it is of.
Placed = tuple[tuple[str, int], float]
# What a column's networks have in common, but for n.
ColumnKey = tuple[str, int, str, str]


@dataclass(frozen=True)
class Barrier:
    """What is lost half way between two runs from one start; shares: 0.01 is a point.

    Attributes:
      tasks: the group of splits.
      n: number of transferred layers; 0 for networks from scratch.
      lost: the mean accuracy of both ends less that half way.
      over_scratch: by how much that is more than between networks from scratch.
    """

    tasks: str
    n: int
    lost: Estimate
    over_scratch: Estimate


def transfers(rows: Iterable[ControlRow], networks: Iterable[ResultRow] = ()) -> list[ControlRow]:
    """The controls between different trained tasks.

    Args:
      rows: what was measured.
      networks: the networks, whose splits stand in the order of a report.

    Returns:
      Those of columns whose base is neither the target nor untrained, with all examples.
    """
    untrained = (RANDOM_BASE, SCRATCH_BASE)
    own = [row for row in rows if not row.examples and row.base not in (row.target, *untrained)]
    places = {split: i for i, split in enumerate(dict.fromkeys(row.split for row in networks))}
    return sorted(own, key=lambda row: places.get(row.split, len(places)))


def by_tasks(rows: Iterable[ControlRow]) -> dict[str, list[ControlRow]]:
    """Rows by the group that their split belongs to, as all numbers of a report are.

    Returns:
      The name of a split, or "random halves" where there are several of these, to its rows.
    """
    held = list(rows)
    halves = {row.split for row in held if family_of(row.split) == RANDOM_HALVES}
    found: dict[str, list[ControlRow]] = defaultdict(list)
    for row in held:
        found[RANDOM_HALVES if row.split in halves and len(halves) > 1 else row.split].append(row)
    return found


def profiles(rows: Iterable[ControlRow]) -> dict[int, dict[str, Estimate]]:
    """The numbers of one control along the layers of networks, or along a line between two.

    Returns:
      n to the name of a layer, or a place on the line, to the number there.
    """
    held: dict[int, dict[str, list[Placed]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        place = f"{row.at:g}" if row.control == TWO_RUNS else row.layer
        held[row.n][place].append(_placed(row))
    return {
        n: {place: over_units(values) for place, values in line.items()}
        for n, line in sorted(held.items())
    }


def put_back(rows: Iterable[ControlRow]) -> dict[tuple[int, str], Estimate]:
    """By how much a network is better with one layer put back to its start: mostly it is worse.

    Args:
      rows: controls of one group of splits.

    Returns:
      n and the layer to the difference from the same network as it is.

    Source: Zhang, Bengio and Singer (2019), Are all layers created equal?
    """
    own = [row for row in rows if row.control == REINITIALISATION]
    whole = {(column_of(row), row.n): row.value for row in own if not row.layer}
    found: dict[tuple[int, str], list[Placed]] = defaultdict(list)
    for row in own:
        as_it_is = whole.get((column_of(row), row.n))
        if row.layer and as_it_is is not None:
            found[row.n, row.layer].append((_placed(row)[0], row.value - as_it_is))
    return {place: over_units(values) for place, values in found.items()}


def barriers(rows: Sequence[ControlRow]) -> list[Barrier]:
    """What is lost half way between two runs: not at the worst place, which chance makes.

    Args:
      rows: controls of several columns.

    Returns:
      One for each group of splits and n; those from scratch first.

    Source: Neyshabur, Sedghi and Zhang (2020), What is being transferred in transfer learning?
    """
    found = []
    for tasks, own in by_tasks(r for r in rows if r.control == TWO_RUNS).items():
        lost = _lost(own)
        for n in sorted({row.n for row in own}):
            here = {key: by_n[n] for key, by_n in lost.items() if n in by_n}
            over = [(key[:2], loss - lost[key][0]) for key, loss in here.items() if 0 in lost[key]]
            losses = over_units((key[:2], loss) for key, loss in here.items())
            found.append(Barrier(tasks, n, losses, over_units(over if n else ())))
    return found


def stitched(
    rows: Sequence[ControlRow], networks: Sequence[ResultRow]
) -> dict[tuple[str, int], dict[str, Estimate]]:
    """How far stitched networks are above base, and frozen transfer beside them.

    Args:
      rows: controls of several columns.
      networks: the networks.

    Returns:
      The group of splits and n to "trained", "untrained" and "frozen" to the difference.
    """
    base, frozen = base_accuracies(networks), frozen_accuracies(networks)
    found = {}
    for tasks, own in by_tasks(r for r in rows if r.control == STITCHING).items():
        held: dict[int, dict[str, list[Placed]]] = defaultdict(lambda: defaultdict(list))
        for row in own:
            level = base.get((row.split, row.seed, row.target))
            if level is None:
                continue
            place = (row.split, row.seed)
            name = "trained" if row.at > 0 else "untrained"
            held[row.n][name].append((place, row.value - level))
            alone = frozen.get(column_of(row), {}).get(row.n)
            if row.at > 0 and alone is not None:
                held[row.n]["frozen"].append((place, alone - level))
        for n, values in sorted(held.items()):
            found[tasks, n] = {name: over_units(own) for name, own in values.items()}
    return found


def frozen_accuracies(networks: Iterable[ResultRow]) -> dict[ColumnKey, dict[int, float]]:
    """The accuracy of frozen transfer, of the paper's choice of layers and all examples.

    Returns:
      Column to n to accuracy.
    """
    found: dict[ColumnKey, dict[int, float]] = defaultdict(dict)
    for row in networks:
        if row.treatment == Treatment.TRANSFER and not (row.variant or row.examples):
            found[column_of(row)][row.n] = row.top1
    return found


def base_accuracies(networks: Iterable[ResultRow]) -> dict[tuple[str, int, str], float]:
    """The accuracy of base networks with all examples.

    Returns:
      Split, seed and target to accuracy.
    """
    return {
        (row.split, row.seed, row.target): row.top1
        for row in networks
        if row.treatment == Treatment.BASE and not row.examples
    }


def column_of(row: ControlRow | ResultRow) -> ColumnKey:
    """What a row's column has in common.

    Returns:
      Its split, seed, base and target.
    """
    return row.split, row.seed, row.base, row.target


def _placed(row: ControlRow) -> Placed:
    return (row.split, row.seed), row.value


def _lost(rows: Iterable[ControlRow]) -> dict[ColumnKey, dict[int, float]]:
    lines: dict[ColumnKey, dict[int, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        lines[column_of(row)][row.n][row.at] = row.value
    return {
        key: {
            n: (line[0.0] + line[1.0]) / 2 - line[MIDDLE]
            for n, line in by_n.items()
            if {0.0, MIDDLE, 1.0} <= line.keys()
        }
        for key, by_n in lines.items()
    }
