"""The grids that the benchmarks time: random images, networks of two sizes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from transfer_jax.data.image_set import TEST, TRAIN, ImageSet
from transfer_jax.data.order import DeviceImages
from transfer_jax.engine.columns import ColumnStart, column_inputs, initial_networks
from transfer_jax.engine.inputs import place_inputs
from transfer_jax.engine.loop import CompiledProgram
from transfer_jax.engine.mesh import column_mesh, place, replicate, slots
from transfer_jax.engine.recipe import Recipe
from transfer_jax.engine.step import ColumnProgram
from transfer_jax.engine.trunk import NOTHING
from transfer_jax.grid.conditions import Column, Split, Task
from transfer_jax.grid.grid import columns, condition_grid
from transfer_jax.models.caffenet import CaffeNet
from transfer_jax.models.convnet import ConvNet
from transfer_jax.models.layered import Layered

CLASSES = 10
SPLIT = Split("halves", (Task("A", tuple(range(5))), Task("B", tuple(range(5, 10)))))


@dataclass(frozen=True)
class Grid:
    """Every condition of one split and seed: four columns of a network."""

    name: str
    network: Layered
    size: int
    batch: int
    packing: str = "unroll"
    width: float = 1.0

    @property
    def columns(self) -> list[Column]:
        return columns(condition_grid(len(self.network.layer_names), splits=(SPLIT.name,)))

    @property
    def lean(self) -> bool:
        """Whether it is computed in the order of least memory, as a run does for large ones."""
        return False

    @property
    def keeps(self) -> str:
        """How activations of the trunk may be kept."""
        return NOTHING

    @property
    def conditions(self) -> int:
        return sum(len(column.cuts) for column in self.columns)


def convnet_grid(batch: int = 64, width: float = 1.0) -> Grid:
    """40 conditions of a 6-layer ConvNet on 32x32 colour images."""
    widths = tuple(int(width * w) for w in (32, 64, 64, 128))
    network = ConvNet(5, widths, (3,) * 4, (1,) * 4, (2, 2, 1, 2), (int(width * 256),))
    return Grid("ConvNet", network, 32, batch, width=width)


def caffenet_grid(width: float = 0.25, size: int = 115, batch: int = 16) -> Grid:
    """56 conditions of CaffeNet; by default a narrow one on small images."""
    name = "CaffeNet" if width == 1 else f"CaffeNet, width {width:g}, {size}x{size}"
    return Grid(name, CaffeNet(5, width, dropout=0.0), size, batch, width=width)


def optimizer() -> optax.GradientTransformation:
    """SGD with momentum and decay, the same for all rivals."""
    return optax.chain(optax.add_decayed_weights(5e-4), optax.sgd(0.01, momentum=0.9))


def random_images(size: int, count: int = 512) -> ImageSet:
    """Noise of ten classes."""
    labels = np.arange(count, dtype=np.int32) % CLASSES
    images = np.random.default_rng(0).integers(0, 255, (count, size, size, 3), np.uint8)
    return ImageSet(
        images,
        labels,
        np.where(np.arange(count) >= count // 2, TEST, TRAIN).astype(np.int8),
        tuple("abcdefghij"),
    )


class GridStep:
    """One training step of every condition of a grid, by this package's engine."""

    def __init__(
        self,
        grid: Grid,
        mesh: Mesh | None = None,
        repeats: int = 1,
        columns: int | None = None,
        options: dict[str, str | bool] | None = None,
    ) -> None:
        self.mesh = mesh or column_mesh()
        images = random_images(grid.size)
        recipe = Recipe(images, None, None, 256, grid.batch, 128, steps=2000)
        shape = (1, grid.size, grid.size, 3)
        init = jax.jit(lambda key: grid.network.init(key, jnp.zeros(shape)))
        self.base = base = init(jax.random.key(0))
        found = [replace(c, seed=seed) for seed in range(repeats) for c in grid.columns][:columns]
        program = ColumnProgram(
            grid.network, found[0].cuts, optimizer(), packing=grid.packing, keeps=grid.keeps
        )
        self.compiled = CompiledProgram(program, self.mesh, lean=grid.lean)
        names = grid.network.layer_names
        self.images: DeviceImages = replicate(
            DeviceImages(jnp.asarray(images.images), jnp.asarray(images.labels)), self.mesh
        )
        self.held: list[list[Any]] = []
        for slot in slots(found, self.mesh):
            starts = [
                ColumnStart(
                    initial_networks(column, names, init, base),
                    base,
                    column_inputs(column, SPLIT, recipe),
                )
                for column in slot
            ]
            state = place([program.init(start.networks) for start in starts], self.mesh)
            self.inputs = starts[0].inputs
            inputs = place_inputs([start.inputs for start in starts], self.compiled.mesh)
            self.held.append([state, self.compiled.place_base(starts), inputs])
        self.train = self.lowered(options) if options else self.compiled.train

    def __call__(self) -> None:
        for slot in self.held:
            slot[0], _ = self.train(slot[0], slot[1], self.images, slot[2])
        jax.block_until_ready([slot[0] for slot in self.held])

    def lowered(self, options: dict[str, str | bool] | None = None) -> Any:
        """The compiled program of one column's step."""
        state, base, inputs = self.held[0]
        lowered = self.compiled.train.lower(state, base, self.images, inputs)  # pyright: ignore
        return lowered.compile(compiler_options=options)


Step = Callable[[], None]
