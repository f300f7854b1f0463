"""One step of 14 and of 56 CaffeNets, batch 256, on a GPU: the engine's ways, and PyTorch.

    pip install -e '.[cuda,bench]' && python experiments/benchmarks/gpu.py --json gpu.json

One way differs from the first in one thing: precision, packing, command buffers (CUDA graphs), or
that a second run need not give the same bits. They are timed one after the other in one process,
since a device has no room for all. The share of the chip's peak is that of what the mathematics
needs, at the precision's published peak. `--tiny` tries the script on any backend, with a narrow
network.
"""

import gc
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

# PyTorch needs room on the same device.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
from flops import least
from grids import Grid, GridStep, Step, caffenet_grid
from timing import arguments, seconds, show, write

from transfer_jax.engine.gpu import SAME_BITS
from transfer_jax.models.precision import InPrecision
from transfer_jax.plan.accelerators import ACCELERATORS, Accelerator

TORCH = ("compiled", "eager", "none")
COLUMNS = 4


@dataclass(frozen=True)
class Way:
    """How the engine's step is compiled.

    Attributes:
      precision: of activations and products.
      packing: of conditions.
      command_buffers: whether kernels are started together.
      repeatable: whether a second run gives the same bits, as `transfer-jax run` asks. Where it
        need not, XLA tries kernels and takes the fastest.
    """

    precision: str = "bfloat16"
    packing: str = "unroll"
    command_buffers: bool = True
    repeatable: bool = True

    @property
    def options(self) -> dict[str, str | bool]:
        """What XLA is asked beside its defaults."""
        off: dict[str, str | bool] = {"xla_gpu_enable_command_buffer": ""}
        return {SAME_BITS: self.repeatable, **({} if self.command_buffers else off)}

    @property
    def cells(self) -> dict[str, Any]:
        """Its columns of the table."""
        buffers = "on" if self.command_buffers else "off"
        return {
            "way": "engine", "precision": self.precision, "packing": self.packing,
            "command buffers": buffers, "same bits twice": "yes" if self.repeatable else "no",
        }  # fmt: skip


WAYS = {
    "first": Way(),
    "float32": Way(precision="float32"),
    "vmap": Way(packing="vmap"),
    "no-command-buffers": Way(command_buffers=False),
    "other-bits": Way(repeatable=False),
}


def engine_step(grid: Grid, way: Way, columns: int) -> Step:
    """A step of some columns of a grid."""
    network = grid.network if way.precision == "float32" else InPrecision(grid.network, "bfloat16")
    own = replace(grid, network=network, packing=way.packing)
    return GridStep(own, columns=columns, options=way.options)


def torch_step(grid: Grid, columns: int, compiled: bool, device: str) -> Step:
    """The same networks in PyTorch, channels last, in bfloat16, one after the other."""
    import rivals_torch

    return rivals_torch.alone(
        grid, channels_last=True, compiled=compiled, device=device, low=True, columns=columns
    )


def median_seconds(make: Callable[[], Step], rounds: int) -> float:
    """The median time of a step that is made, warmed up, timed and forgotten."""
    step = make()
    step()
    step()
    found = statistics.median(seconds(step) for _ in range(rounds))
    del step
    gc.collect()
    return found


def rows_of(
    grid: Grid, columns: int, chip: Accelerator | None, ways: list[str], torch: str, rounds: int
) -> Iterator[dict[str, Any]]:
    """A row a way; times of all are beside that of the first."""
    needed = 2 * least(grid) * columns / COLUMNS
    device = "cuda" if jax.default_backend() == "gpu" else "cpu"
    makes: list[tuple[dict[str, Any], str, Callable[[], Step]]] = [
        (way.cells, way.precision, lambda way=way: engine_step(grid, way, columns))
        for way in (WAYS[name] for name in ways)
    ]
    if torch != "none":
        cells = {"way": f"PyTorch, {torch}", "precision": "bfloat16", "packing": "channels last",
                 "command buffers": "", "same bits twice": "no"}  # fmt: skip
        compiled = torch == "compiled"
        makes.append((cells, "bfloat16", lambda: torch_step(grid, columns, compiled, device)))
    first = None
    for cells, precision, make in makes:
        median = median_seconds(make, rounds)
        first = first or median
        share = needed / median / chip.peak(precision) if chip else None
        yield {
            "networks": grid.conditions * columns // COLUMNS,
            **cells,
            "s a step": median,
            "over the first": median / first,
            "share of peak, %": "" if share is None else 100 * share,
        }


def chip_at_hand(device: Any) -> Accelerator | None:
    """The accelerator whose name a device's kind holds; None where it is none that is known."""
    kind = device.device_kind.lower()
    return next((chip for name, chip in ACCELERATORS.items() if name in kind), None)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--tiny", action="store_true", help="a narrow network, on any backend")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--torch", choices=TORCH, help="default: compiled, with --tiny eager")
    parser.add_argument("--columns", type=int, nargs="+", default=[1, COLUMNS], help="each of 14")
    options = parser.parse_args()
    device = jax.devices()[0]
    if device.platform == "cpu" and not options.tiny:
        sys.exit("no accelerator here: this grid needs one; --tiny tries the script on a CPU")
    if not all(1 <= columns <= COLUMNS for columns in options.columns):
        parser.error(f"--columns are {options.columns}; allowed: 1 to {COLUMNS}")
    grid = caffenet_grid(0.125, 67, 4) if options.tiny else caffenet_grid(1.0, 227, 256)
    torch = options.torch or ("eager" if options.tiny else "compiled")
    chip, rows = chip_at_hand(device), []
    for columns in options.columns:
        own = []
        for row in rows_of(grid, columns, chip, options.ways, torch, options.rounds):
            own.append(row)
            # What is measured is not lost where the next way fails or takes too long.
            write(rows + own, options.json)
        needed = 2 * least(grid) * columns / COLUMNS / 1e12
        title = f"{own[0]['networks']} x {grid.name}, batch {grid.batch}, {needed:.3g} TFLOP"
        show(f"{title}, on {device.device_kind}", own)
        rows += own


if __name__ == "__main__":
    main()
