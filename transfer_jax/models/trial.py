"""A network of one's own, tried once: what would go wrong in silence is told, layer by layer."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.core import Tracer
from jax.errors import UnexpectedTracerError
from jaxtyping import Array, Float

from transfer_jax.models.layered import PARAMS, Layered, Variables, params_of
from transfer_jax.models.stack import Stack

# Of the largest number, by which two ways to compute an activation may differ.
ROUNDING = 1e-3
NOT_ITS_OWN = (
    "layer {} reads an array that is not its own, and would not be trained; allowed: its "
    "variables, what enters it, constants of NumPy"
)
# Keys by which a layer that is dead at first is tried again.
STARTS = range(1, 9)
# Each program is run once or twice: what is compiled in less time is faster.
_program = partial(
    jax.jit,
    compiler_options={
        "xla_backend_optimization_level": 0,
        "xla_llvm_disable_expensive_passes": True,
    },
)


def try_network(network: Layered, shape: tuple[int, int, int]) -> None:
    """Check that a network is what it must be to be cut after each of its layers.

    Two images of noise are run through it, as a whole, and layer by layer in programs of their
    own; parameters that begin as zeros are numbers here.

    Args:
      network: any layered network; its function is a reader's own, mostly.
      shape: (height, width, channels) of what it sees.

    Raises:
      ValueError: a layer reads what another left behind; begins with the same numbers for every
        key; gives what is no batch, is not finite, is the same for all images or depends on
        the other images of a batch; or a cut changes the logits.

    Example:
      >>> from transfer_jax.models.own_layers import from_layers
      >>> flat = lambda x: x.reshape(len(x), -1)
      >>> try_network(from_layers([("flat", flat), ("dead", lambda x: 0 * x)]), (2, 2, 1))
      Traceback (most recent call last):
      ...
      ValueError: layer dead gives the same numbers for different images
    """
    # Elsewhere than on a CPU, products of few bits would be told for differences.
    with jax.default_matmul_precision("highest"):
        _try(network, shape)


def _try(network: Layered, shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    two, others = images[:2], images[::2]
    _check_apart(network, jax.eval_shape(network.init, jax.random.key(0), two), two)
    init = _program(network.init)
    variables = jax.device_get(init(jax.random.key(0), two))
    _check_fresh(variables, jax.device_get(init(jax.random.key(1), two)))
    variables = _without_zeros(variables)
    pieces = [two, *_by_layers(network, variables, two)]
    whole = _program(lambda variables, x: _activations(network, variables, x))
    found = jax.device_get(whole(variables, two))
    beside = jax.device_get(whole(variables, others))
    if dead := _same(found):
        # A small layer may be dead by chance; one that is dead from every start is none.
        starts = (_without_zeros(jax.device_get(init(jax.random.key(i), two))) for i in STARTS)
        for other in starts:
            dead &= _same(jax.device_get(whole(other, two)))
    for i, name in enumerate(network.layer_names):
        _check_activation(name, pieces[i + 1])
        if i in dead:
            raise ValueError(f"layer {name} gives the same numbers for different images")
        if not _close(beside[i][0], found[i][0]):
            raise ValueError(
                f"layer {name} gives an image other numbers when other images stand beside it; "
                "allowed in inference: each image by itself"
            )
        if not _close(pieces[i + 1], found[i]):
            raise ValueError(f"layer {name} gives other numbers by itself than in the network")
    if not isinstance(network, Stack):
        _check_cuts(network, variables, pieces)


def _activations(network: Layered, variables: Variables, x: Array) -> list[Array]:
    """What leaves each layer, of one program."""
    left = []
    for i in range(len(network.layer_names)):
        x, _ = network.apply(variables, x, i, i + 1)
        left.append(x)
    return left


def _same(activations: list[np.ndarray]) -> set[int]:
    """The layers after which two images cannot be told apart."""
    return {
        i for i, left in enumerate(activations) if len(left) == 2 and (left[0] == left[1]).all()
    }


def _by_layers(network: Layered, variables: Variables, x: np.ndarray) -> Iterator[np.ndarray]:
    """What leaves each layer, each of a program of its own."""
    for i, name in enumerate(network.layer_names):
        x = jax.device_get(_program(_piece(network, i, i + 1))({name: variables[name]}, x))
        yield x


def _piece(network: Layered, start: int, stop: int) -> Any:
    return lambda variables, x: network.apply(variables, x, start, stop)[0]


def _check_apart(network: Layered, shapes: Variables, x: Any) -> None:
    """No layer reads an array of another, or of nobody: each is a program by itself."""
    entering = [x]
    for i, name in enumerate(network.layer_names):
        if _reads_another(network, i, i + 1, shapes, x):
            raise ValueError(_crossing(network, shapes, entering))
        own = {name: shapes[name]}
        if not jax.tree.leaves(own) and any(a.ndim > 1 for a in _read(network, i, i + 1, own, x)):
            raise ValueError(NOT_ITS_OWN.format(name))
        x = jax.eval_shape(_piece(network, i, i + 1), own, x)
        entering.append(x)


def _read(network: Layered, start: int, stop: int, shapes: Variables, x: Any) -> list[Array]:
    """The arrays of JAX that layers read beside their variables and what enters them."""
    read = jax.make_jaxpr(_piece(network, start, stop))(shapes, x).consts
    return [array for array in read if isinstance(array, jax.Array)]


def _reads_another(network: Layered, start: int, stop: int, shapes: Variables, x: Any) -> bool:
    own = {name: shapes[name] for name in network.layer_names[start:stop]}
    try:
        return any(isinstance(array, Tracer) for array in _read(network, start, stop, own, x))
    except UnexpectedTracerError:
        return True


def _crossing(network: Layered, shapes: Variables, entering: list[Any]) -> str:
    """Which layer left behind what the last of these reads: from there on it is a program."""
    names, last = network.layer_names, len(entering) - 1
    for first in reversed(range(last)):
        if not _reads_another(network, first, last + 1, shapes, entering[first]):
            return (
                f"layer {names[last]} reads what layer {names[first]} left behind; allowed: a "
                "connection that skips layers within one layer: join these and what lies between"
            )
    return NOT_ITS_OWN.format(names[last])


def _without_zeros(variables: Variables) -> Variables:
    """A head that begins as zeros would hide what lies below it."""

    generator = np.random.default_rng(1)

    def filled(leaf: np.ndarray) -> np.ndarray:
        is_zero = np.issubdtype(leaf.dtype, np.floating) and not leaf.any()
        noise = 0.1 * generator.normal(size=leaf.shape) if is_zero else 0.0
        return (leaf + noise).astype(leaf.dtype)

    return {
        name: {**own, PARAMS: jax.tree.map(filled, own[PARAMS])} for name, own in variables.items()
    }


def _check_fresh(variables: Variables, others: Variables) -> None:
    """Kernels that no key changes hold numbers from elsewhere: scratch would not be scratch."""
    for name, own in params_of(variables).items():
        leaves = zip(jax.tree.leaves(own), jax.tree.leaves(others[name][PARAMS]), strict=True)
        kernels = [(a, b) for a, b in leaves if a.ndim > 1 and (a != a.flat[0]).any()]
        if kernels and all(np.array_equal(a, b) for a, b in kernels):
            raise ValueError(
                f"layer {name} begins with the same numbers for every seed; allowed: fresh ones, "
                "and pretrained ones in the file that network.weights names"
            )


def _check_activation(name: str, left: np.ndarray) -> None:
    if left.shape[:1] != (2,):
        shape = "x".join(map(str, left.shape)) or "a number"
        raise ValueError(f"layer {name} makes {shape} of 2 images; allowed: 2 of whatever it makes")
    if not np.isfinite(left).all():
        raise ValueError(f"layer {name} gives numbers that are not finite for images of noise")


def _check_cuts(network: Layered, variables: Variables, pieces: list[np.ndarray]) -> None:
    """A network of one's own kind says itself what its parts are: each cut is run."""
    for cut in range(len(network.layer_names)):
        run = _program(lambda variables, x, cut=cut: network.apply(variables, x, cut)[0])
        if not _close(run(variables, pieces[cut]), pieces[-1]):
            raise ValueError(
                f"cut after {cut} layers, the network gives other logits than as a whole"
            )


def _close(a: Float[np.ndarray, "..."], b: Float[np.ndarray, "..."]) -> bool:
    apart, most = (np.abs(np.asarray(x, np.float32)).max(initial=0) for x in (a - b, b))
    return bool(apart <= ROUNDING * max(1e-6, most))
