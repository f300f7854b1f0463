"""Which of a run's networks is the one to take, where it lies, and what to type to have it."""

import shlex
from dataclasses import dataclass

import numpy as np
from etils import epath

from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.network_of_way import arm_of, network_of
from transfer_jax.analysis.statistics.choices import typed
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.pretrained import SOLVED

FILE = "best.safetensors"
NOT_KEPT = "What it trained was not kept (--config.checkpoint.networks=all keeps it)."


@dataclass(frozen=True)
class BestNetwork:
    """The network to take, in words.

    Attributes:
      row: it.
      way: what its way is called on a command line.
      told: which it is, how accurate, and where it lies.
      command: what to type.
    """

    row: ResultRow
    way: str
    told: str
    command: str


def best_network(evidence: Evidence) -> BestNetwork | None:
    """The network to take of a run that began with given weights.

    Args:
      evidence: the run's folder.

    Returns:
      One of the networks that were trained on the most images, and of these of the first group
      whose advice takes a way; None where there is none.
    """
    row = _taken(evidence) if evidence.is_pretrained else None
    if row is None:
        return None
    judged = f"{100 * row.top1:.1f}% on test images"
    if row.validation is not None:
        judged = f"{100 * row.validation:.1f}% on validation images, {judged}"
    place = _place(evidence, row)
    lies = f"What it trained lies in {place}." if place.exists() else NOT_KEPT
    tasks = {(other.split, other.target) for other in evidence.rows}
    of_task = f" of {row.split}.{row.target}" if len(tasks) > 1 else ""
    way = typed(arm_of(row))
    told = f"The network to take: {way}{of_task}, {seed_of(evidence, row)} ({judged}). {lies}"
    asked = "best" if len(tasks) == 1 else f"{way} --task={row.split}.{row.target}"
    command = f"transfer-jax export {shlex.quote(str(evidence.folder))} --way={asked} --to={FILE}"
    # Of a run that is not finished nothing is exported.
    return BestNetwork(row, way, told, command if place.exists() and evidence.finished else "")


def seed_of(evidence: Evidence, row: ResultRow) -> str:
    """Which seed's network it is, and why this one.

    Args:
      evidence: a run's folder.
      row: the network.

    Returns:
      Such as "seed 2, the most accurate of its way", or "which is the same for every seed".
    """
    alike = {other.seed for other in evidence.rows if arm_of(other) == arm_of(row)}
    if len(alike) < 2:
        return f"seed {row.seed}"
    if row.variant in SOLVED:
        return "which is the same for every seed"
    return f"seed {row.seed}, the most accurate of its way"


def _taken(evidence: Evidence) -> ResultRow | None:
    """The network that advice takes: of its own group, since each group has its own images."""
    each = list(zip(evidence.numbers, evidence.advice, strict=True))
    for found, told in sorted(each, key=lambda own: -(own[0].group.examples or np.inf)):
        held = [row for at in found.group.rows.values() for own in at.values() for row in own]
        if told.taken is not None and (row := network_of(held, told.taken)) is not None:
            return row
    return None


def _place(evidence: Evidence, row: ResultRow) -> epath.Path:
    """Where what it trained lies: of a head that is solved, where all of its target lie."""
    if row.variant in SOLVED:
        first = f".first{row.examples}" if row.examples else ""
        return evidence.folder / "heads" / f"{row.split}.{row.target}{first}.npz"
    return evidence.home(row) / "networks" / row.column
