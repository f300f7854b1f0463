"""One step of every way to tune a pretrained network: this package against PyTorch and Flax.

    pip install -e '.[bench]' && python experiments/benchmarks/pretrained.py

ResNet-18 and EfficientNet-Lite0 on small images: everything tuned, and the first layers frozen up
to each stage. The rivals train the same conditions one after the other: timm's networks in PyTorch
(default layout, channels last, and with what leaves the frozen layers computed before), and
`nn.Conv` in Flax with one jitted step a condition. They are timed in turn within one run; the
ratio is the rival's time over ours.
"""

import jax
import pretrained_flax
from grids import GridStep, Step
from pretrained_grid import PretrainedGrid, pretrained_grid
from timing import arguments, beside, in_turn, show, write

from transfer_jax.engine.cpu import keep_freed_memory, spread_over_cores

OURS = "transfer_jax"


def rivals_of(grid: PretrainedGrid, names: set[str]) -> dict[str, Step]:
    """The rivals by name; those asked for."""
    rivals: dict[str, Step] = {OURS: GridStep(grid)}
    if "flax" in names:
        rivals["Flax, one after the other"] = pretrained_flax.alone(grid)
    if "torch" in names:
        import pretrained_torch

        rivals["timm"] = pretrained_torch.alone(grid)
        rivals["timm, channels last"] = pretrained_torch.alone(grid, channels_last=True)
        rivals["timm, channels last, frozen layers cached"] = pretrained_torch.alone(
            grid, channels_last=True, cached=True
        )
    return rivals


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet18", "efficientnet_lite0"])
    parser.add_argument("--rivals", nargs="+", default=["flax", "torch"])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    spread_over_cores()
    keep_freed_memory()
    rows = []
    for name in options.networks:
        grid = pretrained_grid(name, options.size, options.batch)
        times = in_turn(rivals_of(grid, set(options.rivals)), options.rounds)
        here = beside(times, OURS)
        title = f"one step of {grid.conditions} x {name}, {options.size} pixels, batch {grid.batch}"
        rows += [{"grid": title} | row for row in here]
        show(f"{title}, on {jax.devices()[0].device_kind}", here)
    write(rows, options.json)


if __name__ == "__main__":
    main()
