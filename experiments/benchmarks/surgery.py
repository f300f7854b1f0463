"""Surgery on small and large trees, against other ways of doing the same work.

    python experiments/benchmarks/surgery.py

Trees of 10 to 100,000 small leaves, and one of 1 GiB in 64 leaves. Each rival selects, grafts
or compares the same leaves, and every graft copies the leaves of both sides; all are timed in turn
within one run.
The table shows median times and the ratio, ours / best of the others (below 1: ours is faster).
`--json FILE` writes the numbers, with versions and device.
"""

import argparse
import fnmatch
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import flax.traverse_util as traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import transfer_jax as tj
from transfer_jax.plan.versions import versions

Tree = dict[str, Any]
Rivals = dict[str, Callable[[], Any]]
PATTERN = "layer*/kernel"


def make_tree(leaves: int, size: int, value: float) -> Tree:
    """Layers of a kernel and a bias."""
    make = jax.jit(lambda i: jnp.full(size, value) + i)
    return {
        f"layer{i}": {"kernel": make(i * 1.0), "bias": make(i * 2.0)} for i in range(leaves // 2)
    }


def select_rivals(tree: Tree) -> Rivals:
    def plain() -> Any:
        def chosen(path: Any, _: Any) -> bool:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            return fnmatch.fnmatch(name, PATTERN)

        return jax.tree_util.tree_map_with_path(chosen, tree)

    def flax() -> Any:
        return traverse_util.path_aware_map(
            lambda path, _: fnmatch.fnmatch("/".join(map(str, path)), PATTERN), tree
        )

    return {"transfer_jax": lambda: tj.select(tree, PATTERN), "jax.tree": plain, "flax": flax}


def graft_rivals(recipient: Tree, donor: Tree) -> Rivals:
    """All copy the leaves of both sides; all but ours trust the trees to fit."""

    def plain() -> Any:
        def chosen(path: Any, old: Any, new: Any) -> Any:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            return jnp.copy(new if fnmatch.fnmatch(name, PATTERN) else old)

        return jax.tree_util.tree_map_with_path(chosen, recipient, donor)

    def flax() -> Any:
        old: Any = traverse_util.flatten_dict(recipient, sep="/")
        new: Any = traverse_util.flatten_dict(donor, sep="/")
        merged = {
            name: jnp.copy(new[name] if fnmatch.fnmatch(name, PATTERN) else leaf)
            for name, leaf in old.items()
        }
        return traverse_util.unflatten_dict(merged, sep="/")

    def equinox() -> Any:
        def where(tree: Tree) -> list[Any]:
            return [layer["kernel"] for layer in tree.values()]

        return jax.tree.map(jnp.copy, eqx.tree_at(where, recipient, where(donor)))

    ours = lambda: tj.graft(recipient, donor, PATTERN)  # noqa: E731
    return {"transfer_jax": ours, "jax.tree": plain, "flax": flax, "equinox": equinox}


def diff_rivals(before: Tree, after: Tree) -> Rivals:
    def plain() -> Any:
        def same(left: Any, right: Any) -> bool:
            return np.array_equal(np.asarray(left), np.asarray(right))

        return jax.tree.map(same, before, after)

    return {"transfer_jax": lambda: tj.diff(before, after), "jax.tree": plain}


def median_times(rivals: Rivals, rounds: int) -> dict[str, float]:
    """Median seconds of each rival, timed in turn."""
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for turn in range(rounds + 1):
        for name, work in rivals.items():
            began = time.perf_counter()
            jax.block_until_ready([x for x in jax.tree.leaves(work()) if hasattr(x, "shape")])
            if turn:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time select, graft and diff.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    sizes = [(10, 4), (100, 4), (1000, 4), (10_000, 4), (100_000, 4), (64, 2**22)]
    rows = []
    for leaves, size in track(sizes, "timing"):
        tree, other = make_tree(leaves, size, 0.0), make_tree(leaves, size, 0.0)
        for task, rivals in (
            ("select", select_rivals(tree)),
            ("graft, both copied", graft_rivals(tree, other)),
            ("diff", diff_rivals(tree, other)),
        ):
            rounds = 3 if leaves > 10_000 else arguments.rounds
            rows.append((task, leaves, 4 * size * leaves, median_times(rivals, rounds)))
    table = Table("task", "leaves", "MiB", "ours, ms", "best other, ms", "which", "ratio")
    for task, leaves, size, times in sorted(rows, key=lambda row: (row[0], row[2])):
        ours = times.pop("transfer_jax")
        best = min(times, key=lambda name: times[name])
        cells = (f"{1e3 * ours:.2f}", f"{1e3 * times[best]:.2f}", best, f"{ours / times[best]:.2f}")
        table.add_row(task, f"{leaves:,}", f"{size / 2**20:.1f}", *cells)
        times["transfer_jax"] = ours
    Console().print(table)
    if arguments.json:
        numbers = [
            dict(zip(("task", "leaves", "bytes", "seconds"), row, strict=True)) for row in rows
        ]
        content = {"medians": numbers, "versions": versions()}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
