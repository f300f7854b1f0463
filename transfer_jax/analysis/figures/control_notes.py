"""What the figures of controls say in words: names along an axis, what bars are."""

from collections.abc import Iterable, Sequence

from transfer_jax.analysis.statistics.control_numbers import by_tasks
from transfer_jax.analysis.statistics.crossing import RANDOM_HALVES
from transfer_jax.analysis.statistics.inference import are_splits
from transfer_jax.folder.control_results import ControlRow

# Letters that fit beside each other below a panel.
ROOM = 41


def place_names(places: Sequence[str]) -> tuple[list[str], str]:
    """What stands below the horizontal axis of a panel.

    Args:
      places: the names of layers or places.

    Returns:
      The names, or numbers where names have no room; and a sentence that then says their names.

    Example:
      >>> place_names(["conv1", "fc"])
      (['conv1', 'fc'], '')
      >>> place_names(["first_layer_with_its_norm", "second_layer_with_its_norm"])
      (['1', '2'], 'Layers: 1 first_layer_with_its_norm, 2 second_layer_with_its_norm.')
    """
    if sum(len(place) + 2 for place in places) <= ROOM:
        return list(places), ""
    numbers = [f"{i}" for i in range(1, len(places) + 1)]
    return numbers, f"Layers: {', '.join(map(' '.join, zip(numbers, places, strict=True)))}."


def bars_text(rows: Iterable[ControlRow], bars: str = "Bars are") -> str:
    """What the bars of a control are.

    Args:
      rows: the controls that are drawn.
      bars: how the sentence begins.

    Returns:
      A sentence: over how many splits or seeds, each group of splits by itself.
    """
    counts = {}
    for tasks, own in by_tasks(rows).items():
        splits, seeds = {row.split for row in own}, {(row.split, row.seed) for row in own}
        if are_splits(splits):
            counts[tasks] = f"{len(splits)} splits"
        else:
            counts[tasks] = f"{len(seeds)} seeds" if len(seeds) > len(splits) else "one seed"
    if set(counts.values()) == {"one seed"}:
        return "One seed gives no intervals."
    if len(set(counts.values())) == 1:
        return f"{bars} 95% intervals over {next(iter(counts.values()))}."
    each = "; ".join(f"{tasks} {count}" for tasks, count in counts.items())
    return f"{bars} 95% intervals ({each}); one seed gives none."


def titled(tasks: str) -> str:
    """What a panel is called.

    Args:
      tasks: a group of splits.

    Returns:
      Its title.
    """
    return tasks if tasks == RANDOM_HALVES else f"{tasks} split"
