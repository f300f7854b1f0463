"""A trained network put together again: layers of its weights file, and those that it trained."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from etils import epath

from transfer_jax.analysis.raced import home_of
from transfer_jax.folder.checkpoints import CheckpointError, read_tree
from transfer_jax.folder.heads import SolvedHead, read_head
from transfer_jax.folder.results import ResultRow
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import PRETRAINED_BASE, Column, Cut
from transfer_jax.grid.pretrained import head_name
from transfer_jax.models.heads import with_head, without_head
from transfer_jax.models.layered import Variables, from_stored
from transfer_jax.models.weights.leaf_names import leaves_of
from transfer_jax.plan.plan import Plan
from transfer_jax.plan.pretrained import PretrainedBase
from transfer_jax.plan.probe_costs import feature_widths

# What a network's own logits are a linear map of: of a ViT the class token after the last norm.
INTO_LOGITS = "the input of the logits"


@dataclass(frozen=True)
class KeptNetwork:
    """A trained network.

    Attributes:
      variables: those of all layers; of a linear head on the first n, those of these n; of one on
        all layers, all but the dense layer of the logits.
      probe: that head, where it is not the network's own.
      blocks: the features that it takes, in order: what they are, and how many.
    """

    variables: Variables
    probe: SolvedHead | None = None
    blocks: tuple[tuple[str, int], ...] = ()


def kept_network(plan: Plan, folder: Workdir, row: ResultRow) -> KeptNetwork:
    """A network that a run trained.

    Args:
      plan: the run's plan; it began with a file of weights.
      folder: the run's folder.
      row: the network.

    Returns:
      The network, in host memory.

    Raises:
      CheckpointError: the folder does not hold what it trained.
    """
    column, cut = _place(plan, row)
    base = cast(PretrainedBase, plan.given[PRETRAINED_BASE])
    if cut.variant is not None and cut.variant.solved:
        head = read_head(folder.heads(column), head_name(cut.variant))
        return _solved(plan, base, column, cut, head)
    home = home_of(folder.path, row) if plan.config.budget else folder.path
    where = Workdir(home).networks(column)
    if not where.exists():
        raise CheckpointError(
            f"{where} is not there: the run kept no networks; checkpoint.networks is "
            f"'{plan.config.checkpoint.networks}', 'all' keeps them"
        )
    held = read_tree(where).get(cut.label)
    names, own = plan.network.layer_names, base.network
    if not isinstance(held, dict) or set(held) - set(names):
        raise CheckpointError(f"{where} holds no layers of {cut.label}")
    trained = from_stored(held, own)
    copied = {names[i] for i in cut.copied}
    if lost := [name for name in names if name not in trained and name not in copied]:
        raise CheckpointError(f"{where} lacks {', '.join(lost)} of {cut.label}")
    found = {name: trained.get(name, own[name]) for name in names}
    _check_shapes(where, found, own)
    return KeptNetwork(found)


def _place(plan: Plan, row: ResultRow) -> tuple[Column, Cut]:
    """The column and the cut that a network was trained in."""
    asked = (row.split, row.seed, row.target, row.examples, row.label)
    for column in plan.columns(plan.grid):
        for cut, condition in zip(column.cuts, column.conditions, strict=True):
            place = (column.split, column.seed, column.target, column.examples or 0)
            if (*place, condition.label) == asked:
                return column, cut
    raise CheckpointError(f"the run's config has no network {row.label}, seed {row.seed}")


def _solved(
    plan: Plan, base: PretrainedBase, column: Column, cut: Cut, head: SolvedHead
) -> KeptNetwork:
    """The layers below a linear head, and it; a probe on all but the last is the network's own."""
    names, found = plan.network.layer_names, base.network
    n = max(cut.depths)
    path = base.head if n == len(names) - 1 else None
    if path is not None and cut.n:
        return KeptNetwork(with_head(plan.network, found, path, head.kernel, head.bias))
    widths = feature_widths(plan, column)
    blocks = {depth: (names[depth - 1], widths[depth]) for depth in cut.depths}
    layers = {name: found[name] for name in names[:n]}
    if path is not None:
        layers, blocks[n] = without_head(plan.network, found, path), (INTO_LOGITS, widths[n])
    return KeptNetwork(layers, head, tuple(blocks.values()))


def _check_shapes(where: epath.Path, found: Variables, own: Variables) -> None:
    """What was trained has the shapes of the network."""
    held, asked = (
        {keys: np.shape(leaf) for keys, leaf in leaves_of(tree).items()} for tree in (found, own)
    )
    for keys in dict.fromkeys([*held, *asked]):
        if held.get(keys) != asked.get(keys):
            raise CheckpointError(
                f"{where} holds another network: {'/'.join(keys)} is {held.get(keys, 'missing')} "
                f"there, {asked.get(keys, 'missing')} here"
            )
