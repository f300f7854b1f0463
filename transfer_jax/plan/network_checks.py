"""Whether a network takes the images and gives the outputs, and an optimizer can train it."""

import math
from collections.abc import Hashable

import jax
import jax.numpy as jnp

from transfer_jax.grid.registry import is_own, named
from transfer_jax.models.layered import Layered, params_of
from transfer_jax.models.trial import try_network
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.optimizer_fields import make_optimizer
from transfer_jax.plan.schema import Config

# Numbers above this are mistakes, and would take all memory.
MOST_PARAMETERS = 2 * 10**9
# The functions that made networks which passed, with their fields: a sweep tries each once.
_TRIED: set[Hashable] = set()


def check_network(network: Layered, shape: tuple[int, int, int], outputs: int) -> None:
    """Check that a network takes the images and has as many logits as it must.

    Args:
      shape: (height, width, channels) of what it sees.
      outputs: number of logits.

    Raises:
      ConfigError: it is too large, or has another number of outputs.
      ValueError: a layer cannot take what enters it.
    """
    x = jnp.zeros((1, *shape))
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), x))
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params_of(variables)))
    if parameters > MOST_PARAMETERS:
        raise ConfigError(
            f"the network has {parameters} parameters; allowed: up to {MOST_PARAMETERS}"
        )
    logits, _ = jax.eval_shape(lambda v: network.apply(v, x), variables)
    if logits.shape != (1, outputs):
        found = "x".join(map(str, logits.shape[1:])) or "no"
        raise ConfigError(f"the network gives {found} outputs for an image; allowed: {outputs}")


def check_own_network(config: Config, network: Layered, shape: tuple[int, int, int]) -> None:
    """Check that a network of one's own can be cut after each of its layers; it is tried once.

    Args:
      network: the network that the config names.
      shape: (height, width, channels) of what it sees.

    Raises:
      ConfigError: it cannot; the layer is named.
    """
    name = config.network.name
    if not is_own(name):
        return
    tried = (named("network.name", name, {}), config.network, shape, len(network.layer_names))
    if tried in _TRIED:
        return
    try:
        try_network(network, shape)
    except ValueError as error:
        raise ConfigError(f"network.name is '{name}': {error}") from error
    _TRIED.add(tried)


def check_optimizer(config: Config, network: Layered, shape: tuple[int, int, int]) -> None:
    """Check that an optimizer of one's own needs nothing but gradients and parameters.

    Args:
      shape: (height, width, channels) of what the network sees.

    Raises:
      ConfigError: it needs more, or raises whatever else.
    """
    name = config.optimizer.name
    if not is_own(name):
        return
    tx = make_optimizer(config.optimizer, config.steps, layers=network.layer_names)

    def update() -> object:
        params = params_of(network.init(jax.random.key(0), jnp.zeros((1, *shape))))
        return tx.update(params, tx.init(params), params)

    try:
        jax.eval_shape(update)
    except Exception as error:  # Whatever a function of one's own raises.
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ConfigError(f"optimizer.name is '{name}', which cannot train: {said}") from error
