"""A layered network made of Flax NNX modules, taken apart into arrays and put together again."""

import inspect
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from transfer_jax.grid.keys import fold_in_name
from transfer_jax.models.layered import INFERENCE, PARAMS, Mode, Rngs, Variables
from transfer_jax.models.stack import DenseCall, Stack, check_name, takes

STATISTICS = "batch_stats"
KINDS = {PARAMS: nnx.Param, STATISTICS: nnx.BatchStat}
Make = Callable[..., nnx.Module]
Function = Callable[[Array], Array]


class NnxLayer(NamedTuple):
    """A layer's structure, no array is in it; and how it is made, where it is made by itself."""

    graph: nnx.GraphDef
    shapes: nnx.State
    make: Make | None = None


class NnxStack(Stack):
    """A Layered network of NNX modules, or of functions of an activation.

    Args:
      layers: layer name to layer, in depth order.
    """

    layers: dict[str, NnxLayer | Function]

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Variables:
        """Fresh variables, each layer's from a key of its own.

        Args:
          key: the key of the whole network.
          x: not needed: NNX modules know what enters them.

        Returns:
          Layer name to that layer's variables, in depth order.
        """
        variables: Variables = {}
        for name, layer in self.layers.items():
            variables[name] = {PARAMS: {}}
            if isinstance(layer, NnxLayer) and layer.make:
                rngs = nnx.Rngs(fold_in_name(key, name))
                variables[name] |= module_variables(layer.make(rngs=rngs))
        return variables

    def call(
        self, name: str, variables: dict[str, Any], x: Array, mode: Mode, keys: Rngs
    ) -> tuple[Array, dict[str, Any]]:
        """The activation that leaves a layer, and its statistics where it learns them.

        Of the keys a layer draws from `dropout`.
        """
        layer = self.layers[name]
        if not isinstance(layer, NnxLayer):
            with takes(name, x):
                return layer(x), {}
        key = keys["dropout"] if "dropout" in keys else fold_in_name(jax.random.key(0), name)
        module = _module(layer, variables, mode, key)
        with takes(name, x):
            x = module(x)  # pyright: ignore
        learns = mode.statistics and STATISTICS in variables
        return x, {STATISTICS: module_variables(module)[STATISTICS]} if learns else {}

    def dense_calls(
        self, name: str, variables: dict[str, Any], x: Array
    ) -> tuple[Array, list[DenseCall]]:
        """The activation that leaves a layer in inference, and the dense layers called for it."""
        layer, calls = self.layers[name], cast(list[DenseCall], [])
        if not isinstance(layer, NnxLayer):
            return layer(x), calls
        module = _module(layer, variables, INFERENCE, fold_in_name(jax.random.key(0), name))
        for path, part in nnx.iter_graph(module):
            if type(part) is nnx.Linear:
                _note_calls(part, tuple(map(str, path)), calls)
        return module(x), calls  # pyright: ignore


def _note_calls(linear: nnx.Linear, path: tuple[str, ...], calls: list[DenseCall]) -> None:
    """A module that was made for one call notes how it is called."""

    class Noted(nnx.Linear):
        def __call__(self, inputs: Array, *args: Any, **kwargs: Any) -> Array:
            out = super().__call__(inputs, *args, **kwargs)
            calls.append(DenseCall(path, inputs, out))
            return out

    object.__setattr__(linear, "__class__", Noted)


def from_nnx(blocks: Iterable[tuple[str, Any]]) -> NnxStack:
    """A network whose layers are given in order, to be cut between any two of them.

    Args:
      blocks: (name, block), in depth order. A block is a function of `rngs` that makes an NNX
        module, so that every condition has fresh layers of its own (`partial(nnx.Linear, 3, 4)`
        is one); or a function of an activation. A connection that skips layers must lie within
        one block.

    Returns:
      The network.

    Raises:
      ValueError: a name stands twice, or cannot be part of a path; or a module has variables that
        are neither parameters nor batch statistics.
      TypeError: a block is neither of these functions: a module that is made already, say.

    Example:
      >>> net = from_nnx([("fc1", partial(nnx.Linear, 3, 4)), ("relu", nnx.relu)])
      >>> variables = net.init(jax.random.key(0), jnp.zeros((1, 3)))
      >>> variables["fc1"]["params"]["kernel"].shape
      (3, 4)
      >>> net.apply(variables, jnp.ones((2, 3)))[0].shape
      (2, 4)
    """
    layers: dict[str, NnxLayer | Function] = {}
    for name, block in blocks:
        check_name(name, layers)
        if isinstance(block, nnx.Module) or not callable(block):
            raise TypeError(
                f"layer {name} is {type(block).__name__}; allowed: a function of rngs that makes a "
                "module, so that it can be made afresh, or a function of an activation"
            )
        made = makes_a_module(block)
        layers[name] = _made_by(name, cast(Make, block)) if made else cast(Function, block)
    return NnxStack(layers)


def makes_a_module(block: Callable[..., Any]) -> bool:
    """Whether a function makes a module, and is not one of an activation.

    Args:
      block: a class or function.

    Returns:
      True for a class of NNX, and for what takes `rngs`.

    Example:
      >>> makes_a_module(partial(nnx.Linear, 3, 4)), makes_a_module(nnx.relu)
      (True, False)
    """
    while isinstance(block, partial):
        block = block.func
    # A module's class does not tell what it takes.
    if isinstance(block, type) and issubclass(block, nnx.Module):
        return True
    try:
        return "rngs" in inspect.signature(block).parameters
    except ValueError:  # A function of NumPy's, say, which has no signature.
        return False


def _made_by(name: str, make: Make) -> NnxLayer:
    graph, shapes = nnx.split(nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))))
    return layer_of(name, graph, shapes)._replace(make=make)


def layer_of(name: str, graph: nnx.GraphDef, shapes: nnx.State) -> NnxLayer:
    """A layer of a module that is taken apart.

    Args:
      name: the layer's name.
      graph: the module's structure.
      shapes: its arrays, or their shapes.

    Returns:
      The layer.

    Raises:
      ValueError: it has variables that are neither parameters nor batch statistics.
    """
    for path, variable in nnx.to_flat_state(shapes):
        if not isinstance(variable, (*KINDS.values(), nnx.RngState)):
            raise ValueError(
                f"layer {name} holds a {type(variable).__name__} at {_path(path)}; "
                "allowed: Param, BatchStat"
            )
    return NnxLayer(graph, shapes)


def _path(path: tuple[Any, ...]) -> str:
    return "/".join(map(str, path))


def module_variables(module: nnx.Module) -> dict[str, Any]:
    """A module's arrays by kind, in nested dicts whose keys are words.

    Args:
      module: a module of NNX.

    Returns:
      Its parameters and batch statistics, where it has some.
    """
    found: dict[str, Any] = {PARAMS: {}}
    for path, variable in nnx.to_flat_state(nnx.state(module)):
        kind = next((kind for kind, own in KINDS.items() if isinstance(variable, own)), None)
        if kind:
            inner = found.setdefault(kind, {})
            for step in map(str, path[:-1]):
                inner = inner.setdefault(step, {})
            inner[str(path[-1])] = variable.get_value()
    return found


def _module(
    layer: NnxLayer, variables: dict[str, Any], mode: Mode, key: Key[Array, ""]
) -> nnx.Module:
    """The module with these variables, its random numbers from this key."""
    leaves = []
    for path, shape in nnx.to_flat_state(layer.shapes):
        if isinstance(shape, nnx.RngKey):
            value = fold_in_name(key, _path(path))
        elif isinstance(shape, nnx.RngState):
            value = jnp.zeros(shape.get_value().shape, shape.get_value().dtype)
        else:
            kind = next(kind for kind, own in KINDS.items() if isinstance(shape, own))
            value = variables[kind]
            for step in map(str, path):
                value = value[step]
        leaves.append((path, shape.replace(value)))
    module = nnx.merge(layer.graph, nnx.from_flat_state(leaves))
    module.set_attributes(
        deterministic=not mode.dropout,
        use_running_average=not mode.statistics,
        raise_if_not_found=False,
    )
    return module
