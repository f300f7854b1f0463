"""The ways to tune a pretrained network that `pretrained.py` times, as one column."""

from dataclasses import dataclass

from grids import SPLIT, Grid

from transfer_jax.grid.conditions import Column, Cut, Variant
from transfer_jax.models.linen_layers import LayerStack
from transfer_jax.models.zoo import ZOO


@dataclass(frozen=True)
class PretrainedGrid(Grid):
    """Everything copied but the head: the first layers frozen up to each stage, and none."""

    @property
    def depths(self) -> list[int]:
        """How many first layers each condition freezes."""
        network = self.network
        assert isinstance(network, LayerStack)
        return [0, *(network.layer_names.index(stage) + 1 for stage in network.stages)]

    @property
    def columns(self) -> list[Column]:
        copied = tuple(range(len(self.network.layer_names) - 1))
        cuts = [
            Cut(depth, True, Variant("freeze" if depth else "full", copied, tuple(range(depth))))
            for depth in self.depths
        ]
        return [Column(SPLIT.name, 0, "B", "A", tuple(cuts))]


def pretrained_grid(name: str, size: int, batch: int) -> PretrainedGrid:
    """All conditions of a network of the zoo, on small images."""
    return PretrainedGrid(name, ZOO[name](5), size, batch)
