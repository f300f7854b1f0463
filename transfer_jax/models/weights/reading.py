"""Weights of others as the variables of our networks: all of them, or one line why not."""

import os
from collections.abc import Collection, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from transfer_jax.models.layered import PARAMS, Variables
from transfer_jax.models.weights.detection import Shapes, asked_shapes, detect
from transfer_jax.models.weights.fit import Misfit, misfit, share
from transfer_jax.models.weights.leaf_names import Keys, from_foreign, leaves_of, variables_of
from transfer_jax.models.weights.nearest_network import nearest_network
from transfer_jax.models.weights.styles import Style, styles_of
from transfer_jax.models.weights.weight_files import WeightsError, read_arrays
from transfer_jax.surgery.tree_file_error import few

Path = str | os.PathLike[str]


class Weights(NamedTuple):
    """What a file of weights holds.

    Attributes:
      variables: those of the network, in host memory.
      style: whose names and layouts they came in.
    """

    variables: Variables
    style: Style


def read_weights(
    path: Path,
    network: str,
    like: Variables,
    *,
    own_head: bool = True,
    head: Collection[Keys] = (),
) -> Variables:
    """The variables of a network from a file of weights.

    Args:
      path: a file as `transfer_jax.load_tree` reads it: `.safetensors`, one or sharded; `.pth`,
        `.pt`, `.bin` or `.ckpt` of PyTorch. Names are timm's, torchvision's, transformers',
        lukemelas's, or our own; nothing in it is executed.
      network: the network's name.
      like: its variables, or their shapes.
      own_head: whether the file's own head is read, which may have another number of classes;
        else whatever head it has is left, and the leaves of the logits are zero, as in `like`.
      head: where these stand, as `head_keys` says.

    Returns:
      The variables, in the dtypes of `like`, in host memory.

    Raises:
      WeightsError: the file cannot be read, or is of another network; all that is missing, left
        over or misshapen is told.

    Example:
      >>> like = {"head": {"params": {"fc": {"kernel": np.zeros((2, 3)), "bias": np.zeros(3)}}}}
      >>> read_weights("no_such.pth", "resnet18", like)
      Traceback (most recent call last):
      ...
      transfer_jax.models.weights.weight_files.WeightsError: weights of resnet18: no_such.pth does \
not exist
    """
    return read_styled(path, network, like, own_head=own_head, head=head).variables


def read_styled(
    path: Path,
    network: str,
    like: Variables,
    *,
    own_head: bool = True,
    head: Collection[Keys] = (),
) -> Weights:
    """As `read_weights`, with the style of the file.

    Args:
      path: a file of weights.
      network: the network's name.
      like: its variables, or their shapes.
      own_head: whether the file's own head is read.
      head: where the leaves of the logits stand.

    Returns:
      Variables and style.

    Raises:
      WeightsError: the file cannot be read, or is of another network.
    """
    arrays = read_arrays(path, network)
    found = {name: array.shape for name, array in arrays.items()}
    lead = f"weights of {network}: {path}"
    known = detect(network, like, found)
    if known is None:
        raise WeightsError(f"{lead} holds no name of it{_unknown(network, found)}")
    style, names = known
    in_file, found = found, {n: s for n, s in found.items() if n.startswith(style.wrapper)}
    heads = {name for keys in head for name in names[keys].names}
    if not own_head:
        found = {n: s for n, s in found.items() if n not in heads and not style.is_head(n)}
    read = {keys: foreign for keys, foreign in names.items() if own_head or keys not in head}
    asked = asked_shapes(like, read, found, head)
    if odd := misfit(asked, found):
        hint = _hint(network, odd, heads)
        near = _nearest(network, in_file, share(asked, found))
        raise WeightsError(f"{lead} does not fit by the names of {style.name}; {odd}{near or hint}")
    _check_numbers(lead, {name: arrays[name] for name in asked})
    leaves = {
        keys: from_foreign(keys, [arrays[name] for name in read[keys].names], read[keys])
        if keys in read
        else np.zeros(leaf.shape)
        for keys, leaf in leaves_of(like).items()
    }
    dtypes = {keys: leaf.dtype for keys, leaf in leaves_of(like).items()}
    held = variables_of({keys: leaf.astype(dtypes[keys]) for keys, leaf in leaves.items()})
    return Weights({name: {PARAMS: {}} | held.get(name, {}) for name in like}, style)


def _check_numbers(lead: str, arrays: Mapping[str, Shaped[np.ndarray, "..."]]) -> None:
    """Weights are numbers with a point, and finite."""
    whole = {n: a.dtype for n, a in arrays.items() if not jnp.issubdtype(a.dtype, jnp.floating)}
    if whole:
        name = next(iter(whole))
        raise WeightsError(f"{lead} does not fit; {few([name])} holds {whole[name]}, no weights")
    with np.errstate(over="ignore"):
        odd = [n for n, a in arrays.items() if not np.isfinite(a.astype(np.float32)).all()]
    if odd:
        raise WeightsError(f"{lead} holds numbers that are not finite: {few(odd)}")


def _unknown(network: str, found: Shapes) -> str:
    styles = ", ".join(style.name for style in styles_of(network))
    return f", but {few(list(found))}; allowed: names of {styles}{_nearest(network, found, 0)}"


def _hint(network: str, odd: Misfit, heads: set[str]) -> str:
    """What may be meant, where names are those of the network."""
    if odd.left_over or not set(odd.missing) <= heads:
        return ""
    if not odd.misshapen:
        return "; it has no head: give the number of outputs of a new one"
    return f"; the names are those of {network}, the sizes are not"


def _nearest(network: str, found: Shapes, least: float) -> str:
    other = nearest_network(network, found, least)
    return f"; nearest: {other}" if other else ""
