"""What a base network is to those who copy its layers, wherever it comes from."""

from typing import Protocol

from transfer_jax.engine.columns import Normalisation, Recipe
from transfer_jax.models.layered import Variables


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
