"""What a pilot chose, for who reads the run's folder or looks on."""

from collections.abc import Callable, Iterator, Mapping

from transfer_jax.folder.rates import write_chosen, write_rates
from transfer_jax.plan.optimizer_fields import rates_of
from transfer_jax.running.run import Run


def keep_rates(run: Run, say: Callable[[str], None]) -> None:
    """Write how the networks of a run's pilot did, and which rates were chosen.

    Args:
      run: the run; its pilot is trained.
      say: called with a line about each family.
    """
    rates = rates_of(run.plan.config.optimizer)
    if len(rates) == 1:
        return
    chosen = run.pilot.chosen()
    write_rates(run.folder.rates, run.pilot.rows())
    write_chosen(run.folder.chosen_rates, chosen)
    for line in rate_lines(chosen, run.pilot.best(), rates):
        say(line)


def rate_lines(
    chosen: Mapping[str, float], best: Mapping[str, float], rates: tuple[float, ...]
) -> Iterator[str]:
    """What was chosen, in words; where it is the best and ends the range, a better may lie outside.

    Args:
      chosen: family to rate.
      best: family to the rate at which it did best, noise or not.
      rates: those that were tried, ascending.

    Yields:
      A line a family.

    Returns:
      An iterator over lines.

    Example:
      >>> print(*rate_lines({"frozen": 3.0}, {"frozen": 3.0}, (1.0, 3.0)))
      learning rate of frozen networks: 3 x learning_rate; the best rate is the largest tried: \
widen optimizer.rates
    """
    ends = {rates[0]: "smallest", rates[-1]: "largest"}
    for family, rate in chosen.items():
        line = f"learning rate of {family} networks: {rate:g} x learning_rate"
        hint = f"; the best rate is the {ends.get(rate)} tried: widen optimizer.rates"
        yield line + (hint if rate in ends and rate == best[family] else "")
