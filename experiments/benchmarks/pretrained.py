"""Every way to use a pretrained network: this package against PyTorch and Flax.

    pip install -e '.[bench]' scikit-learn && python experiments/benchmarks/pretrained.py

ResNet-18 and EfficientNet-Lite0 on small images, at the cuts of configs/pretrained.py: one step of
`freeze`, `full` and `scratch` for two seeds, and linear heads (`probe`) once for both. The rivals
train the same conditions one after the other: timm's networks in PyTorch (default layout, channels
last, and with what leaves the frozen layers computed before), and `nn.Conv` in Flax with one jitted
step a condition. Their heads are scikit-learn's LogisticRegression on cached features, at as many
strengths as ours. They are timed in turn within one run; the ratio is the rival's time over ours.

The whole is what a run does: its steps of all families, `lp-ft` as much as `full`, and the heads.
Compilation is apart from it, as the first call.
"""

from typing import Any

import jax
import pretrained_flax
import pretrained_probes
from grids import GridStep, Step
from pretrained_grid import STEPPED, PretrainedGrid, grid_of
from timing import arguments, beside, in_turn, seconds, show, write

from transfer_jax.engine.cpu import spread_over_cores
from transfer_jax.grid.pretrained import FREEZE, FULL, LP_FT, PROBE

OURS, FLAX, TORCH = "transfer_jax", "Flax, one after the other", "timm"
LAST, CACHED = "timm, channels last", "timm, channels last, frozen layers cached"
SEEDS = 2
# What others are also timed as; where a family has no row of a way, it goes by the way before.
FALLS_BACK = {CACHED: LAST, TORCH: LAST}


def steps_of(grid: PretrainedGrid, names: set[str]) -> dict[str, Step]:
    """One step of a family for all seeds, by way; the rivals that are asked for."""
    ways: dict[str, Step] = {OURS: GridStep(grid, repeats=SEEDS)}
    if "flax" in names:
        ways[FLAX] = _repeated(pretrained_flax.alone(grid))
    if "torch" in names:
        from pretrained_torch import alone

        ways[TORCH] = _repeated(alone(grid))
        ways[LAST] = _repeated(alone(grid, channels_last=True))
        if grid.family == FREEZE:
            ways[CACHED] = _repeated(alone(grid, channels_last=True, cached=True))
    return ways


def _repeated(step: Step) -> Step:
    """A step for each seed."""

    def steps() -> None:
        for _ in range(SEEDS):
            step()

    return steps


def probes_of(grid: PretrainedGrid, names: set[str]) -> dict[str, Step]:
    """All linear heads of a network, by way."""
    images = pretrained_probes.probe_images(grid.size)
    ways = {OURS: pretrained_probes.ours(grid, images)}
    if "flax" in names:
        ways[FLAX] = pretrained_flax.probes(grid, images)
    if "torch" in names:
        import pretrained_torch

        ways[LAST] = pretrained_torch.probes(grid, images)
    return ways


def timed(ways: dict[str, Step], rounds: int, title: str) -> dict[str, dict[str, Any]]:
    """A row a way, with its first call; shown as a table."""
    first = {way: seconds(step) for way, step in ways.items()}
    rows = beside(in_turn(ways, rounds, warm_up=1), OURS)
    rows = [row | {"first call s": first[row["way"]]} for row in rows]
    show(title, rows)
    return {str(row["way"]): {"table": title} | row for row in rows}


def whole(families: dict[str, dict[str, dict[str, Any]]], steps: int) -> list[dict[str, Any]]:
    """A row a way: the seconds of a run, and those of its first calls."""
    found = []
    for way in families[FREEZE]:
        total = first = 0.0
        for family, times in families.items():
            row = times.get(way) or times[FALLS_BACK[way]]
            count = 1 if family == PROBE else steps
            total += count * row["median ms"] / 1e3
            first += row["first call s"] if family != LP_FT else 0
        found.append({"way": way, "seconds": total, "first calls s": first})
    return [row | {"ratio": row["seconds"] / found[0]["seconds"]} for row in found]


def measured(name: str, options: Any) -> list[dict[str, Any]]:
    """The rows of one network: of each family, and of all."""
    families, names = {}, set(options.rivals)
    what = f"{name}, {options.size} pixels, batch {options.batch}, {SEEDS} seeds"
    for family in STEPPED:
        grid = grid_of(name, family, options.size, options.batch)
        title = f"one step of {len(grid.depths)} x {family}, {what}"
        families[family] = timed(steps_of(grid, names), options.rounds, title)
    grid = grid_of(name, PROBE, options.size, options.batch)
    title = f"heads at {len(grid.cuts)} cuts, 1,024 images, {name}"
    families[PROBE] = timed(probes_of(grid, names), options.rounds, title)
    families[LP_FT] = families[FULL]
    title = f"{options.steps} steps of everything, {what}, on {jax.devices()[0].device_kind}"
    rows = whole(families, options.steps)
    show(title, rows)
    of_families = [r for family, ways in families.items() if family != LP_FT for r in ways.values()]
    return [*of_families, *({"table": title} | row for row in rows)]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "efficientnet_lite0"])
    parser.add_argument("--rivals", nargs="+", default=["flax", "torch"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=40, help="steps of a run")
    options = parser.parse_args()
    spread_over_cores()
    write([row for name in options.networks for row in measured(name, options)], options.json)


if __name__ == "__main__":
    main()
