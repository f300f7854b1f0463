"""Where a network is cut: numbers of layers, names of layers, or ends of stages or blocks."""

from collections.abc import Sequence

from transfer_jax.grid.registry import nearest

STAGES, QUARTERS, BLOCKS = "stages", "quarters", "blocks"
PARTS = 4
SHOWN = 12


def cut_values(
    asked: Sequence[int | str], layer_names: Sequence[str], stages: Sequence[str]
) -> tuple[int, ...]:
    """The values of n that are meant.

    Args:
      asked: values of n; "stages" or "blocks" for all that end one, "quarters" for the stages
        that end a quarter of all, two, three and four; or names of layers, each for all layers up
        to it and with it.
      layer_names: the network's layers, in depth order.
      stages: the layers that end a stage.

    Returns:
      Values of n, each once; numbers are not looked at.

    Raises:
      ValueError: no layer has such a name; the nearest is told.

    Example:
      >>> cut_values(("stages",), ("stem", "block1", "block2", "head"), ("stem", "block2"))
      (1, 3)
      >>> cut_values(("quarters",), tuple("abcdefg"), tuple("abcdef"))
      (1, 3, 4, 6)
      >>> cut_values(("block1", 3), ("stem", "block1", "block2", "head"), ())
      (2, 3)
    """
    ends = {STAGES: stages, QUARTERS: _quarters(stages), BLOCKS: layer_names[:-1]}
    found: dict[int, None] = {}
    for value in asked:
        names = ends.get(value, [value]) if isinstance(value, str) else []
        numbers = [_number(name, layer_names) for name in names]
        found |= dict.fromkeys(numbers if isinstance(value, str) else [value])
    return tuple(found)


def _quarters(stages: Sequence[str]) -> list[str]:
    """The stages after which a quarter of them are done, two, three and all; rounded down."""
    done = (max(1, len(stages) * part // PARTS) for part in range(1, PARTS + 1))
    return [stages[count - 1] for count in done] if stages else []


def _number(name: str, layer_names: Sequence[str]) -> int:
    """How many layers there are up to one and with it."""
    if name in layer_names[:-1]:
        return list(layer_names).index(name) + 1
    if name in layer_names:
        raise ValueError(f"cuts holds '{name}', the last layer: nothing is left above it")
    shown = ", ".join(layer_names[:-1][:SHOWN])
    more = f" and {len(layer_names) - 1 - SHOWN} more" if len(layer_names) - 1 > SHOWN else ""
    raise ValueError(
        f"cuts holds '{name}'; allowed: numbers of layers, {STAGES}, {QUARTERS}, {BLOCKS}, or "
        f"layers: {shown}{more}{nearest(name, [STAGES, QUARTERS, BLOCKS, *layer_names[:-1]])}"
    )
