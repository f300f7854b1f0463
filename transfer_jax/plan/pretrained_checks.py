"""Whether what a config asks for goes with a pretrained network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transfer_jax.grid.pretrained import FAMILIES, NOT_WITH_WEIGHTS, RANDOM
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.optimizer_fields import rates_of

# Looks are after a quarter and a half of them, and at the end.
LEAST_STEPS = 4

if TYPE_CHECKING:
    from transfer_jax.plan.schema import Config


def check_pretrained(config: Config) -> None:
    """Check that what is asked for fits networks that begin as pretrained ones, or that do not.

    Args:
      config: a config each of whose fields is right by itself.

    Raises:
      ConfigError: a field is of the other kind of experiment.

    Example:
      >>> from transfer_jax.plan.schema import Config
      >>> check_pretrained(Config(families=("full",)))
      Traceback (most recent call last):
      ...
      transfer_jax.plan.fields.ConfigError: families is ('full',), but network.weights is empty; \
families are of a pretrained network: name its file, or use treatments
    """
    default = type(config)()
    if not config.network.weights:
        if config.families != default.families:
            raise ConfigError(
                f"families is {config.families}, but network.weights is empty; families are of a "
                "pretrained network: name its file, or use treatments"
            )
        if config.budget:
            raise ConfigError(
                f"budget is {config.budget:g}, but network.weights is empty; a race is between "
                "families of a pretrained network: name its file, or leave budget out"
            )
        return
    for name in NOT_WITH_WEIGHTS:
        if (value := getattr(config, name)) != getattr(default, name):
            raise ConfigError(
                f"{name} is {value!r}, but network.weights names a pretrained network: no base "
                f"network is trained; what is trained are families; leave {name} out"
            )
    if config.budget and len(rates := rates_of(config.optimizer)) > 1:
        raise ConfigError(
            f"budget is {config.budget:g}, but optimizer.rates holds {len(rates)} rates, which are "
            "tried outside of any budget; name one rate, or leave budget out"
        )
    if config.budget and config.steps < LEAST_STEPS:
        raise ConfigError(
            f"budget is {config.budget:g}, but steps is {config.steps}; allowed: {LEAST_STEPS} or "
            "more, so that a race can look at networks on their way"
        )
    if config.budget and RANDOM in config.families:
        raise ConfigError(
            f"budget is {config.budget:g}, but families holds '{RANDOM}', a control that no "
            "race can be won by; leave one of them out"
        )
    if not config.families and not config.variants:
        raise ConfigError(f"families is empty; allowed: any of {', '.join(FAMILIES)}")
