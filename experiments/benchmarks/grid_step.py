"""One training step of a whole grid: this package against Flax and PyTorch.

    pip install -e '.[bench]' && python experiments/benchmarks/grid_step.py

All 40 conditions of a 6-layer ConvNet (32x32x3, batch 64), then all 56 of a narrow CaffeNet. The
rivals train the same conditions: one after the other in idiomatic Flax (`nn.max_pool`,
`optax.multi_transform`, one jitted step for each n), one after the other in PyTorch (frozen layers
without gradients; default layout, channels last, compiled), and all in one `vmap` with a mask.
They are timed in turn within one run; the ratio is the rival's time over ours.
"""

import jax
from grids import Grid, GridStep, Step, caffenet_grid, convnet_grid
from rivals_flax import alone, one_vmap
from timing import arguments, beside, in_turn, show, write

from transfer_jax.engine.cpu import spread_over_cores

OURS = "transfer_jax"


def rivals_of(grid: Grid, names: set[str]) -> dict[str, Step]:
    """The rivals by name; PyTorch's where it is installed and asked for."""
    rivals: dict[str, Step] = {OURS: GridStep(grid)}
    if "flax" in names:
        rivals["Flax, one after the other"] = alone(grid)
    if "vmap" in names:
        rivals["Flax, one vmap with a mask"] = one_vmap(grid)
    if "torch" in names:
        import rivals_torch

        rivals["PyTorch"] = rivals_torch.alone(grid)
        rivals["PyTorch, channels last"] = rivals_torch.alone(grid, channels_last=True)
    if "compile" in names:
        import rivals_torch

        rivals["PyTorch, channels last, compiled"] = rivals_torch.alone(
            grid, channels_last=True, compiled=True
        )
    return rivals


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--grids", nargs="+", default=["convnet", "caffenet"])
    parser.add_argument("--rivals", nargs="+", default=["flax", "vmap", "torch", "compile"])
    options = parser.parse_args()
    spread_over_cores()
    rows = []
    for name in options.grids:
        grid = convnet_grid() if name == "convnet" else caffenet_grid()
        times = in_turn(rivals_of(grid, set(options.rivals)), options.rounds)
        here = beside(times, OURS)
        title = f"one step of {grid.conditions} x {grid.name}, batch {grid.batch}"
        rows += [{"grid": title} | row for row in here]
        show(f"{title}, on {jax.devices()[0].device_kind}", here)
    write(rows, options.json)


if __name__ == "__main__":
    main()
