"""One step of the paper's whole grid on an accelerator: 56 CaffeNets, batch 256, bfloat16.

    python experiments/benchmarks/gpu.py --peak 989

The packings are timed in turn within one run. `--peak` is the chip's bfloat16 peak in TFLOP/s (989
for an H100): the share of it is that of the multiply-adds which the mathematics needs. `--tiny`
tries the script on any backend, with a narrow network and a small batch.
"""

import statistics
import sys
from dataclasses import replace

import jax
from flops import least
from grids import GridStep, caffenet_grid
from timing import arguments, in_turn, show, write

from transfer_jax.engine.step import PACKINGS
from transfer_jax.models.precision import InPrecision


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--peak", type=float, default=989.0, help="TFLOP/s of the chip")
    parser.add_argument("--tiny", action="store_true", help="a small grid, on any backend")
    options = parser.parse_args()
    device = jax.devices()[0]
    if device.platform == "cpu" and not options.tiny:
        sys.exit("no accelerator here: this grid needs one; --tiny tries the script on a CPU")
    grid = caffenet_grid(0.125, 67, 4) if options.tiny else caffenet_grid(1.0, 227, 256)
    needed = 2 * least(grid) / 1e12
    low = replace(grid, network=InPrecision(grid.network, "bfloat16"))
    rivals = {packing: GridStep(replace(low, packing=packing)) for packing in PACKINGS}
    times = in_turn(rivals, options.rounds)
    rows = []
    for packing, found in times.items():
        median = statistics.median(found)
        share = needed / median / options.peak / len(jax.devices())
        rows.append({"packing": packing, "s a step": median, "share of peak, %": 100 * share})
    title = f"{grid.conditions} x {grid.name}, {needed:.1f} TFLOP"
    show(f"{title}, on {device.device_kind}", rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
