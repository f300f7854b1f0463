"""Tables of names: what a leaf that timm calls so is called elsewhere."""

import re
from collections.abc import Callable, Iterable, Mapping

from transfer_jax.models.weights.leaf_names import Foreign

# A pattern over the front of timm's name, to what makes of the pattern's groups, numbers as
# numbers, what stands there instead: several where one leaf of timm's is theirs in a row. The rest
# of the name stays as it is.
Front = str | tuple[str, ...] | Foreign
Rules = Mapping[str, Callable[..., Front]]
# Of a network whose leaves timm calls so.
Table = Callable[[Iterable[str]], Rules]


def renamed(name: str, rules: Rules) -> Foreign | None:
    """What a leaf is called elsewhere.

    Args:
      name: timm's.
      rules: a table; the first pattern that fits is taken.

    Returns:
      How it lies there; None where no pattern fits.

    Example:
      >>> rules = {r"layer(\\d)\\.(\\d+)\\.": lambda stage, i: f"stages.{stage - 1}.{i}."}
      >>> renamed("layer2.0.conv1.weight", rules)
      Foreign(names=('stages.1.0.conv1.weight',), ones=0, turned=True)
    """
    for pattern, make in rules.items():
        if match := re.match(pattern, name):
            made = make(*(int(g) if g.isdecimal() else g for g in match.groups()))
            foreign = made if isinstance(made, Foreign) else Foreign(_several(made))
            rest = name[match.end() :]
            return foreign._replace(names=tuple(front + rest for front in foreign.names))
    return None


def _several(made: str | tuple[str, ...]) -> tuple[str, ...]:
    return (made,) if isinstance(made, str) else made


def numbered(names: Iterable[str]) -> tuple[Callable[[int, int], int], int]:
    """The number that a block has in the whole network, where timm counts within stages.

    Args:
      names: timm's, of all leaves.

    Returns:
      A function of stage and block, and how many blocks there are.

    Example:
      >>> number, blocks = numbered(["blocks.0.0.a", "blocks.1.0.a", "blocks.1.1.a"])
      >>> number(1, 1), blocks
      (2, 3)
    """
    matches = (re.match(r"blocks\.(\d+)\.(\d+)\.", name) for name in names)
    pairs = sorted({(int(found[1]), int(found[2])) for found in matches if found})
    return lambda stage, block: pairs.index((stage, block)), len(pairs)
