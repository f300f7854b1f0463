"""A network of one's own: layers in order, of Linen, of NNX or functions, mixed or not."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
from flax import nnx
from jaxtyping import Array, Float, Key

from transfer_jax.grid.keys import fold_in_name
from transfer_jax.grid.registry import kind_of
from transfer_jax.models.layered import Mode, Rngs, Variables
from transfer_jax.models.linen_layers import from_linen
from transfer_jax.models.nnx_layers import (
    NnxStack,
    from_nnx,
    layer_of,
    makes_a_module,
    module_variables,
)
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.models.stack import DenseCall, Stack, check_name

ALLOWED = "a list of (name, layer) in depth order, or a mapping, and beside it a Preprocessing"
Layers = Mapping[str, Any] | Sequence[tuple[str, Any]]
Make = Callable[[nnx.Rngs], Any]
MADE = "made"


class MixedStack(Stack):
    """A Layered network whose layers are of several kinds: each is a network of one layer.

    Args:
      layers: layer name to network, in depth order.
      made: gives fresh variables of all layers that are made together, from a key.
    """

    layers: dict[str, Stack]

    def __init__(
        self, layers: Mapping[str, Stack], made: Callable[[Key[Array, ""]], Variables] | None = None
    ) -> None:
        super().__init__(layers)
        self.made = made

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Variables:
        """Fresh variables, each layer's from a key of its own, or those of all that are made.

        Args:
          key: the key of the whole network.
          x: a batch of the shape that the network takes.

        Returns:
          Layer name to that layer's variables, in depth order.
        """
        self.check_size(x)
        made = self.made(fold_in_name(key, MADE)) if self.made else {}
        variables: Variables = {}
        shape: Any = jax.ShapeDtypeStruct(x.shape, x.dtype)
        for name, part in self.layers.items():
            variables[name] = made[name] if name in made else part.init(key, shape)[name]
            shape, _ = jax.eval_shape(part.apply, variables, shape)
        return variables

    def call(
        self, name: str, variables: dict[str, Any], x: Array, mode: Mode, keys: Rngs
    ) -> tuple[Array, dict[str, Any]]:
        """The activation that leaves a layer, and its statistics where it learns them."""
        return self.layers[name].call(name, variables, x, mode, keys)

    def dense_calls(
        self, name: str, variables: dict[str, Any], x: Array
    ) -> tuple[Array, list[DenseCall]]:
        """The activation that leaves a layer in inference, and the dense layers called for it."""
        return self.layers[name].dense_calls(name, variables, x)


def from_layers(layers: Layers | Stack | tuple[Layers | Stack, Preprocessing]) -> Stack:
    """A network whose layers are given in order, to be cut between any two of them.

    Args:
      layers: (name, layer) in depth order, or a mapping. A layer is a Linen module; a function of
        `rngs` that makes an NNX module; or a function of an activation. A connection that skips
        layers must lie within one. Beside them may stand what the network wants to see, as in
        `layers, Preprocessing(...)`.

    Returns:
      The network.

    Raises:
      ValueError: these are no layers, a name stands twice, or a module is made already.

    Example:
      >>> import jax.numpy as jnp
      >>> from functools import partial
      >>> net = from_layers([("fc1", nn.Dense(4)), ("fc2", partial(nnx.Linear, 4, 2))])
      >>> variables = net.init(jax.random.key(0), jnp.zeros((1, 3)))
      >>> net.apply(variables, jnp.ones((5, 3)))[0].shape
      (5, 2)
    """
    layers, preprocessing = _apart(layers)
    network = layers if isinstance(layers, Stack) else _stack(_pairs(layers))
    network.preprocessing = preprocessing or network.preprocessing
    return network


def from_made(make: Make) -> Stack:
    """A network of layers that a function of `rngs` makes, all at once.

    Args:
      make: gives layers as `from_layers` takes them, and modules of NNX. It is called again for
        every network, so that each has fresh numbers.

    Returns:
      The network.

    Raises:
      ValueError: these are no layers, a name stands twice, or two layers share a module.

    Example:
      >>> import jax.numpy as jnp
      >>> def two(rngs: nnx.Rngs):
      ...     low, top = nnx.Linear(3, 4, rngs=rngs), nnx.Linear(4, 2, rngs=rngs)
      ...     return [("low", low), ("relu", nnx.relu), ("top", top)]
      >>> variables = from_made(two).init(jax.random.key(0), jnp.zeros((1, 3)))
      >>> variables["top"]["params"]["kernel"].shape
      (4, 2)
    """
    found: list[tuple[str, Any]] = []
    beside: list[Preprocessing | None] = []

    def trace() -> dict[str, nnx.State]:
        layers, preprocessing = _apart(make(nnx.Rngs(0)))
        beside.append(preprocessing)
        pairs, shapes = _pairs(layers), {}
        _check_shared(pairs)
        for name, layer in pairs:
            if isinstance(layer, nnx.Module):
                layer, shapes[name] = nnx.split(layer)
            found.append((name, layer))
        return shapes

    # Traced: nothing is computed, and no array of it can stay behind in a function.
    shapes = jax.eval_shape(trace)

    def made(key: Key[Array, ""]) -> Variables:
        layers = dict(_pairs(_apart(make(nnx.Rngs(key)))[0]))
        return {name: module_variables(layers[name]) for name in shapes}

    parts = {
        name: NnxStack({name: layer_of(name, layer, shapes[name])}) if name in shapes
        else _stack([(name, layer)])
        for name, layer in found
    }  # fmt: skip
    network = MixedStack(parts, made)
    network.preprocessing = beside[0]
    return network


def variables_of(layers: Layers) -> Variables:
    """The numbers that modules of NNX hold, as a network of these layers has them.

    `transfer_jax.save_tree` writes them, and `network.weights` reads them.

    Args:
      layers: (name, layer) in depth order, or a mapping; functions hold none.

    Returns:
      Layer name to that layer's variables.

    Raises:
      ValueError: these are no layers, or one is of Linen, whose numbers lie beside it.

    Example:
      >>> layer = nnx.Linear(3, 4, rngs=nnx.Rngs(0))
      >>> variables_of([("fc1", layer), ("relu", nnx.relu)])["fc1"]["params"]["bias"].shape
      (4,)
    """
    pairs = _pairs(layers)
    for name, layer in pairs:
        if isinstance(layer, nn.Module):
            raise ValueError(f"layer {name} is a module of Linen, which holds no numbers")
    return {
        name: module_variables(layer) if isinstance(layer, nnx.Module) else {"params": {}}
        for name, layer in pairs
    }


def _apart(found: Any) -> tuple[Any, Preprocessing | None]:
    """Layers, and what stands beside them."""
    if isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], Preprocessing):
        return found[0], found[1]
    return found, None


def _pairs(layers: Any) -> list[tuple[str, Any]]:
    """Layers with their names, each name once."""
    is_listed = isinstance(layers, Sequence) and not isinstance(layers, str)
    if not isinstance(layers, Mapping) and not is_listed:
        raise ValueError(f"{kind_of(layers)} is no list of layers; allowed: {ALLOWED}")
    pairs = list(layers.items() if isinstance(layers, Mapping) else layers)
    if not pairs:
        raise ValueError(f"there is no layer; allowed: {ALLOWED}")
    names: list[str] = []
    for number, pair in enumerate(pairs, 1):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise ValueError(f"layer {number} is {kind_of(pair)}; allowed: {ALLOWED}")
        check_name(pair[0], names)
        names.append(pair[0])
        if isinstance(pair[1], nn.Module):
            continue
        if not callable(pair[1]) or (isinstance(pair[1], type) and not makes_a_module(pair[1])):
            raise ValueError(
                f"layer {pair[0]} is {_shown(pair[1])}; allowed: a Linen or NNX module, a function"
            )
    return [(name, layer) for name, layer in pairs]


def _shown(layer: Any) -> str:
    return f"the class {layer.__name__}" if isinstance(layer, type) else kind_of(layer)


def _stack(pairs: list[tuple[str, Any]]) -> Stack:
    """One network of one kind where all layers are of it."""
    for name, layer in pairs:
        if isinstance(layer, nnx.Module):
            raise ValueError(
                f"layer {name} is a module of NNX that is made, so every network would begin with "
                "its numbers; let the function take rngs, and make its modules with them"
            )
    of_nnx = [not isinstance(layer, nn.Module) and makes_a_module(layer) for _, layer in pairs]
    if not any(of_nnx):
        return from_linen(pairs)
    if not any(isinstance(layer, nn.Module) for _, layer in pairs):
        return from_nnx(pairs)
    parts = zip(pairs, of_nnx, strict=True)
    return MixedStack(
        {pair[0]: from_nnx([pair]) if is_nnx else from_linen([pair]) for pair, is_nnx in parts}
    )


def _check_shared(pairs: list[tuple[str, Any]]) -> None:
    """No two layers hold one array: each would train its own copy."""
    owners: dict[int, str] = {}
    for name, layer in pairs:
        if not isinstance(layer, nnx.Module):
            continue
        for path, node in nnx.iter_graph(layer):
            if not isinstance(node, nnx.Param | nnx.BatchStat):
                continue
            if (other := owners.setdefault(id(node), name)) != name:
                where = "/".join(map(str, path))
                raise ValueError(
                    f"layers {other} and {name} share {where}, but each would train its own; "
                    "allowed: what is shared lies within one layer"
                )
