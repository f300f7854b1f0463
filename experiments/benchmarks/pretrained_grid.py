"""The ways to use a pretrained network that `pretrained.py` times, family by family."""

from dataclasses import dataclass

from grids import SPLIT, Grid

from transfer_jax.grid.conditions import Column
from transfer_jax.grid.cuts import QUARTERS, cut_values
from transfer_jax.grid.grid import columns
from transfer_jax.grid.pretrained import FREEZE, FULL, SCRATCH, pretrained_grid
from transfer_jax.models.linen_layers import LayerStack
from transfer_jax.models.zoo import ZOO

CLASSES = 5
# What a step is timed of; probes are solved, and lp-ft is a probe and then full fine-tuning.
STEPPED = (FREEZE, FULL, SCRATCH)


@dataclass(frozen=True)
class PretrainedGrid(Grid):
    """One family at the cuts of `configs/pretrained.py`."""

    family: str = FULL

    @property
    def lean(self) -> bool:
        return True

    @property
    def stack(self) -> LayerStack:
        """The network, as one of the zoo."""
        assert isinstance(self.network, LayerStack)
        return self.network

    @property
    def cuts(self) -> tuple[int, ...]:
        """After how many layers the network is cut."""
        return cut_values((QUARTERS,), self.stack.layer_names, self.stack.stages)

    @property
    def columns(self) -> list[Column]:
        layers = len(self.stack.layer_names)
        found = pretrained_grid(
            layers, self.cuts, (self.family,), tasks=("B",), splits=(SPLIT.name,)
        )
        return columns(found, scratch_trainings=1)

    @property
    def depths(self) -> list[int]:
        """How many first layers each condition freezes."""
        return [len(cut.frozen) for column in self.columns for cut in column.cuts]

    @property
    def learns_statistics(self) -> bool:
        """Whether batch normalisation is that of a fresh network; else it is held."""
        return self.family == SCRATCH


def grid_of(name: str, family: str, size: int, batch: int) -> PretrainedGrid:
    """A family of conditions of a network of the zoo, on small images."""
    return PretrainedGrid(name, ZOO[name](CLASSES), size, batch, family=family)
