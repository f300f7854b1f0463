"""Rows of a table that may be compared: by family of splits, and by split, seed and target."""

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment

RANDOM_HALVES, DISTANT, WHOLE = "random halves", "distant", "whole"


class Arm(NamedTuple):
    """A treatment at one cut; `variant` names another choice of layers than the paper's."""

    treatment: Treatment
    n: int
    variant: str = ""


class Cell(NamedTuple):
    """What paired networks have in common."""

    split: str
    seed: int
    target: str


@dataclass(frozen=True)
class Group:
    """Networks whose numbers may stand in one curve.

    Attributes:
      name: the split, or "random halves" for several; the number of examples where it is not all.
      examples: training images of each class of the target; 0 for all.
      rows: the networks of each arm at each place; one a base task.
      layers: names of the network's layers, where it began with weights of a file.
    """

    name: str
    examples: int
    rows: Mapping[Arm, Mapping[Cell, tuple[ResultRow, ...]]]
    layers: tuple[str, ...] = ()

    @property
    def arms(self) -> list[Arm]:
        """The arms that were run, in the paper's order."""
        order = list(Treatment)
        return sorted(self.rows, key=lambda arm: (arm.variant, order.index(arm.treatment), arm.n))

    @property
    def places(self) -> list[Cell]:
        """All places, in order."""
        return sorted({place for found in self.rows.values() for place in found})

    @property
    def splits(self) -> list[str]:
        """The splits, in order."""
        return sorted({place.split for place in self.places})

    @property
    def base(self) -> Arm | None:
        """The arm of the base networks, where there is one."""
        arm = Arm(Treatment.BASE, 0)
        return arm if arm in self.rows else None

    @property
    def control(self) -> Arm | None:
        """What ways of transfer are compared with: scratch with the whole budget, else base."""
        arm = Arm(Treatment.SCRATCH, 0)
        return arm if arm in self.rows else self.base

    @property
    def family(self) -> str:
        """What kind of splits they are."""
        return family_of(self.splits[0])

    def curves(self) -> list[tuple[Treatment, str]]:
        """The treatments and variants that were run, the paper's first."""
        return list(dict.fromkeys((arm.treatment, arm.variant) for arm in self.arms))

    def cuts(self, treatment: Treatment, variant: str = "") -> list[int]:
        """The cuts at which a treatment was run."""
        return [a.n for a in self.arms if (a.treatment, a.variant) == (treatment, variant)]

    def top1(self, arm: Arm, place: Cell) -> float:
        """Accuracy at a place, the mean over base tasks; nan where there is none."""
        found = self.rows[arm].get(place, ())
        return float(np.mean([row.top1 for row in found])) if found else np.nan


@functools.cache
def family_of(split: str) -> str:
    """What kind of split one of that name is.

    Args:
      split: its name.

    Returns:
      One of "random halves", "distant" and "whole".

    Example:
      >>> family_of("random-3"), family_of("man-natural")
      ('random halves', 'distant')
    """
    if re.fullmatch(r"random-\d+", split):
        return RANDOM_HALVES
    return WHOLE if split == "whole" else DISTANT


def kind(split: str) -> str:
    """What kind of split one is a draw of, in a run.

    Args:
      split: its name.

    Returns:
      Random splits are draws of one kind; every other split is its own.

    Example:
      >>> kind("random-3"), kind("man-natural")
      ('random halves', 'man-natural')
    """
    return RANDOM_HALVES if family_of(split) == RANDOM_HALVES else split


def groups(
    rows: Sequence[ResultRow],
    kind_of: Callable[[str], str] = kind,
    layers: tuple[str, ...] = (),
) -> list[Group]:
    """The groups of a table: of each kind of splits, and number of examples.

    Args:
      kind_of: what kind of split one is a draw of.
      layers: names of the network's layers, where it began with weights of a file.

    Returns:
      The groups, in the order of the rows.

    Example:
      >>> groups([])
      []
    """
    found: dict[tuple[str, int], list[ResultRow]] = defaultdict(list)
    for row in rows:
        found[kind_of(row.split), row.examples].append(row)
    made = [_group(family, examples, held) for (family, examples), held in found.items()]
    return [replace(group, layers=layers) for group in made]


def by_validation(rows: Sequence[ResultRow]) -> tuple[ResultRow, ...] | None:
    """The same networks judged by validation images: their `top1` is that on these.

    Args:
      rows: networks.

    Returns:
      Them, in their order; None where there are none, or some has none.

    Example:
      >>> by_validation([]) is None
      True
    """
    judged = tuple(replace(r, top1=r.validation) for r in rows if r.validation is not None)
    return judged if rows and len(judged) == len(rows) else None


def of_targets(group: Group, targets: Iterable[str]) -> Group:
    """The networks of some targets only.

    Args:
      targets: names of tasks.

    Returns:
      A smaller group of the same name.
    """
    wanted = set(targets)
    kept = {
        arm: {place: found for place, found in held.items() if place.target in wanted}
        for arm, held in group.rows.items()
    }
    return replace(group, rows={arm: held for arm, held in kept.items() if held})


def by_target(group: Group) -> Group:
    """The same networks, with the target as a part of the arm: so that targets can be compared.

    Returns:
      A group whose variants are names of targets; the paper's choice of layers only.
    """
    rows: dict[Arm, dict[Cell, tuple[ResultRow, ...]]] = defaultdict(dict)
    for arm, held in group.rows.items():
        for place, found in held.items():
            if not arm.variant:
                rows[arm._replace(variant=place.target)][place._replace(target="")] = found
    return replace(group, rows=dict(rows))


def by_examples(groups: Sequence[Group]) -> Group:
    """Base networks on few images and on many, in one group: so that they can be compared.

    Args:
      groups: of the same tasks, one or more.

    Returns:
      A group whose variants are numbers of images of each class; 0 for all.
    """
    base = Arm(Treatment.BASE, 0)
    found = {
        base._replace(variant=str(group.examples)): group.rows[base]
        for group in groups
        if base in group.rows
    }
    return Group(groups[0].name, 0, found)


def _group(family: str, examples: int, rows: Sequence[ResultRow]) -> Group:
    held: dict[Arm, dict[Cell, list[ResultRow]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        arm = Arm(Treatment(row.treatment), row.n, row.variant)
        held[arm][Cell(row.split, row.seed, row.target)].append(row)
    splits = {row.split for row in rows}
    name = splits.pop() if len(splits) == 1 else family
    return Group(
        f"{name}, first {examples}" if examples else name,
        examples,
        {arm: {place: tuple(found) for place, found in own.items()} for arm, own in held.items()},
    )
