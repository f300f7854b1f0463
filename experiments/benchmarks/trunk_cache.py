"""Frozen first layers, computed at every step and once.

    pip install -e '.[bench]' && python experiments/benchmarks/trunk_cache.py

One network a program, frozen after some number of its layers; the rest of it is trained. The two
ways are timed in turn within one run. What they train is the same to the bit, which is checked.
Beside them: the pass that computes what is kept, of all images, with its compilation; and what is
kept of an image.
"""

from dataclasses import dataclass
from itertools import repeat
from typing import Any

import jax
import numpy as np
from grids import GridStep, random_images
from pretrained_grid import CLASSES, PretrainedGrid
from timing import arguments, beside, in_turn, seconds, show, write

from transfer_jax.data.order import KeptTrunk
from transfer_jax.engine.cost import tree_bytes
from transfer_jax.engine.kept_trunk import TrunkPass
from transfer_jax.engine.mesh import column_mesh, replicate
from transfer_jax.engine.trunk import COMPUTED
from transfer_jax.grid.pretrained import FREEZE
from transfer_jax.models.zoo import ZOO

EVERY_STEP, ONCE = "at every step", "once"


@dataclass(frozen=True)
class Frozen(PretrainedGrid):
    """One network that is frozen after some layers."""

    depth: int = 1

    @property
    def cuts(self) -> tuple[int, ...]:
        return (self.depth,)

    @property
    def keeps(self) -> str:
        return COMPUTED


def kept(grid: Frozen, step: GridStep) -> KeptTrunk:
    """What leaves the frozen layers, of all images to train on."""
    trunk = step.compiled.program.trunk((grid.depth,))
    over = TrunkPass(trunk, step.mesh, grid.batch)
    examples = np.flatnonzero(random_images(grid.size).is_train)
    return over.over(
        step.base, lambda batches: repeat(step.images, batches.shape[1]), step.inputs, examples
    )


def measured(grid: Frozen, rounds: int) -> list[dict[str, Any]]:
    """A row a way."""
    ways = {EVERY_STEP: GridStep(grid, column_mesh(1)), ONCE: GridStep(grid, column_mesh(1))}
    found: list[KeptTrunk] = []
    fill = seconds(lambda: found.append(kept(grid, ways[ONCE])))
    (trunk,) = found
    ways[ONCE].images = ways[ONCE].images._replace(trunk=replicate(trunk, ways[ONCE].mesh))
    rows = beside(in_turn(ways, rounds), EVERY_STEP)
    first, second = (jax.device_get(way.held[0][0].conditions) for way in ways.values())
    jax.tree.map(np.testing.assert_array_equal, first, second)
    count = trunk.activations[grid.depth].shape[1]
    more = {"of all s": fill, "KiB an image": tree_bytes(trunk.activations) / count / 1024}
    layers = len(grid.stack.layer_names) - 1
    return [{"frozen": f"{grid.depth} of {layers}"} | row | more for row in rows]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--network", default="efficientnet_lite0")
    parser.add_argument("--depths", type=int, nargs="+", default=[18, 17, 16, 9])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    rows = []
    for depth in options.depths:
        network = ZOO[options.network](CLASSES)
        grid = Frozen(
            options.network, network, options.size, options.batch, family=FREEZE, depth=depth
        )
        rows += measured(grid, options.rounds)
    title = f"a step of {options.network}, {options.size} pixels, batch {options.batch}"
    show(f"{title}, on {jax.devices()[0].device_kind}", rows)
    write(rows, options.json)


if __name__ == "__main__":
    main()
