"""Networks written as files of weights, in the names and layouts of others."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from transfer_jax.grid.registry import nearest
from transfer_jax.models.layered import Variables
from transfer_jax.models.weights.leaf_names import COUNTER, leaves_of, to_foreign
from transfer_jax.models.weights.styles import Style, names_in, styles_of, written
from transfer_jax.models.weights.weight_files import WeightsError
from transfer_jax.surgery.safetensors_files import write_safetensors

ENDING = ".safetensors"


def write_weights(
    variables: Variables,
    network: str,
    style: Style | str,
    path: str | os.PathLike[str],
    *,
    about: Mapping[str, str] | None = None,
    beside: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a network as others write it, all of it or nothing.

    Args:
      variables: the network's, or those of its first layers.
      network: its name.
      style: whose names and layouts; those of a file, as `read_styled` gives them, or a name.
      path: the file; its name ends in `.safetensors`.
      about: words to write with it.
      beside: further arrays, by name.

    Raises:
      WeightsError: the style is unknown, or has no name for a leaf.
      TreeFileError: the file cannot be written.

    Example:
      >>> write_weights({}, "resnet18", "tim", "net.safetensors")
      Traceback (most recent call last):
      ...
      transfer_jax.models.weights.weight_files.WeightsError: style is 'tim'; allowed: timm, \
transformers, transfer_jax; nearest: timm
    """
    check_ending(path)
    own = written(style) if isinstance(style, Style) else _style(network, style)
    try:
        names = names_in(own, variables)
    except ValueError as error:
        raise WeightsError(f"{path} cannot hold {network}: {error}") from None
    arrays = dict(beside or {})
    for keys, leaf in leaves_of(variables).items():
        arrays |= to_foreign(keys, np.asarray(leaf), names[keys])
        if keys[-1] == "mean" and not own.flax:
            front = names[keys].names[0].rpartition(".")[0]
            arrays[f"{front}.{COUNTER}"] = np.zeros((), np.int64)
    write_safetensors(Path(path), arrays, {"format": "pt", **(about or {})})


def check_ending(path: str | os.PathLike[str]) -> None:
    """Check that a file can be written under its name.

    Args:
      path: the file.

    Raises:
      WeightsError: its name ends in something else than `.safetensors`.

    Example:
      >>> check_ending("net.pth")
      Traceback (most recent call last):
      ...
      transfer_jax.models.weights.weight_files.WeightsError: net.pth is no name for weights; \
allowed: names that end in .safetensors, which PyTorch reads by safetensors.torch.load_file
    """
    if Path(path).suffix != ENDING:
        raise WeightsError(
            f"{path} is no name for weights; allowed: names that end in {ENDING}, which PyTorch "
            "reads by safetensors.torch.load_file"
        )


def _style(network: str, name: str) -> Style:
    known = {style.name: style for style in styles_of(network)}
    if name not in known:
        allowed = ", ".join(known)
        raise WeightsError(f"style is '{name}'; allowed: {allowed}{nearest(name, known)}")
    return known[name]
