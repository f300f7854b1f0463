"""A layered network made of Flax Linen modules."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from transfer_jax.grid.keys import fold_in_name
from transfer_jax.models.layered import INFERENCE, PARAMS, Mode, Rngs, Variables
from transfer_jax.models.stack import DenseCall, Stack, check_left, check_name, takes

Layer = nn.Module | Callable[[Array], Array]


def begun_layer(
    layer: nn.Module, key: Array, shape: jax.ShapeDtypeStruct
) -> tuple[dict[str, Any], Array]:
    """A module's variables, drawn, and what leaves it: both of one call, for who traces it.

    Args:
      layer: the module.
      key: its own.
      shape: of what enters it.

    Returns:
      (collection to variables, the activation that zeros leave).
    """
    x = jnp.zeros(shape.shape, shape.dtype)
    with nn.intercept_methods(_normalising(INFERENCE)):
        out, variables = layer.init_with_output(key, x, **_flags(layer, INFERENCE))
    return dict(variables), cast(Array, out)


def run_layer(
    layer: Layer, variables: dict[str, Any], x: Array, mode: Mode, rngs: Rngs
) -> tuple[Array, dict[str, Any]]:
    """What a layer does to what enters it.

    Args:
      layer: a module, or a function of an activation.
      variables: its own.
      x: what enters it.
      mode: whether it drops activations and learns statistics.
      rngs: keys by name.

    Returns:
      The activation that leaves it, and its statistics where it learns them.
    """
    if not isinstance(layer, nn.Module):
        return layer(x), {}
    kept = [kind for kind in variables if kind != PARAMS]
    if not kept:
        out = layer.apply(variables, x, rngs=dict(rngs), **_flags(layer, mode))
        return cast(Array, out), {}
    with nn.intercept_methods(_normalising(mode)):
        changes = kept if mode.statistics else []
        out, changed = layer.apply(
            variables, x, rngs=dict(rngs), mutable=changes, **_flags(layer, mode)
        )
    return cast(Array, out), dict(changed)


class LayerStack(Stack):
    """A Layered network of Linen modules, or of functions of an activation.

    A module is called as `module(x)`, with those of `train`, `deterministic` and
    `use_running_average` that its `__call__` takes. The first two say whether dropout is on; what
    the mode says of statistics is told to every `nn.BatchNorm` within, whatever it was made with.

    Args:
      layers: layer name to module, in depth order.
    """

    layers: dict[str, Layer]
    # What a layer does.
    _run = staticmethod(run_layer)

    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Variables:
        """Fresh variables, each layer's from a key of its own.

        Args:
          key: the key of the whole network.
          x: a batch of the shape that the network takes; only its shape matters.

        Returns:
          Layer name to that layer's variables, in depth order.

        Raises:
          ValueError: a layer cannot take what enters it, or leaves no pixel; or the images are
            smaller than the network's stride.
        """
        self.check_size(x)
        variables: Variables = {}
        shape: Any = jax.ShapeDtypeStruct(x.shape, x.dtype)
        for name, layer in self.layers.items():
            with takes(name, shape):
                own, shape = self._begun(layer, fold_in_name(key, name), shape)
            variables[name] = {PARAMS: {}} | own
            check_left(name, shape)
        return variables

    def _begun(
        self, layer: Layer, key: Array, shape: jax.ShapeDtypeStruct
    ) -> tuple[dict[str, Any], jax.ShapeDtypeStruct]:
        """A layer's fresh variables, and the shape of what leaves it."""
        own: dict[str, Any] = {}
        # Only shapes go through the layers: deep networks would take minutes, op by op.
        if isinstance(layer, nn.Module):
            with nn.intercept_methods(_normalising(INFERENCE)):
                own = dict(layer.lazy_init(key, shape, **_flags(layer, INFERENCE)))
        return own, jax.eval_shape(
            lambda own, x: self._run(layer, own, x, INFERENCE, {})[0], own, shape
        )

    def call(
        self, name: str, variables: dict[str, Any], x: Array, mode: Mode, keys: Rngs
    ) -> tuple[Array, dict[str, Any]]:
        """The activation that leaves a layer, and its statistics where it learns them."""
        return self._run(self.layers[name], variables, x, mode, dict(keys))

    def dense_calls(
        self, name: str, variables: dict[str, Any], x: Array
    ) -> tuple[Array, list[DenseCall]]:
        """The activation that leaves a layer in inference, and the dense layers called for it."""
        calls: list[DenseCall] = []

        def note(run: Callable[..., Any], args: Any, kwargs: dict[str, Any], context: Any) -> Any:
            out = run(*args, **kwargs)
            if isinstance(context.module, nn.Dense) and context.method_name == "__call__":
                calls.append(DenseCall(context.module.path, args[0], out))
            return out

        with nn.intercept_methods(note):
            # Not as `call` has it: where a trace is kept, nothing is called.
            out, _ = run_layer(self.layers[name], variables, x, INFERENCE, {})
        return out, calls


def from_linen(blocks: Iterable[tuple[str, Layer]]) -> LayerStack:
    """A network whose layers are given in order, to be cut between any two of them.

    Args:
      blocks: (name, Linen module or function of an activation), in depth order. A connection that
        skips layers must lie within one block.

    Returns:
      The network.

    Raises:
      ValueError: a name stands twice, or cannot be part of a path.
      TypeError: a block is neither a module nor a function.

    Example:
      >>> import jax
      >>> net = from_linen([("fc1", nn.Dense(4)), ("norm", nn.BatchNorm()), ("relu", nn.relu)])
      >>> variables = net.init(jax.random.key(0), jax.numpy.zeros((1, 3)))
      >>> {name: tuple(own) for name, own in variables.items()}
      {'fc1': ('params',), 'norm': ('params', 'batch_stats'), 'relu': ('params',)}
    """
    layers: dict[str, Layer] = {}
    for name, block in blocks:
        check_name(name, layers)
        if not isinstance(block, nn.Module) and (isinstance(block, type) or not callable(block)):
            raise TypeError(f"layer {name} is {block!r}; allowed: a Linen module, a function")
        layers[name] = block
    return LayerStack(layers)


def _flags(module: nn.Module, mode: Mode) -> dict[str, Any]:
    known = {
        "train": mode.dropout,
        "deterministic": not mode.dropout,
        "use_running_average": not mode.statistics,
    }
    asked = inspect.signature(type(module).__call__).parameters
    return {name: value for name, value in known.items() if name in asked}


def _normalising(mode: Mode) -> Callable[..., Any]:
    """Batch normalisation by the mode: a module has one flag for it and for dropout, or none."""

    def call(run: Callable[..., Any], args: Any, kwargs: dict[str, Any], context: Any) -> Any:
        module = context.module
        if not isinstance(module, nn.BatchNorm) or context.method_name != "__call__":
            return run(*args, **kwargs)
        # A module of one call: whoever made it may have set the flag, and Flax allows one only.
        object.__setattr__(module, "use_running_average", None)
        return run(*args[:1], **{**kwargs, "use_running_average": not mode.statistics})

    return call
