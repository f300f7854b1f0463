"""Time and memory of a step as the grid grows: columns, conditions, width, batch, devices.

    python experiments/benchmarks/scaling.py

One thing grows at a time, from a small ConvNet grid; "grew" is the factor of what grows, time and
memory are those of the first line of its kind. Memory is what XLA plans for one device: arguments
and temporaries. Conditions are frozen at n = 5, so their trainable part is smallest.
"""

import dataclasses
import statistics
from typing import Any

import jax
from grids import Grid, GridStep, convnet_grid
from timing import arguments, in_turn, show, write

from transfer_jax.engine.cpu import spread_over_cores
from transfer_jax.engine.mesh import column_mesh
from transfer_jax.grid.conditions import Column, Cut, Variant


@dataclasses.dataclass(frozen=True)
class Conditions(Grid):
    """One column of so many conditions that train the layers above n = 5 only."""

    count: int = 1

    @property
    def columns(self) -> list[Column]:
        names = [f"v{i}" for i in range(self.count)]
        first = tuple(range(5))
        cuts = tuple(Cut(5, False, Variant(name, first, first)) for name in names)
        return [Column("halves", 0, "A", "B", cuts)]


def cases() -> dict[str, list[tuple[float, GridStep]]]:
    """Kind to (factor, step)."""
    small, one = convnet_grid(16, 0.25), column_mesh(1)
    fields = {f.name: getattr(small, f.name) for f in dataclasses.fields(small)}
    found: dict[str, list[tuple[float, GridStep]]] = {
        "columns": [(n, GridStep(small, one, repeats=n)) for n in (1, 2, 4)],
        "conditions of a column": [
            (n, GridStep(Conditions(**fields, count=n), one)) for n in (4, 8, 16, 32)
        ],
        "width": [(w, GridStep(convnet_grid(16, 0.25 * w), one)) for w in (1, 2, 4)],
        "batch": [(b, GridStep(convnet_grid(16 * b, 0.25), one)) for b in (1, 2, 4)],
    }
    devices = [n for n in (1, 2, 4, 8) if n <= len(jax.devices())]
    found["devices"] = [(n, GridStep(small, column_mesh(n), repeats=2)) for n in devices]
    return found


def memory(step: GridStep) -> int:
    """Bytes of arguments and temporaries on a device."""
    plan: Any = step.lowered().memory_analysis()
    return plan.argument_size_in_bytes + plan.temp_size_in_bytes


def main() -> None:
    options = arguments(__doc__).parse_args()
    spread_over_cores()
    rows = []
    for kind, steps in cases().items():
        times = in_turn({str(factor): step for factor, step in steps}, options.rounds)
        medians = [statistics.median(found) for found in times.values()]
        sizes = [memory(step) for _, step in steps]
        for (factor, _), median, size in zip(steps, medians, sizes, strict=True):
            rows.append(
                {
                    "what grows": kind,
                    "grew": f"{factor / steps[0][0]:g}",
                    "ms": 1e3 * median,
                    "time": median / medians[0],
                    "MiB": size / 2**20,
                    "memory": size / sizes[0],
                }
            )
    show(f"growth on {jax.devices()[0].device_kind}", rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
