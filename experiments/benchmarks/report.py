"""Seconds and memory of a report, of the default run's size and of a large one.

    python experiments/benchmarks/report.py
    python experiments/benchmarks/report.py --rows=10000 --examples=50000

Networks with a known accuracy on made-up images, written as a run writes them; then the command
`transfer-jax report` on that folder, timed from its start to its end. The baseline is the intervals
alone by the textbook's way: images are drawn anew for every replicate, and every network is
tested on them; it is timed for a few replicates of one cut and scaled up to all.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from etils import epath
from timing import arguments, show, write

from transfer_jax.folder.correctness import read_correctness, write_correctness
from transfer_jax.folder.results import ResultRow, read_rows, rows_of, write_rows
from transfer_jax.grid.conditions import Column
from transfer_jax.grid.grid import PAPER, base_conditions, columns, condition_grid

LAYERS, SPLITS = 8, ("random-0", "random-1", "random-2", "random-3", "man-natural")
FEW = 10
REPLICATES = 2000


def grid(rows: int) -> list[Column]:
    """Columns of the paper's grid, with as many seeds as give that many networks."""
    one = condition_grid(LAYERS, splits=SPLITS, treatments=PAPER)
    seeds = max(1, round(rows / (len(one) + len(base_conditions(one)))))
    found = condition_grid(LAYERS, splits=SPLITS, seeds=range(seeds), treatments=PAPER)
    return [*columns(base_conditions(found)), *columns(found)]


def make_run(folder: epath.Path, rows: int, examples: int) -> None:
    """A folder as a finished run leaves it."""
    random = np.random.default_rng(0)
    easy = random.normal(size=2 * examples).astype(np.float32)
    written: list[ResultRow] = []
    for column in grid(rows):
        half = np.arange(2 * examples) % 2 == (column.target == "B")
        level = 0.8 - 0.02 * np.array([c.n * (not c.fine_tuned) for c in column.conditions])
        noise = random.normal(size=(len(level), examples)).astype(np.float32)
        right = easy[half] + 0.7 * noise + level[:, None] > 0
        top1 = right.mean(axis=1).tolist()
        path = folder / "correct" / f"{column.name}.npz"
        write_correctness(path, column, right, np.flatnonzero(half), np.ones(2 * examples, bool))
        written += rows_of(column, top1, top1, [0] * len(top1), 1)
    write_rows(folder / "results.csv", written)


def timed_report(folder: epath.Path) -> tuple[float, float]:
    """Seconds and GiB of the command."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "transfer_jax", "report", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "the report failed"
    return time.perf_counter() - began, usage.ru_maxrss / 2**20


def textbook_seconds(folder: epath.Path) -> float:
    """One cut's AnB less base over all seeds, a few replicates; scaled to all of both."""
    rows = read_rows(folder / "results.csv")
    pairs = list(_pairs(folder, rows))
    random = np.random.default_rng(0)
    began = time.perf_counter()
    for _ in range(FEW):
        drawn = random.integers(0, len(pairs[0][0]), len(pairs[0][0]))
        units = random.integers(0, len(pairs), len(pairs))
        np.mean([pairs[i][1][drawn].mean() - pairs[i][0][drawn].mean() for i in units])
    once = (time.perf_counter() - began) / FEW
    contrasts = 12 * (LAYERS - 1)  # accuracies, gains, costs and boosts at each cut
    return once * REPLICATES * contrasts


def _pairs(folder: epath.Path, rows: list[ResultRow]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    base = {(r.split, r.seed, r.target): r for r in rows if r.treatment == "base"}
    for row in rows:
        if row.treatment == "AnB" and row.n == 3:
            own = base[row.split, row.seed, row.target]
            yield tuple(  # pyright: ignore
                read_correctness(folder / "correct" / f"{r.column}.npz").right(r.label)
                for r in (own, row)
            )


def main() -> None:
    """Make a run, time its report, and print."""
    parser = arguments(__doc__, rounds=None)
    parser.add_argument("--rows", type=int, default=416)
    parser.add_argument("--examples", type=int, default=5000, help="test images of each task")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = epath.Path(name)
        make_run(folder, given.rows, given.examples)
        networks = len(read_rows(folder / "results.csv"))
        taken, memory = timed_report(folder)
        textbook = textbook_seconds(folder)
        page = Path(name, "report.html").stat().st_size / 2**20
    rows = [
        {
            "networks": networks,
            "test images of each": given.examples,
            "report, s": round(taken, 1),
            "memory, GiB": round(memory, 2),
            "page, MiB": round(page, 2),
            "textbook's intervals alone, s": round(textbook),
            "their time / the report's": round(textbook / taken, 1),
        }
    ]
    show("transfer-jax report", rows)
    write(rows, given.json)


if __name__ == "__main__":
    main()
