"""A network of one's own, tried once: what would go wrong in silence is told, layer by layer."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.errors import UnexpectedTracerError
from jaxtyping import Array, Float

from transfer_jax.models.layered import Layered, Variables, params_of
from transfer_jax.models.stack import Stack

# Of the largest number, by which two ways to compute an activation may differ.
ROUNDING = 1e-3


def try_network(network: Layered, shape: tuple[int, int, int]) -> None:
    """Check that a network is what it must be to be cut after each of its layers.

    Two images of noise are run through it, as a whole, and layer by layer in programs of their
    own; parameters that begin as zeros are numbers here.

    Args:
      network: the network.
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
    init = jax.jit(lambda key, x: network.init(key, x))
    images = jax.random.normal(jax.random.key(2), (3, *shape))
    variables = init(jax.random.key(0), images[:2])
    _check_fresh(variables, init(jax.random.key(1), images[:2]))
    variables = _without_zeros(variables)
    pieces = [images[:2], *_by_layers(network, variables, images[:2])]
    whole = jax.jit(lambda variables, x: _activations(network, variables, x))
    found = whole(variables, images[:2])
    beside = whole(variables, images[jnp.array([0, 2])])
    for i, name in enumerate(network.layer_names):
        _check_activation(name, pieces[i + 1], is_last=i == len(network.layer_names) - 1)
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


def _by_layers(network: Layered, variables: Variables, x: Array) -> Iterator[Array]:
    """What leaves each layer, each of a program of its own, so that none sees another's arrays."""
    entering = []
    for i, name in enumerate(network.layer_names):
        entering.append(x)
        run = jax.jit(lambda own, x, i=i: network.apply(own, x, i, i + 1)[0])
        try:
            x = run({name: variables[name]}, x)
        except (UnexpectedTracerError, ValueError) as error:
            if not _is_of_elsewhere(error):
                raise
            raise ValueError(_crossing(network, variables, entering)) from None
        yield x


def _is_of_elsewhere(error: BaseException) -> bool:
    return UnexpectedTracerError in (type(error), type(error.__cause__))


def _crossing(network: Layered, variables: Variables, entering: list[Array]) -> str:
    """Which layer left behind what the last of these reads: the nearest one that mends it."""
    names, last = network.layer_names, len(entering) - 1
    for first in reversed(range(last)):
        try:
            own = {name: variables[name] for name in names[first : last + 1]}
            jax.eval_shape(lambda v, x, i=first: network.apply(v, x, i, last + 1), own,
                           entering[first])  # fmt: skip
        except (UnexpectedTracerError, ValueError):
            continue
        return (
            f"layer {names[last]} reads what layer {names[first]} left behind; allowed: a "
            "connection that skips layers within one layer: join these and what lies between"
        )
    return (
        f"layer {names[last]} reads an array that is not its own; allowed: its variables, what "
        "enters it, constants of NumPy"
    )


def _without_zeros(variables: Variables) -> Variables:
    """A head that begins as zeros would hide what lies below it."""

    def filled(path: Any, leaf: Array) -> Array:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        key = jax.random.fold_in(jax.random.key(3), len(jax.tree_util.keystr(path)))
        return jnp.where((leaf == 0).all(), 0.1 * jax.random.normal(key, leaf.shape), leaf)

    params = jax.jit(lambda tree: jax.tree_util.tree_map_with_path(filled, tree))(
        params_of(variables)
    )
    return {name: {**own, "params": params[name]} for name, own in variables.items()}


def _check_fresh(variables: Variables, others: Variables) -> None:
    """Kernels that no key changes hold numbers from elsewhere: scratch would not be scratch."""
    for name, own in params_of(variables).items():
        leaves = zip(jax.tree.leaves(own), jax.tree.leaves(others[name]["params"]), strict=True)
        kernels = [(a, b) for a, b in leaves if a.ndim > 1 and jnp.unique(a.ravel()[:64]).size > 1]
        if kernels and all((a == b).all() for a, b in kernels):
            raise ValueError(
                f"layer {name} begins with the same numbers for every seed; allowed: fresh ones, "
                "and pretrained ones in the file that network.weights names"
            )


def _check_activation(name: str, left: Any, is_last: bool) -> None:
    if jnp.shape(left)[:1] != (2,):
        shape = "x".join(map(str, jnp.shape(left))) or "a number"
        raise ValueError(f"layer {name} makes {shape} of 2 images; allowed: 2 of whatever it makes")
    if not np.isfinite(left).all():
        raise ValueError(f"layer {name} gives numbers that are not finite for images of noise")
    if np.array_equal(left[0], left[1]):
        raise ValueError(f"layer {name} gives the same numbers for different images")


def _check_cuts(network: Layered, variables: Variables, pieces: list[Array]) -> None:
    """A network of one's own kind says itself what its parts are: each cut is run."""
    for cut in range(len(network.layer_names)):
        run = jax.jit(lambda variables, x, cut=cut: network.apply(variables, x, cut)[0])
        if not _close(run(variables, pieces[cut]), pieces[-1]):
            raise ValueError(
                f"cut after {cut} layers, the network gives other logits than as a whole"
            )


def _close(a: Float[Array, "..."], b: Float[Array, "..."]) -> bool:
    apart, most = (np.abs(np.asarray(x, np.float32)).max(initial=0) for x in (a - b, b))
    return bool(apart <= ROUNDING * max(1e-6, most))
