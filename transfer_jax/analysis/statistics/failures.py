"""Networks that diverged or learned nothing."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from transfer_jax.analysis.statistics.choices import is_pretrained
from transfer_jax.analysis.statistics.crossing import Arm, Cell, Group, groups
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.pretrained import SOLVED

# A network has failed whose accuracy is less than this share of its like's: the median of the
# others of its way on the same target.
SHARE = 0.5
# Or that is this far below them, and so many robust standard deviations, when what its place does
# to all ways is taken out: of two classes chance is a half.
FAR, DEVIATIONS = 0.1, 10.0
# A way has learned whose networks have at least this share of what the best way's have. To be low
# in one that has not is its luck, and no fault.
LEARNED = 0.5
# Of a normal distribution the standard deviation is so many median absolute deviations.
ROBUST = 1.4826


def failures(group: Group, arms: Sequence[Arm]) -> dict[tuple[Arm, Cell], str]:
    """What failed.

    Args:
      arms: whose networks are looked at.

    Returns:
      What is wrong with the networks of an arm at a place; nothing for those that are sound.
    """
    found = {
        (arm, place): f"diverged at step {max(row.diverged for row in rows)}"
        for arm in arms
        for place, rows in group.rows[arm].items()
        if any(row.diverged for row in rows)
    }
    finite = {
        (arm, place): group.top1(arm, place)
        for arm in arms
        for place in group.rows[arm]
        if np.isfinite(group.top1(arm, place))
    }
    found |= {
        (arm, place): "has no accuracy"
        for arm in arms
        for place in group.rows[arm]
        if (arm, place) not in finite and (arm, place) not in found
    }
    # That networks on random layers learn nothing is a result, and no fault. So it is of those
    # from scratch in the few steps that a pretrained network takes.
    results = {Treatment.RANDOM} | ({Treatment.SCRATCH} if is_pretrained(group) else set())
    learning = {key: top1 for key, top1 in finite.items() if key[0].treatment not in results}
    usual = _usual(learning)
    lower = _lower(learning, usual)
    # A head that is solved is the same for every seed: it tells nothing of what networks vary by.
    far_from = [abs(value) for (arm, _), value in lower.items() if arm.variant not in SOLVED]
    scale = ROBUST * float(np.median(far_from)) if far_from else 0.0
    best = {place.target: 0.0 for _, place in usual}
    for (_, place), like in usual.items():
        best[place.target] = max(best[place.target], like)
    for key, like in usual.items():
        if like < LEARNED * best[key[1].target]:
            continue
        far = lower[key] < -max(FAR, DEVIATIONS * scale)
        if key not in found and (far or finite[key] < SHARE * like):
            found[key] = f"failed: {finite[key]:.1%} where networks like it have {like:.1%}"
    return found


def failed_rows(rows: Sequence[ResultRow]) -> dict[ResultRow, str]:
    """The networks of a table that failed.

    Args:
      rows: networks.

    Returns:
      What is wrong with each, in the order of groups.

    Example:
      >>> failed_rows([])
      {}
    """
    return {
        row: why
        for group in groups(rows)
        for (arm, place), why in failures(group, group.arms).items()
        for row in group.rows[arm][place]
    }


def without(group: Group, failed: Collection[tuple[Arm, Cell]]) -> Group:
    """A group without some networks.

    Args:
      failed: arms and places, as of `failures`.

    Returns:
      The rest of it; an arm with no network left is gone.
    """
    rows = {
        arm: {place: found for place, found in held.items() if (arm, place) not in failed}
        for arm, held in group.rows.items()
    }
    return replace(group, rows={arm: held for arm, held in rows.items() if held})


def sound_rows(rows: Sequence[ResultRow]) -> list[ResultRow]:
    """The networks of a table that did not fail: those that numbers are of.

    Args:
      rows: networks.

    Returns:
      The others, in their order.

    Example:
      >>> sound_rows([])
      []
    """
    failed = failed_rows(rows)
    return [row for row in rows if row not in failed]


def _usual(top1: Mapping[tuple[Arm, Cell], float]) -> dict[tuple[Arm, Cell], float]:
    """For each network, the median of the others of its way on the same target, if there are."""
    alike: dict[tuple[Arm, str], dict[Cell, float]] = defaultdict(dict)
    for (arm, place), value in top1.items():
        alike[arm, place.target][place] = value
    return {
        (arm, place): float(np.median([v for other, v in own.items() if other != place]))
        for (arm, _), own in alike.items()
        for place in own
        if len(own) > 1
    }


def _lower(
    top1: Mapping[tuple[Arm, Cell], float], usual: Mapping[tuple[Arm, Cell], float]
) -> dict[tuple[Arm, Cell], float]:
    """How far each network is from its like, less what its place does to all ways."""
    less = {key: top1[key] - like for key, like in usual.items()}
    at_place: dict[Cell, list[float]] = defaultdict(list)
    for (_, place), value in less.items():
        at_place[place].append(value)
    shift = {place: float(np.median(values)) for place, values in at_place.items()}
    return {key: value - shift[key[1]] for key, value in less.items()}
