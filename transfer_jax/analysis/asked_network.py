"""The network of a run that is meant by a way and a seed, or by the advice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from transfer_jax.analysis.best_network import seed_of
from transfer_jax.analysis.evidence import Evidence
from transfer_jax.analysis.network_of_way import arm_of, network_of
from transfer_jax.analysis.statistics.choices import Choice, choice_of, name_of, typed
from transfer_jax.folder.results import ResultRow
from transfer_jax.grid.conditions import Treatment
from transfer_jax.grid.registry import nearest

BEST = "best"


@dataclass(frozen=True)
class Asked:
    """A network.

    Attributes:
      row: its row.
      told: which it is, and why this one.
    """

    row: ResultRow
    told: str


def asked_network(
    evidence: Evidence, way: str = BEST, seed: int | None = None, task: str | None = None
) -> Asked:
    """The network that is meant.

    Args:
      evidence: a run's folder.
      way: "best", what the advice takes; or a way as the page and the table call it: "full",
        "freeze:5", "probe:9", "AnB:4".
      seed: the seed; None: the one that does best on validation images.
      task: split and target, as in "whole.A"; None: the only one there is.

    Returns:
      The network.

    Raises:
      ValueError: there is no such way, seed or task, or there are several tasks; or its networks
        failed.
    """
    rows = _of_task(evidence.rows, task)
    seeds = sorted({row.seed for row in rows})
    if seed is not None and seed not in seeds:
        raise ValueError(f"--seed is {seed}; allowed: {', '.join(map(str, seeds))}")
    ways = {typed(arm_of(row)): choice_of(arm_of(row)) for row in rows if _is_way(row)}
    if way != BEST and way not in ways:
        allowed = ", ".join((BEST, *ways))
        raise ValueError(f"--way is '{way}'; allowed: {allowed}{nearest(way, (BEST, *ways))}")
    within = replace(evidence, rows=tuple(rows))
    choice, why = (ways[way], "as asked for") if way != BEST else _best(within)
    own = replace(within, rows=tuple(row for row in rows if seed in (None, row.seed)))
    row = network_of(own.sound, choice)
    if row is None:
        raise ValueError(f"no network of {way} is left in {evidence.folder}: they diverged")
    return Asked(row, _told(evidence, row, why, chosen=seed is None and len(seeds) > 1))


def _of_task(rows: Sequence[ResultRow], task: str | None) -> list[ResultRow]:
    """The networks of one task, trained on as many examples as any."""
    tasks = sorted({f"{row.split}.{row.target}" for row in rows})
    if task is None and len(tasks) > 1:
        raise ValueError(f"the run has several tasks; give one: --task={' or --task='.join(tasks)}")
    if task is not None and task not in tasks:
        raise ValueError(f"--task is '{task}'; allowed: {', '.join(tasks)}{nearest(task, tasks)}")
    own = [row for row in rows if task in (None, f"{row.split}.{row.target}")]
    most = max((row.examples or np.inf for row in own), default=0)
    return [row for row in own if (row.examples or np.inf) == most]


def _is_way(row: ResultRow) -> bool:
    """Whether layers of the network are of use: not those of the control with random ones."""
    return row.treatment not in (Treatment.RANDOM, Treatment.BASE)


def _best(evidence: Evidence) -> tuple[Choice, str]:
    """What the advice takes; else what does best on the mean."""
    taken = next((own.taken for own in evidence.advice if own.taken is not None), None)
    if taken is not None:
        return taken, "what the advice takes"
    accuracies: dict[Choice, list[float]] = {}
    for row in evidence.sound:
        if _is_way(row):
            judged = row.top1 if row.validation is None else row.validation
            accuracies.setdefault(choice_of(arm_of(row)), []).append(judged)
    if not accuracies:
        raise ValueError(f"{evidence.folder} has no network that did not fail")
    best = max(accuracies, key=lambda choice: float(np.mean(accuracies[choice])))
    images = "test" if evidence.on_validation is None else "validation"
    return best, f"the advice takes none, and this way has the best mean on {images} images"


def _told(evidence: Evidence, row: ResultRow, why: str, chosen: bool) -> str:
    words = name_of(arm_of(row), evidence.layers)
    seed = seed_of(evidence, row) if chosen else f"seed {row.seed}"
    return f"{typed(arm_of(row))} ({words}), {why}; {seed}"
