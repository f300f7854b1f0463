"""A step of a pretrained network on a CPU, with memory in small pages and in huge ones.

    pip install -e '.[bench]' && python experiments/benchmarks/huge_pages.py

Commands that train ask for huge pages, where the kernel gives them to who asks (`madvise` in
/sys/kernel/mm/transparent_hugepage/enabled; else both are the same). glibc hears it when a process
starts, so each time is of a process of its own: the median of some steps after the first ones, of
one full fine-tuning on all cores; and beside it PyTorch's, channels last, both ways.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from typing import Any

import jax
from grids import GridStep, Step
from pretrained_grid import grid_of
from pretrained_torch import alone
from rich.progress import track
from timing import arguments, beside, seconds, show, write

from transfer_jax.commands.huge_pages import ASK, TUNABLES
from transfer_jax.engine.cpu import spread_over_cores
from transfer_jax.engine.mesh import column_mesh
from transfer_jax.grid.pretrained import FULL

OURS, TORCH = "transfer_jax", "timm, channels last"
HUGE, SMALL = "huge pages", "small pages"
BESIDE = ("page faults", "memory, MiB")
WARM_UP, STEPS = 4, 10


def step_of(rival: str, options: Any) -> Step:
    """A step of one full fine-tuning."""
    grid = grid_of(options.network, FULL, options.size, options.batch)
    if rival == TORCH:
        return alone(grid, channels_last=True)
    spread_over_cores()
    devices = len(jax.devices())
    return GridStep(grid, column_mesh(devices, data=devices))


def one(rival: str, options: Any) -> dict[str, float]:
    """The median time of a step, how often it waits for a page, and the most memory held."""
    step = step_of(rival, options)
    for _ in range(WARM_UP):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    times = [seconds(step) for _ in range(STEPS)]
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": statistics.median(times),
        "page faults": (after.ru_minflt - before) / STEPS,
        "memory, MiB": after.ru_maxrss / 1024,
    }


def elsewhere(rival: str, pages: str, options: Any) -> dict[str, float]:
    """The same in a process of its own."""
    told = {"network": options.network, "size": options.size, "batch": options.batch}
    flags = [f"--{name}={value}" for name, value in told.items()]
    environment = os.environ | {TUNABLES: f"{ASK}={int(pages == HUGE)}"}
    command = [sys.executable, __file__, f"--one={rival}", *flags]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--one", help="a rival to time here, and nothing else")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options)))
        return
    ways = [(rival, pages) for rival in (OURS, TORCH) for pages in (HUGE, SMALL)]
    found: dict[str, list[dict[str, float]]] = {", ".join(way): [] for way in ways}
    for _ in track(range(options.rounds), "timing", transient=True):
        for way in ways:
            found[", ".join(way)].append(elsewhere(*way, options))
    times = {name: [own["seconds"] for own in each] for name, each in found.items()}
    rows = [
        row | {name: statistics.median(own[name] for own in found[row["way"]]) for name in BESIDE}
        for row in beside(times, f"{OURS}, {HUGE}")
    ]
    title = f"one step of {options.network}, {options.size} pixels, batch {options.batch}"
    show(title, rows)
    write([{"table": title} | row for row in rows], options.json)


if __name__ == "__main__":
    main()
