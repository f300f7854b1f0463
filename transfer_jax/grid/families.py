"""Families of networks: ways to train that may ask for a learning rate each."""

from enum import StrEnum

from transfer_jax.grid.conditions import Cut


class Family(StrEnum):
    """Trained from scratch; all that is copied frozen; something that is copied trained."""

    SCRATCH = "scratch"
    FROZEN = "frozen"
    TUNED = "fine-tuned"


def family_of(cut: Cut) -> Family:
    """The family of a network: whether a layer that is copied is trained, in whatever phase.

    Returns:
      The family.

    Example:
      >>> [str(family_of(cut)) for cut in (Cut(2, False), Cut(2, True), Cut(0, True))]
      ['frozen', 'fine-tuned', 'scratch']
    """
    if not cut.copied:
        return Family.SCRATCH
    last = cut.variant.phases[-1].frozen if cut.variant else cut.frozen
    return Family.TUNED if set(cut.copied) - set(last) else Family.FROZEN
