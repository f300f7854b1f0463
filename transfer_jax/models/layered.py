"""The layered-network protocol: a network that runs from any layer to any layer."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import flax.linen as nn
from jaxtyping import Array, Float, Key

from transfer_jax.grid.keys import fold_in_name

Params = dict[str, Any]
Rngs = Mapping[str, Key[Array, ""]]


class Layered(Protocol):
    """What the engine asks of a network.

    `apply` runs layers `start` to `stop` (exclusive; None: to the end) on the activation that
    enters layer `start`, and needs the parameters of those layers only.
    """

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, in depth order."""
        ...

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Params:
        """Fresh parameters: layer name to that layer's parameters."""
        ...

    def apply(
        self,
        params: Params,
        x: Float[Array, "batch ..."],
        start: int = 0,
        stop: int | None = None,
        *,
        train: bool = False,
        rngs: Rngs | None = None,
    ) -> Float[Array, "batch ..."]:
        """The activation that leaves layer `stop - 1`."""
        ...


class LayerStack:
    """A Layered network made of Flax modules, each called as `module(x, train=...)`.

    Args:
      layers: layer name to module, in depth order.
    """

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        self.layers = dict(layers)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, in depth order."""
        return tuple(self.layers)

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Params:
        """Fresh parameters, each layer's from a key of its own.

        Args:
          key: the key of the whole network.
          x: a batch of the shape that the network takes; only its shape matters.

        Returns:
          Layer name to that layer's parameters, in depth order.

        Raises:
          ValueError: the images are too small for a layer.
        """
        params: Params = {}
        for name, module in self.layers.items():
            variables = module.init(fold_in_name(key, name), x, train=False)
            params[name] = variables["params"]
            x = cast(Array, module.apply(variables, x, train=False))
            if x.size == 0:
                raise ValueError(f"layer {name} leaves no pixel: the images are too small for it")
        return params

    def apply(
        self,
        params: Params,
        x: Float[Array, "batch ..."],
        start: int = 0,
        stop: int | None = None,
        *,
        train: bool = False,
        rngs: Rngs | None = None,
    ) -> Float[Array, "batch ..."]:
        """The activation that leaves layer `stop - 1`.

        Args:
          params: parameters of the layers `start` to `stop` at least.
          x: the activation that enters layer `start`.
          start: index of the first layer to run.
          stop: index after the last layer to run; None runs to the end.
          train: whether dropout is on.
          rngs: keys by name; each layer folds its own name in, so that a layer draws the same
            numbers whichever part of the network is run.

        Returns:
          The activation, or the logits where the last layer is run.
        """
        for name in self.layer_names[start:stop]:
            keys = {kind: fold_in_name(key, name) for kind, key in (rngs or {}).items()}
            variables = {"params": params[name]}
            x = cast(Array, self.layers[name].apply(variables, x, train=train, rngs=keys))
        return x


def suffix(params: Params, layer_names: Sequence[str], start: int) -> Params:
    """The parameters from layer `start` on.

    Args:
      params: layer name to that layer's parameters.
      layer_names: the layers in depth order.
      start: index of the first layer kept.

    Returns:
      A new mapping that holds the same arrays.

    Example:
      >>> suffix({"conv1": {}, "fc2": {}}, ("conv1", "fc2"), 1)
      {'fc2': {}}
    """
    return {name: params[name] for name in layer_names[start:]}
