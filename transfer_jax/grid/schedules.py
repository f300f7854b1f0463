"""Ways to set transferred layers free one after the other, as values."""

from collections.abc import Callable

from transfer_jax.grid.registry import kind_of, made
from transfer_jax.grid.variants import Phase, Variant

# From the number of transferred layers, and of all, to what is copied and when it is frozen.
Schedule = Callable[[int, int], Variant]


def lp_ft(n: int, num_layers: int) -> Variant:
    """Linear probing, then fine-tuning: the transferred layers are frozen for half of the steps.

    With n = N - 1 only the last layer is trained at first.

    Args:
      n: number of transferred layers.
      num_layers: number of all layers, N.

    Returns:
      The choice of layers.

    Example:
      >>> lp_ft(2, 6).phases
      (Phase(start=0.0, frozen=(0, 1)), Phase(start=0.5, frozen=()))

    Source: Kumar et al. (2022), arXiv 2202.10054.
    """
    layers = tuple(range(n))
    return Variant("lp-ft", layers, layers, (Phase(0.5, ()),))


def gradual(n: int, num_layers: int) -> Variant:
    """Gradual unfreezing: of the transferred layers the last is set free first, the first last.

    The n + 1 phases are equally long.

    Args:
      n: number of transferred layers.
      num_layers: number of all layers, N.

    Returns:
      The choice of layers.

    Example:
      >>> [phase.frozen for phase in gradual(2, 6).phases]
      [(0, 1), (0,), ()]

    Source: Howard and Ruder (2018), section 3.3, arXiv 1801.06146.
    """
    layers = tuple(range(n))
    later = tuple(Phase((n - left) / (n + 1), layers[:left]) for left in reversed(range(n)))
    return Variant("gradual", layers, layers, later)


SCHEDULES: dict[str, Schedule] = {"lp-ft": lp_ft, "gradual": gradual}


def scheduled(name: str, n: int, num_layers: int) -> Variant:
    """What a schedule makes of a cut.

    Args:
      name: one of `SCHEDULES`, or `package.module:function`.
      n: number of transferred layers.
      num_layers: number of all layers.

    Returns:
      The choice of layers.

    Raises:
      ValueError: there is no such schedule, or a function of one's own does not make one.

    Example:
      >>> scheduled("lp-ft", 1, 3).name
      'lp-ft'
    """
    found = made("schedules", name, SCHEDULES, {"n": n, "num_layers": num_layers})
    if not isinstance(found, Variant):
        raise ValueError(
            f"schedules is '{name}', which made {kind_of(found)}; allowed: a Variant of "
            "transfer_jax.grid.variants"
        )
    layers = {*found.copied, *found.frozen}
    if layers - set(range(num_layers)):
        odd = max(layers - set(range(num_layers)))
        raise ValueError(
            f"schedules is '{name}', which names layer {odd}; allowed: 0 ... {num_layers - 1}"
        )
    return found
