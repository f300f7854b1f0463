"""Tables of results with a known truth, and tests example by example."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from etils import epath
from scipy.stats import norm

from transfer_jax.analysis.statistics.images import Tested
from transfer_jax.folder.curves import write_curves
from transfer_jax.folder.results import ResultRow, rows_of, write_rows
from transfer_jax.grid.conditions import SCRATCH_BASE, Column, Cut, Treatment
from transfer_jax.grid.grid import PAPER, base_conditions, columns, condition_grid

# Standard deviations, on the scale of the normal distribution: of images, of how a treatment
# changes an image, of a network's own noise, of seeds, of splits.
IMAGE, TREATED, OWN, SEED, SPLIT = 1.0, 0.5, 0.7, 0.1, 0.2
LEVEL, EFFECT = 0.8, -0.2


def crossed(
    random: np.random.Generator, splits: int, seeds: int, images: int, split_noise: float = SPLIT
) -> tuple[list[ResultRow], dict[ResultRow, Tested]]:
    """Base and AnB at n = 1: splits, seeds and images are all drawn anew."""
    rows: list[ResultRow] = []
    tests: dict[ResultRow, Tested] = {}
    easy, changed = random.normal(0, IMAGE, images), random.normal(0, TREATED, images)
    for k in range(splits):
        order = random.permutation(images)
        halves = {"A": np.sort(order[: images // 2]), "B": np.sort(order[images // 2 :])}
        for seed in range(seeds):
            if seed == 0:
                of_split = random.normal(0, split_noise)
            shift = EFFECT + of_split + random.normal(0, SEED)
            for target, other in ("AB", "BA"):
                own = halves[target]
                for treatment, base, n in (
                    (Treatment.BASE, target, 0),
                    (Treatment.TRANSFER, other, 1),
                ):
                    score = LEVEL + easy[own] + random.normal(0, OWN, len(own))
                    score += n * (shift + changed[own])
                    right = (score > 0).astype(np.float32)
                    top1 = float(right.mean())
                    place = (f"random-{k}", seed, treatment.value, base, target, n, n == 0, "", 0)
                    row = ResultRow(*place, top1, None, top1, 0.0, 1, 0)
                    rows.append(row)
                    tests[row] = (own, right)
    return rows, tests


def true_effect(split_noise: float) -> float:
    """What AnB loses to base, for new splits, seeds and images."""
    base = norm.cdf(LEVEL / np.hypot(IMAGE, OWN))
    spread = np.sqrt(IMAGE**2 + OWN**2 + TREATED**2 + SEED**2 + split_noise**2)
    return float(norm.cdf((LEVEL + EFFECT) / spread) - base)


def table(
    gains: Mapping[str, Callable[[int], float]],
    *,
    splits: tuple[str, ...] = ("distant",),
    seeds: int = 6,
    layers: int = 5,
    noise: float = 0.002,
    examples: tuple[int | None, ...] = (None,),
    treatments: tuple[str, ...] = PAPER,
) -> list[ResultRow]:
    """A grid whose treatments gain what they are said to, at each n."""
    random = np.random.default_rng(0)
    grid = condition_grid(
        layers, splits=splits, seeds=range(seeds), examples=examples, treatments=treatments
    )
    bases = base_conditions(grid)
    rows = []
    for column in [*columns(bases), *columns(grid)]:
        level = 0.7 + 0.05 * (column.target == "B") + 0.01 * column.seed
        values = [
            level + gains.get(c.treatment, lambda _: 0.0)(c.n) + noise * random.normal()
            for c in column.conditions
        ]
        rows += rows_of(column, values, values, [0] * len(values), 1)
    return rows


def with_scratch(rows: list[ResultRow], gain: float, *, noise: float = 0.002) -> list[ResultRow]:
    """The same table with networks trained from scratch for twice the steps, which gain so much."""
    random, found = np.random.default_rng(1), []
    for row in (row for row in rows if row.treatment == Treatment.BASE and not row.examples):
        column = Column(row.split, row.seed, SCRATCH_BASE, row.target, (Cut(0, True),))
        top1 = row.top1 + gain + noise * random.normal()
        found += rows_of(column, [top1], [top1], [0], 2 * row.step)
    return [*rows, *found]


def with_curves(
    folder: Path,
    rows: list[ResultRow],
    *,
    steps: int = 300,
    every: int = 30,
    speed: Mapping[str, float] = {},
) -> list[ResultRow]:
    """Write a run's folder with a test every few steps on the way to each row's accuracy.

    Base networks take `steps`; accuracy comes up to a row's as 1 - exp(-speed x share of steps).
    """
    rows = [replace(row, step=steps * row.step) for row in rows]
    write_rows(epath.Path(folder) / "results.csv", rows)
    by_column: dict[str, list[ResultRow]] = {}
    for row in rows:
        by_column.setdefault(row.column, []).append(row)
    for name, own in by_column.items():
        at = np.arange(every, own[0].step + 1, every)
        rises = [1 - np.exp(-speed.get(row.treatment, 5.0) * at / at[-1]) for row in own]
        rises = [rise / rise[-1] for rise in rises]
        tests = np.stack([row.top1 * rise for row, rise in zip(own, rises, strict=True)], axis=1)
        cuts = tuple(Cut(row.n, row.fine_tuned) for row in own)
        base = None if own[0].treatment == Treatment.BASE else own[0].base
        column = Column(own[0].split, own[0].seed, base, own[0].target, cuts)
        write_curves(epath.Path(folder) / "curves" / f"{name}.csv", column, at, tests)
    return rows


def plain(
    random: np.random.Generator, splits: int, seeds: int, split_noise: float = SPLIT
) -> list[ResultRow]:
    """Base and AnB at n = 1, of accuracies that are normal: no image is told from another."""
    rows: list[ResultRow] = []
    for k in range(splits):
        of_split = random.normal(0, split_noise)
        for seed in range(seeds):
            shift = EFFECT + of_split + random.normal(0, SEED)
            for target, other in ("AB", "BA"):
                for treatment, base, n in (
                    (Treatment.BASE, target, 0),
                    (Treatment.TRANSFER, other, 1),
                ):
                    top1 = 0.5 + 0.1 * (n * shift + random.normal(0, SEED))
                    place = (f"random-{k}", seed, treatment.value, base, target, n, n == 0, "", 0)
                    rows.append(ResultRow(*place, top1, None, top1, 0.0, 1, 0))
    return rows
