"""The conditions that a config asks for: the paper's, or families of a pretrained network."""

from collections.abc import Sequence

from transfer_jax.grid.conditions import Condition, Split
from transfer_jax.grid.cuts import STAGES, cut_values
from transfer_jax.grid.grid import base_condition, base_conditions, condition_grid
from transfer_jax.grid.pretrained import pretrained_grid
from transfer_jax.models.layered import Layered
from transfer_jax.plan.components import build_variants
from transfer_jax.plan.fields import ConfigError
from transfer_jax.plan.schema import Config

# Numbers above this are mistakes, and would take all memory.
MOST_NETWORKS = 200_000


def grid_of(
    config: Config, network: Layered, splits: dict[str, Split]
) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
    """The base networks that are trained, and the conditions.

    Args:
      config: what is asked for.
      network: the layered network.
      splits: name to split.

    Returns:
      Both; with a pretrained network there are no base networks to train.
    """
    examples = [k or None for k in config.examples]
    grid, also = [], []
    for name, split in splits.items():
        tasks = [task.name for task in split.tasks]
        grid += _of_split(config, network, name, tasks, range(config.seeds), examples)
        also += [
            base_condition(name, seed, task, k)
            for seed in range(config.seeds)
            for k in examples
            for task in tasks
        ]
    if config.network.weights:
        return (), tuple(grid)
    # Every task has its base networks, also where no other treatment is asked for.
    trained_on = {task.name for split in splits.values() for task in split.tasks}
    return tuple(dict.fromkeys([*base_conditions(grid, trained_on), *also])), tuple(grid)


def check_grid(config: Config, network: Layered) -> None:
    """Check, before images are read, that the cuts are the network's and the grid is no mistake.

    Args:
      config: what is asked for.
      network: the layered network; its number of outputs does not matter.

    Raises:
      ConfigError: there are too many networks.
      ValueError: a cut is none of the network's.
    """
    one = _of_split(config, network, "split", ("A", "B"), (0,), (None,))
    networks = len(one) * len(config.splits) * len(config.examples) * config.seeds
    if networks > MOST_NETWORKS:
        raise ConfigError(
            f"seeds, splits, cuts and examples make {networks} networks; allowed: up to "
            f"{MOST_NETWORKS}"
        )


def _of_split(
    config: Config,
    network: Layered,
    split: str,
    tasks: Sequence[str],
    seeds: Sequence[int],
    examples: Sequence[int | None],
) -> list[Condition]:
    names = network.layer_names
    where = {"tasks": tasks, "splits": (split,), "seeds": seeds, "examples": examples}
    variants, is_pretrained = build_variants(config, names), bool(config.network.weights)
    asked = config.cuts or ((STAGES,) if is_pretrained else ())
    cuts = cut_values(asked, names, getattr(network, "stages", names[:-1]))
    if is_pretrained:
        return pretrained_grid(len(names), cuts, config.families, variants=variants, **where)
    return condition_grid(
        len(names),
        cuts=cuts,
        treatments=config.treatments,
        preserved=config.preserved,
        schedules=config.schedules,
        variants=variants,
        **where,
    )
