"""Layers in depth order, run one after the other; what a layer is, a kind of module says."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from transfer_jax.grid.keys import fold_in_name
from transfer_jax.grid.registry import kind_of
from transfer_jax.models.layered import INFERENCE, Mode, Modes, Rngs, Statistics, Variables, mode_of
from transfer_jax.models.preprocessing import Preprocessing


class DenseCall(NamedTuple):
    """A dense layer that was called.

    Attributes:
      path: where its kernel and bias are, in the parameters of the network's layer.
      entered, left: its input and its output.
    """

    path: tuple[str, ...]
    entered: Array
    left: Array


class Stack(ABC):
    """A Layered network of layers in order.

    Args:
      layers: layer name to layer, in depth order.
      stages: the layers that end a stage, by name, the last layer left out; none: every one does.
      preprocessing: what it wants to see, where it is known.
    """

    def __init__(
        self,
        layers: Mapping[str, Any],
        *,
        stages: Sequence[str] = (),
        preprocessing: Preprocessing | None = None,
    ) -> None:
        self.layers = dict(layers)
        self.stages = tuple(stages) or tuple(self.layers)[:-1]
        self.preprocessing = preprocessing

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, in depth order."""
        return tuple(self.layers)

    def check_size(self, x: Float[Array, "batch ..."]) -> None:
        """Check that images have a pixel left at the end.

        Args:
          x: images of the shape that is to enter the first layer.

        Raises:
          ValueError: they are smaller than the network's stride, where that is known.
        """
        least = self.preprocessing.least_size if self.preprocessing else 1
        if min(x.shape[1:3], default=least) < least:
            sides = "x".join(map(str, x.shape[1:3]))
            raise ValueError(
                f"the images have {sides} pixels, and the network's stride is {least}; allowed: "
                f"images of at least {least}x{least}"
            )

    @abstractmethod
    def init(self, key: Key[Array, ""], x: Float[Array, "batch ..."]) -> Variables:
        """Fresh variables, each layer's from a key of its own."""

    @abstractmethod
    def call(
        self, name: str, variables: dict[str, Any], x: Array, mode: Mode, keys: Rngs
    ) -> tuple[Array, dict[str, Any]]:
        """The activation that leaves a layer, and its statistics where it learns them."""

    @abstractmethod
    def dense_calls(
        self, name: str, variables: dict[str, Any], x: Array
    ) -> tuple[Array, list[DenseCall]]:
        """The activation that leaves a layer in inference, and the dense layers called for it."""

    def head_input(self, variables: Variables, x: Float[Array, "batch ..."]) -> Array:
        """The features that the logits are a dense layer of.

        Args:
          variables: those of the last layer at least.
          x: the activation that enters the last layer.

        Returns:
          What enters the dense layer: logits are its product with the kernel, plus the bias.

        Raises:
          ValueError: the last layer does not end in a dense layer.
        """
        return self._head(variables, x).entered

    def head_leaves(self, variables: Variables, x: Float[Array, "batch ..."]) -> tuple[str, ...]:
        """Where the kernel and the bias of the logits are.

        Args:
          variables: those of the last layer at least.
          x: the activation that enters the last layer; only its shape matters.

        Returns:
          Keys, from the last layer's parameters to the dense layer's.

        Raises:
          ValueError: the last layer does not end in a dense layer.
        """
        paths = []
        jax.eval_shape(lambda *given: paths.append(self._head(*given).path), variables, x)
        return paths[0]

    def _head(self, variables: Variables, x: Array) -> DenseCall:
        name = self.layer_names[-1]
        out, calls = self.dense_calls(name, variables[name], x)
        if not calls or calls[-1].left is not out:
            raise ValueError(
                f"the last layer, {name}, does not end in a dense layer; allowed: one whose last "
                "operation is nn.Dense or nnx.Linear"
            )
        return calls[-1]

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
        """The activation that leaves layer `stop - 1`.

        Args:
          variables: those of the layers `start` to `stop` at least.
          x: the activation that enters layer `start`.
          start: index of the first layer to run.
          stop: index after the last layer to run; None runs to the end.
          mode: whether dropout is on and statistics are learned, for all layers or layer by layer.
          rngs: keys by name; each layer folds its own name in, so that a layer draws the same
            numbers whichever part of the network is run.

        Returns:
          The activation, or the logits where the last layer is run; and the statistics of the
          layers that learn them.
        """
        changed: Statistics = {}
        for name in self.layer_names[start:stop]:
            keys = {kind: fold_in_name(key, name) for kind, key in (rngs or {}).items()}
            x, statistics = self.call(name, variables[name], x, mode_of(mode, name), keys)
            check_left(name, x)
            changed |= {name: statistics} if statistics else {}
        return x, changed

    def logits(
        self, variables: Variables, images: Float[Array | np.ndarray, "batch height width channels"]
    ) -> Float[Array, "batch classes"]:
        """What the whole network gives for images, in inference.

        Args:
          variables: those of all layers.
          images: normalised as the network was trained: see `preprocessing`.

        Returns:
          The logits.

        Raises:
          ValueError: the images are bytes, lie channels first, or are too small.
        """
        self._check_images(images)
        return self._inference(variables, images)

    @cached_property
    def _inference(self) -> Callable[..., Array]:
        return jax.jit(lambda variables, images: self.apply(variables, images)[0])

    def _check_images(self, images: Array | np.ndarray) -> None:
        shape = "x".join(map(str, images.shape))
        if not jnp.issubdtype(images.dtype, jnp.floating):
            raise ValueError(
                f"the images are {images.dtype}; allowed: floats, normalised: shares of white "
                "less the mean, by the deviation"
            )
        channels = self.preprocessing.channels if self.preprocessing else images.shape[-1]
        if images.ndim != 4 or images.shape[-1] != channels:
            raise ValueError(
                f"the images have the shape {shape}; allowed: batch, height, width, channels, "
                f"with {channels} channels"
            )
        self.check_size(jnp.asarray(images))


def check_name(name: str, others: Iterable[str]) -> None:
    """Check that a layer can be called so.

    Args:
      others: names of the layers before it.

    Raises:
      ValueError: it is empty, has a slash or a glob's character, or stands twice.
    """
    if not name or set(name) & set("/*?["):
        raise ValueError(f"a layer is called {name!r}; allowed: names without / * ? [")
    if name in others:
        raise ValueError(f"two layers are called {name!r}; allowed: each name once")


def check_left(layer: str, x: Any) -> None:
    """Check that a layer gives one array, with something in it.

    Args:
      layer: its name.
      x: what leaves it, or its shape.

    Raises:
      ValueError: it is none, or empty.
    """
    if not isinstance(x, jax.Array | np.ndarray | jax.ShapeDtypeStruct):
        raise ValueError(f"layer {layer} gives {kind_of(x)}; allowed: one array")
    if x.size == 0:
        raise ValueError(f"layer {layer} leaves no pixel: the images are too small for it")


@contextmanager
def takes(layer: str, x: Float[Array, "batch ..."] | jax.ShapeDtypeStruct) -> Iterator[None]:
    """Whatever a layer raises at what enters it becomes one line that names both.

    Args:
      layer: its name.
      x: what enters it, or its shape.

    Returns:
      A context.

    Raises:
      ValueError: the layer raised an error.
    """
    try:
        yield
    except Exception as error:  # Whatever a module, or JAX below it, raises.
        said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        shape = "x".join(map(str, x.shape[1:]))
        raise ValueError(f"layer {layer} cannot take an input of {shape}: {said}") from error
