"""Which layer of PyTorch a `weight` belongs to, where names and neighbours leave no doubt.

PyTorch gives one name and one rank to weights of different layouts. A wrong guess often fits: a
table of a square shape, a transposed convolution, a linear layer that reads a flattened feature
map. So each rule below needs a reason, and what has none is left to the caller.
"""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

Module = tuple[str, ...]
Shape = tuple[int, ...]
# A layout is one of these words, or the shape (channels, rows, columns) of the feature map that a
# linear layer reads flattened.
Layout = str | tuple[int, ...]
LAYOUTS = ("linear", "in_out", "embedding", "norm", "conv", "conv_transpose", "as_is")


class Doubt(NamedTuple):
    """Why a weight's layout is not certain."""

    reason: str


TABLE_OR_LINEAR = Doubt("a table or a linear layer")
FLATTENED = Doubt("a linear layer that may read a flattened feature map")
UNFLATTENED = Doubt("a linear layer that may read or write a flattened feature map")
SQUARE = Doubt("a convolution or a transposed one")
TRANSPOSED = Doubt("a transposed convolution, it seems")
IN_OUT = Doubt("a linear layer of (inputs, outputs), it seems")

# Words in the names of layers.
SAYS = {
    "embedding": re.compile(r"embed|(^|_)(embs?|wte|wpe|shared)(_|$)|relative_attention_bias"),
    "linear": re.compile(
        r"linear|(^|_)(fc|lin|dense|proj|projection|heads?|classifier|qkv|query|key|value|mlp|gate"
        r"|output|logits?|pooler|reduction)\d*(_|$)|^(q|k|v|o|kv|wi|wo|wq|wk|wv|to_[a-z]+)(_|\d|$)"
    ),
    "norm": re.compile(r"norm|(^|_)(ln|bn)\d*(_|$)"),
    "conv": re.compile(r"conv"),
    "transposed": re.compile(r"deconv|transpose|tconv|convt"),
    "upwards": re.compile(r"(^|_)up|upsampl|upscal|upconv|decod|generat|expand"),
}


def layouts_of(
    shapes: Mapping[Module, Mapping[str, Shape]], declared: Mapping[Module, Layout]
) -> dict[Module, Layout | Doubt]:
    """The layouts of the weights of a network.

    Args:
      shapes: from a module's path to the shapes of its own leaves.
      declared: layouts that are known.

    Returns:
      For each module whose `weight` has two axes or more: its layout, or why it is in doubt.

    Example:
      >>> layouts_of({("fc",): {"weight": (5, 3), "bias": (5,)}, ("a",): {"weight": (3, 3)}}, {})
      {('fc',): 'linear', ('a',): Doubt(reason='a table or a linear layer')}
    """
    weights = {m: leaves["weight"] for m, leaves in shapes.items() if "weight" in leaves}
    found: dict[Module, Layout | Doubt] = dict(declared)
    for module, weight in weights.items():
        if module not in declared and len(weight) == 2:
            found[module] = _of_matrix(module, shapes[module])
        elif module not in declared and len(weight) > 2:
            found[module] = _of_filters(module, shapes)
    _doubt_square_matrices(found, weights)
    _doubt_square_filters(found, weights)
    _doubt_unflattened(found, weights, declared)
    _doubt_flattened(found, weights, declared)
    return {**found, **declared}


def _of_matrix(module: Module, leaves: Mapping[str, Shape]) -> Layout | Doubt:
    bias = leaves.get("bias")
    if bias == leaves["weight"]:
        return "norm"
    if bias is not None:
        return "linear" if bias == leaves["weight"][:1] else IN_OUT
    said = [kind for kind in ("embedding", "linear", "norm") if _says(module, kind)]
    return said[0] if len(said) == 1 else TABLE_OR_LINEAR


def _of_filters(module: Module, shapes: Mapping[Module, Mapping[str, Shape]]) -> Layout | Doubt:
    weight, bias = shapes[module]["weight"], shapes[module].get("bias")
    outputs = bias or _following_norm(module, shapes)
    if bias == weight:
        return Doubt("a normalisation over several axes")
    if _says(module, "transposed") or outputs not in (None, weight[:1]):
        return TRANSPOSED
    if len(weight) > 5:
        return Doubt("no layer that is known")
    # Channel by channel with an even window: a transposed one that doubles the size is so too.
    doubling = weight[1:2] == (1,) and all(size % 2 == 0 for size in weight[2:])
    sure = outputs is not None and len(set(weight[:2])) == 2 and len(weight) > 3 and not doubling
    if sure or (_says(module, "conv") and not _says(module, "upwards")):
        return "conv"
    return SQUARE if outputs or _says(module, "upwards") else Doubt("a convolution, perhaps")


def _doubt_square_matrices(
    found: dict[Module, Layout | Doubt], weights: Mapping[Module, Shape]
) -> None:
    """Where some linear layers are of (inputs, outputs), a square one may be as well."""
    if any(kind in ("in_out", IN_OUT) for kind in found.values()):
        for module, kind in found.items():
            if kind == "linear" and len(set(weights[module])) == 1:
                found[module] = IN_OUT


def _doubt_square_filters(
    found: dict[Module, Layout | Doubt], weights: Mapping[Module, Shape]
) -> None:
    """As many inputs as outputs: a convolution if its window is odd, among convolutions, none of
    them transposed.
    """
    filters = {m: found[m] for m, weight in weights.items() if len(weight) > 2}
    transposed = {m[:-1] for m, kind in filters.items() if kind in ("conv_transpose", TRANSPOSED)}
    innocent = not transposed and "conv" in filters.values()
    for module, kind in filters.items():
        outputs, inputs, *window = weights[module]
        odd = all(size % 2 for size in window)
        if kind == "conv" and outputs == inputs and (module[:-1] in transposed or not odd):
            found[module] = SQUARE
        elif kind == SQUARE and innocent and odd and len(window) > 1:
            found[module] = SQUARE if _says(module, "upwards") else "conv"


def _doubt_unflattened(
    found: dict[Module, Layout | Doubt],
    weights: Mapping[Module, Shape],
    declared: Mapping[Module, Layout],
) -> None:
    """A linear layer whose outputs would make square maps for a transposed convolution: a decoder
    reads them channels first.
    """
    transposed = [m for m, kind in found.items() if kind in ("conv_transpose", TRANSPOSED)]
    channels = {size for m in transposed for size in weights[m][:1] if size > 1}
    for module, kind in found.items():
        if kind == "linear" and module not in declared:
            outputs = weights[module][0]
            areas = [outputs // size for size in channels if outputs % size == 0]
            if any(area > 1 and math.isqrt(area) ** 2 == area for area in areas):
                found[module] = UNFLATTENED


def _doubt_flattened(
    found: dict[Module, Layout | Doubt],
    weights: Mapping[Module, Shape],
    declared: Mapping[Module, Layout],
) -> None:
    """A linear layer whose inputs are a multiple of some convolution's outputs, and of no layer.

    The order of PyTorch's flattened features, channels first, is not that of channels last.
    """
    filters = [weight for weight in weights.values() if len(weight) > 2]
    linear = {m: w for m, w in weights.items() if found.get(m) == "linear" and len(w) == 2}
    square = {outputs for outputs, inputs in linear.values() if outputs == inputs}
    sizes = {size for weight in filters for size in weight[:2]} - {1}
    sizes |= {n for m, w in weights.items() if found.get(m) == "embedding" for n in w[-1:]}
    sizes |= {w[0] for w in weights.values() if len(w) == 1} - square
    sizes |= {w[0] for w in linear.values() if w[0] != w[1]}
    sizes |= {weights[m][0] for m in declared if weights.get(m)}
    for module, (_, inputs) in linear.items():
        multiple = any(weight[0] > 1 and inputs % weight[0] == 0 for weight in filters)
        if multiple and inputs not in sizes:
            found[module] = FLATTENED


def _following_norm(module: Module, shapes: Mapping[Module, Mapping[str, Shape]]) -> Shape | None:
    """The size of a normalisation that comes next in a sequence."""
    if not module or not module[-1].isdecimal():
        return None
    after = shapes.get((*module[:-1], str(int(module[-1]) + 1)), {}).get("weight", ())
    return after if len(after) == 1 and math.prod(after) else None


def _says(module: Module, kind: str) -> bool:
    """Whether the last key that is no number has a word for a kind of layer."""
    name = next((key for key in reversed(module) if not key.isdecimal()), "")
    return SAYS[kind].search(re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()) is not None
