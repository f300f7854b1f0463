"""What a base network is to those who copy its layers, wherever it comes from."""

from typing import Protocol

from transfer_jax.engine.normalisation import Normalisation
from transfer_jax.engine.recipe import Recipe
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Column
from transfer_jax.models.layered import Layered, Variables


class Base(Protocol):
    """A base network of one split: trained here, drawn at random, or given."""

    @property
    def classes(self) -> tuple[int, ...] | None:
        """The classes of the dataset that it was trained on; None where it was on none of them."""
        ...

    def variables(self, seed: int) -> Variables:
        """The whole network.

        Args:
          seed: the run's seed.

        Returns:
          Layer name to parameters.
        """
        ...

    def mean(self, recipe: Recipe) -> Normalisation | None:
        """How pixels became what it saw, which all who copy from it see too.

        Args:
          recipe: how examples become batches.

        Returns:
          Mean and scale; None where it does not say, and the target's are taken.
        """
        ...

    def begun(
        self, network: Layered, column: Column, networks: dict[str, Variables], heads: Workdir
    ) -> dict[str, Variables]:
        """What the networks of a column begin as, beside the layers that they copy.

        Args:
          network: the layered network.
          column: one that copies from this base.
          networks: cut label to a fresh network, its copied layers grafted.
          heads: the folder that solved heads lie in.

        Returns:
          Cut label to network.
        """
        ...
