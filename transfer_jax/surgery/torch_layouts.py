"""PyTorch's names and layouts as Flax's, and back to the bit."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from transfer_jax.surgery.paths import flatten_paths, split_path
from transfer_jax.surgery.torch_rules import LAYOUTS, Doubt, Layout, Module, layouts_of
from transfer_jax.surgery.tree_file_error import TreeFileError

Layouts = Mapping[str, Layout]

# Flax's names of leaves, and PyTorch's.
RENAMED = {
    "kernel": "weight",
    "embedding": "weight",
    "scale": "weight",
    "mean": "running_mean",
    "var": "running_var",
}
STATISTICS = {"running_mean": "mean", "running_var": "var"}
# PyTorch's own leaf of such a name gets an underscore, so that the way back is plain.
OWN = re.compile(f"({'|'.join(RENAMED)})_*")


def from_torch(tree: Any, layouts: Layouts) -> tuple[Any, dict[str, str]]:
    """A tree of PyTorch with Flax's names and layouts.

    Args:
      tree: dicts of arrays, the names of arrays not yet split at their dots.
      layouts: from patterns over PyTorch's names of layers to their layouts.

    Returns:
      (tree, doubts): the tree, names split; and from the names of the leaves that are left as
      they were to the reason.

    Raises:
      TreeFileError: names collide, or `layouts` does not fit.

    Example:
      >>> from_torch({"fc.weight": np.ones((2, 3)), "fc.bias": np.ones(2)}, {})[0]["fc"].keys()
      dict_keys(['kernel', 'bias'])
    """
    tree = _split(tree)
    modules: dict[Module, dict[str, Any]] = {}
    _gather(tree, (), modules)
    shapes = {m: {k: v.shape for k, v in leaves.items()} for m, leaves in modules.items()}
    declared = _declared(layouts, [m for m, leaves in shapes.items() if "weight" in leaves])
    chosen = layouts_of(shapes, declared)
    doubts = {
        ".".join((*module, "weight")): layout.reason
        for module, layout in chosen.items()
        if isinstance(layout, Doubt)
    }
    return _renamed(tree, (), chosen), doubts


def to_torch(tree: PyTree, layouts: Layouts) -> dict[str, Any]:
    """The leaves of a tree under PyTorch's names and in its layouts.

    Args:
      tree: what `from_torch` gave, or any tree with Flax's names.
      layouts: what `from_torch` was given.

    Returns:
      PyTorch's name to leaf.

    Raises:
      TreeFileError: two leaves get one name, or a leaf has no layout in PyTorch.

    Example:
      >>> to_torch({"fc": {"kernel": np.ones((3, 2))}}, {})["fc.weight"].shape
      (2, 3)
    """
    paths, leaves, _ = flatten_paths(tree)
    keys = [split_path(path) for path in paths]
    if () in keys:
        raise TreeFileError("a bare leaf has no name in PyTorch")
    declared = _declared(layouts, list(dict.fromkeys(path[:-1] for path in keys)))
    found: dict[str, Any] = {}
    for path, (*module, last), leaf in zip(paths, keys, leaves, strict=True):
        name, leaf = _torch_leaf(path, last, leaf, declared.get(tuple(module)))
        name = ".".join((*module, name))
        if name in found:
            raise TreeFileError(f"two leaves are called {name} in PyTorch, one is {path}")
        found[name] = leaf
    return found


def _split(tree: Any) -> Any:
    """Names of arrays split at their dots, at any depth."""
    if not isinstance(tree, dict):
        return type(tree)(map(_split, tree)) if isinstance(tree, list | tuple) else tree
    found: dict[Any, Any] = {}
    for key, value in tree.items():
        split = isinstance(key, str) and not isinstance(value, dict | list | tuple)
        *above, last = key.split(".") if split else [key]
        node = found
        for part in above:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise TreeFileError(f"{key} lies below a leaf")
        value, there = _split(value), node.get(last, {})
        if last in node and not (isinstance(there, dict) and isinstance(value, dict)):
            raise TreeFileError(f"{key} is a leaf and more")
        if isinstance(value, dict):
            if twice := set(there) & set(value):
                raise TreeFileError(f"{key}.{twice.pop()} is there twice")
            value = {**there, **value}
        node[last] = value
    return found


def _gather(node: Any, path: Module, modules: dict[Module, dict[str, Any]]) -> None:
    """The own arrays of each module."""
    if isinstance(node, list | tuple):
        node = dict(enumerate(node))
    for key, value in node.items() if isinstance(node, dict) else ():
        if isinstance(value, np.ndarray) and isinstance(key, str):
            modules.setdefault(path, {})[key] = value
        else:
            _gather(value, (*path, str(key)), modules)


def _renamed(node: Any, path: Module, chosen: Mapping[Module, Layout | Doubt]) -> Any:
    if isinstance(node, list | tuple):
        return type(node)(_renamed(v, (*path, str(i)), chosen) for i, v in enumerate(node))
    if not isinstance(node, dict):
        return node
    found = {}
    for key, value in node.items():
        if isinstance(value, np.ndarray) and isinstance(key, str):
            key, value = _flax_leaf(".".join((*path, key)), key, value, chosen.get(path))
        found[key] = _renamed(value, (*path, str(key)), chosen)
    return found


def _flax_leaf(
    name: str, last: str, array: np.ndarray, layout: Layout | Doubt | None
) -> tuple[str, np.ndarray]:
    if last in STATISTICS:
        return STATISTICS[last], array
    if OWN.fullmatch(last):
        return f"{last}_", array
    if last != "weight" or isinstance(layout, Doubt) or layout == "as_is":
        return last, array
    if layout is None:
        return ("scale" if array.ndim == 1 else last), array
    if layout in ("embedding", "norm"):
        return ("embedding" if layout == "embedding" else "scale"), array
    _check(name, array.shape, layout)
    if layout == "in_out":
        return "kernel", array
    if isinstance(layout, tuple):
        array = np.moveaxis(array.reshape(-1, *layout), (0, 1), (-1, -2)).reshape(-1, len(array))
    elif layout == "conv_transpose":
        array = np.moveaxis(np.flip(array, tuple(range(2, array.ndim))), (0, 1), (-2, -1))
    else:
        array = np.moveaxis(array, (0, 1), (-1, -2))
    return "kernel", np.ascontiguousarray(array)


def _torch_leaf(path: str, last: str, leaf: Any, layout: Layout | None) -> tuple[str, Any]:
    if last not in RENAMED:
        return (last[:-1] if OWN.fullmatch(last) else last), leaf
    if last != "kernel":
        return RENAMED[last], leaf
    if layout == "in_out":
        return "weight", leaf
    array = np.asarray(jax.device_get(leaf))
    if not 2 <= array.ndim <= 5:
        raise TreeFileError(f"{path}: no layer of PyTorch has a kernel of {array.ndim} axes")
    if isinstance(layout, tuple):
        shape = (*layout[1:], layout[0], -1)
        array = np.moveaxis(array.reshape(shape), (-1, -2), (0, 1)).reshape(array.shape[1], -1)
    elif layout == "conv_transpose":
        array = np.flip(np.moveaxis(array, (-2, -1), (0, 1)), tuple(range(2, array.ndim)))
    else:
        array = np.moveaxis(array, (-1, -2), (0, 1))
    return "weight", np.ascontiguousarray(array)


def _check(name: str, shape: tuple[int, ...], layout: Layout) -> None:
    sizes = list(shape)
    if isinstance(layout, tuple):
        fits = len(shape) == 2 and shape[1] == int(np.prod(layout, dtype=object))
    else:
        fits = len(shape) == 2 if layout in ("linear", "in_out") else 3 <= len(shape) <= 5
    if not fits:
        raise TreeFileError(f"{name} has the shape {sizes}, which does not fit {layout!r}")


def _declared(layouts: Layouts, modules: list[Module]) -> dict[Module, Layout]:
    declared: dict[Module, Layout] = {}
    for pattern, layout in layouts.items():
        if not _is_layout(layout):
            allowed = ", ".join(map(repr, LAYOUTS))
            raise TreeFileError(
                f"layouts: {pattern!r} is {layout!r}; allowed: {allowed}, or the shape of a "
                "flattened feature map such as (512, 7, 7)"
            )
        names = {module: ".".join(module) for module in modules}
        fitting = [m for m, name in names.items() if _fits(name, pattern)]
        if not fitting:
            raise TreeFileError(f"layouts: {pattern!r} names no layer with a weight")
        declared.update((module, layout) for module in fitting if module not in declared)
    return declared


def _fits(module: str, pattern: str) -> bool:
    names = (module, f"{module}.weight")
    return pattern in names or any(fnmatchcase(name, pattern) for name in names)


def _is_layout(layout: Any) -> bool:
    if isinstance(layout, tuple):
        return len(layout) > 1 and all(type(n) is int and n > 0 for n in layout)
    return layout in LAYOUTS
