"""Whose names a file has, and the shapes that it must have by them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, takewhile

import jax
from jaxtyping import Array, Float

from transfer_jax.models.layered import Layered, Variables
from transfer_jax.models.weights.leaf_names import Foreign, Keys, Shape, foreign_shapes, leaves_of
from transfer_jax.models.weights.styles import Style, names_in, styles_of
from transfer_jax.models.weights.weight_files import WeightsError
from transfer_jax.surgery.tree_file_error import few

Shapes = Mapping[str, Shape]
# A style, and how a network's leaves lie in it.
Named = tuple[Style, dict[Keys, Foreign]]

# Names of a hostile file may have any number of dots, and begin in any number of ways.
MOST_WRAPPERS = MOST_PARTS = 8
# A part of a file is a network that has this share of the network's names.
WHOLE = 0.5


def detect(network: str, like: Variables, found: Shapes) -> Named | None:
    """Whose names a file has.

    Args:
      network: the name of a network.
      like: its variables, or their shapes.
      found: the shapes of a file's arrays, by name.

    Returns:
      The style that names most of them, and how the network's leaves lie in it; None where no style
      names one. Where the network is one part of a file, as `model.` beside `criterion.`, the
      style's wrapper says which.

    Raises:
      WeightsError: several parts are such networks.

    Example:
      >>> import numpy as np
      >>> like = {"stem": {"params": {"conv1": {"kernel": np.zeros((1, 2))}}}}
      >>> style, _ = detect("resnet18", like, {"module.conv1.weight": (2, 1)})
      >>> style.name, style.wrapper
      ('timm', 'module.')
    """
    best, most = _best(network, like, found, ["", *_wrappers(found)])
    parts: dict[str, list[str]] = {}
    for name in found:
        parts.setdefault(name.partition(".")[0], []).append(name)
    if len(parts) == 1:
        return best
    wholes = {}
    for part in sorted(parts, key=lambda part: -len(parts[part]))[:MOST_PARTS]:
        named, count = _best(network, like, found, _wrappers(parts[part]))
        if named and count > most and count >= WHOLE * len(leaves_of(like)):
            wholes[part] = named
    if len(wholes) > 1:
        raise WeightsError(
            f"weights of {network}: the file holds several networks: "
            f"{few([f'{part}.*' for part in wholes])}; save the one that is meant alone"
        )
    return next(iter(wholes.values()), best)


def _best(
    network: str, like: Variables, found: Shapes, wrappers: Sequence[str]
) -> tuple[Named | None, int]:
    """The style that names most, and how many; the first of several."""
    best, most = None, 0
    for style in _candidates(network, wrappers):
        try:
            names = names_in(style, like)
        except ValueError:  # It has no name for a leaf of this network.
            continue
        count = sum(name in found for foreign in names.values() for name in foreign.names)
        if count > most:
            best, most = (style, names), count
    return best, most


def _wrappers(names: Iterable[str]) -> list[str]:
    """What stands before all of some names, as wrappers of modules lengthen them."""
    parts = zip(*(name.split(".") for name in names), strict=False)
    shared = [f"{own[0]}." for own in takewhile(lambda own: len(set(own)) == 1, parts)]
    return [*accumulate(shared[:MOST_WRAPPERS])]


def _candidates(network: str, wrappers: Sequence[str]) -> Iterator[Style]:
    """All styles, of bodies alone too, behind each wrapper."""
    for style in styles_of(network):
        for bare in (False, True) if style.body else (False,):
            for front in wrappers:
                yield replace(style, bare=bare, wrapper=front)


def head_keys(like: Variables, wider: Variables, last: str) -> list[Keys]:
    """Where the leaves of the logits stand: those that are larger where there are more classes.

    Args:
      like: a network's variables, or their shapes.
      wider: those of the same network with one logit more.
      last: the name of the last layer; shapes are not in depth order.

    Returns:
      Their keys.

    Raises:
      ValueError: there are none, or such in another layer than the last: no new head can be put
        on a network whose other layers are kept.

    Example:
      >>> import numpy as np
      >>> def of(classes):
      ...     dense = {"kernel": np.zeros((2, classes)), "bias": np.zeros(classes)}
      ...     return {"head": {"params": {"norm": {"bias": np.zeros(2)}, "fc": dense}}}
      >>> head_keys(of(3), of(4), "head")
      [('head', 'params', 'fc', 'kernel'), ('head', 'params', 'fc', 'bias')]
    """
    leaves, others = leaves_of(like), leaves_of(wider)
    found = [k for k in leaves if k not in others or leaves[k].shape != others[k].shape]
    if below := [keys[0] for keys in found if keys[0] != last]:
        raise ValueError(
            f"layer {below[0]} is made for a number of classes, but {last} is the last layer; "
            "allowed: such in the last layer alone, which gets a new head; join the two"
        )
    if not found:
        raise ValueError(
            f"nothing in the last layer, {last}, is made for a number of classes; allowed: a "
            "layer that gets a new head"
        )
    return found


def shapes_and_head(
    network: Layered, wider: Layered, x: Float[Array, "batch ..."]
) -> tuple[Variables, list[Keys]]:
    """The shapes of a network's variables, and where the leaves of its logits stand.

    Args:
      network: whose last layer is to get a new head.
      wider: the same with one logit more.
      x: a batch of what both take; only its shape matters.

    Returns:
      The variables, without numbers; the keys.

    Raises:
      ValueError: no new head can be put on it, as `head_keys` says.
    """
    key = jax.random.key(0)
    like, more = (jax.eval_shape(lambda n=n: n.init(key, x)) for n in (network, wider))
    return like, head_keys(like, more, network.layer_names[-1])


def asked_shapes(
    like: Variables, names: Mapping[Keys, Foreign], found: Shapes, head: Collection[Keys]
) -> dict[str, Shape]:
    """The shapes that a file must have.

    Args:
      like: the network's variables, or their shapes.
      names: how the leaves that are read lie there.
      found: the shapes that it has: its number of classes is its own.
      head: where the leaves of the logits stand.

    Returns:
      Name to shape.
    """
    leaves, asked = leaves_of(like), {}
    biases = [names[keys].names[0] for keys in head if keys[-1] == "bias" and keys in names]
    classes = found.get(biases[0], ()) if biases else ()
    for keys, foreign in names.items():
        shape = tuple(leaves[keys].shape)
        if keys in head and len(classes) == 1:
            shape = (*shape[:-1], *classes)
        asked |= foreign_shapes(keys, shape, foreign)
    return asked


def classes_of(variables: Variables, head: Collection[Keys]) -> int:
    """How many classes a network tells apart.

    Args:
      variables: its own.
      head: where the leaves of its logits stand.

    Returns:
      The number.

    Example:
      >>> import numpy as np
      >>> classes_of({"fc8": {"params": {"bias": np.zeros(3)}}}, [("fc8", "params", "bias")])
      3
    """
    leaves = leaves_of(variables)
    return next(int(leaves[keys].shape[-1]) for keys in head)
