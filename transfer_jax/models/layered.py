"""The layered-network protocol: a network that runs from any layer to any layer."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from jaxtyping import Array, Float, Key

PARAMS = "params"
# Layer name to its collections: `params`, and whatever else its calls change (`batch_stats`).
Variables = dict[str, dict[str, Any]]
# Layer name to one of these, or to the rest of them.
Params = dict[str, Any]
Statistics = dict[str, dict[str, Any]]
Rngs = Mapping[str, Key[Array, ""]]


class Mode(NamedTuple):
    """What a layer does beside its sums.

    Attributes:
      dropout: whether it drops activations at random.
      statistics: whether it normalises by the batch and learns its statistics from it; else it
        normalises by those that it has, and they stay as they are to the bit.
    """

    dropout: bool = False
    statistics: bool = False


INFERENCE, TRAINING = Mode(), Mode(dropout=True, statistics=True)
# One for all layers, or each layer's own; layers that are not named are in inference.
Modes = Mode | Mapping[str, Mode]


class Layered(Protocol):
    """What the engine asks of a network.

    `apply` runs layers `start` to `stop` (exclusive; None: to the end) on the activation that
    enters layer `start`, and needs the variables of those layers only.
    """

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, in depth order."""
        ...

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Variables:
        """Fresh variables: layer name to that layer's parameters and statistics."""
        ...

    def apply(
        self,
        variables: Variables,
        x: Float[Array, "batch ..."],
        start: int = 0,
        stop: int | None = None,
        *,
        mode: Modes = INFERENCE,
        rngs: Rngs | None = None,
    ) -> tuple[Float[Array, "batch ..."], Statistics]:
        """The activation that leaves layer `stop - 1`; the statistics of layers that learn them."""
        ...


def mode_of(mode: Modes, layer: str) -> Mode:
    """What one layer does.

    Args:
      mode: one mode for all layers, or each layer's own.
      layer: the layer's name.

    Returns:
      Its mode; inference where it is not named.

    Example:
      >>> mode_of({"fc2": TRAINING}, "conv1")
      Mode(dropout=False, statistics=False)
    """
    return mode if isinstance(mode, Mode) else mode.get(layer, INFERENCE)


def params_of(variables: Variables) -> Params:
    """What is differentiated, of every layer.

    Args:
      variables: those of some layers.

    Returns:
      Layer name to parameters.

    Example:
      >>> params_of({"conv1": {"params": 1, "batch_stats": 2}, "fc2": {"params": 3}})
      {'conv1': 1, 'fc2': 3}
    """
    return {name: own[PARAMS] for name, own in variables.items()}


def statistics_of(variables: Variables) -> Statistics:
    """What is not differentiated, of the layers that have such.

    Args:
      variables: those of some layers.

    Returns:
      Layer name to its collections but `params`.

    Example:
      >>> statistics_of({"conv1": {"params": 1, "batch_stats": 2}, "fc2": {"params": 3}})
      {'conv1': {'batch_stats': 2}}
    """
    rest = {n: {k: v for k, v in own.items() if k != PARAMS} for n, own in variables.items()}
    return {name: own for name, own in rest.items() if own}


def join(params: Params, statistics: Statistics) -> Variables:
    """Parameters and statistics as variables again.

    Args:
      params: parameters of some layers.
      statistics: other collections, of these layers or more.

    Returns:
      The variables of the layers that have parameters.

    Example:
      >>> join({"conv1": 1}, {"conv1": {"batch_stats": 2}, "conv2": {"batch_stats": 3}})
      {'conv1': {'params': 1, 'batch_stats': 2}}
    """
    return {name: {PARAMS: own, **statistics.get(name, {})} for name, own in params.items()}


def as_stored(variables: Variables) -> dict[str, Any]:
    """Variables as they lie on disk: a layer of parameters alone as these, another as it is.

    Args:
      variables: a network's, or some of its layers'.

    Returns:
      A new mapping that holds the same arrays.

    Example:
      >>> as_stored({"conv1": {"params": {"kernel": 1}, "batch_stats": {}}, "fc2": {"params": {}}})
      {'conv1': {'params': {'kernel': 1}, 'batch_stats': {}}, 'fc2': {}}
    """
    return {name: own[PARAMS] if set(own) == {PARAMS} else own for name, own in variables.items()}


def from_stored(stored: Mapping[str, Any], like: Variables) -> Variables:
    """The variables that `as_stored` wrote.

    Args:
      stored: what lies on disk.
      like: variables of the same network, whose leaves are not looked at.

    Returns:
      A new mapping that holds the same arrays.

    Example:
      >>> from_stored({"fc2": {"kernel": 1}}, {"fc2": {"params": {"kernel": 0}}})
      {'fc2': {'params': {'kernel': 1}}}
    """
    return {
        name: {PARAMS: own} if set(like[name]) == {PARAMS} else own for name, own in stored.items()
    }
