"""What the networks of a pretrained column begin as, beside the layers that are copied."""

import numpy as np

from transfer_jax.folder.heads import read_head
from transfer_jax.folder.workdir import Workdir
from transfer_jax.grid.conditions import Column, Cut
from transfer_jax.grid.pretrained import PROBE
from transfer_jax.models.heads import with_head
from transfer_jax.models.layered import Layered, Variables

# The logit of a class that the task does not have: never chosen, and left alone by training.
ABSENT = -20.0


def pretrained_networks(
    network: Layered,
    column: Column,
    networks: dict[str, Variables],
    base: Variables,
    head: tuple[str, ...] | None,
    heads: Workdir,
) -> dict[str, Variables]:
    """Networks whose last layer is the file's, too, but for the logits: zeros, or a solved head.

    Args:
      network: the layered network.
      column: one that copies from the base.
      networks: cut label to the network before training, its copied layers grafted.
      base: the pretrained network.
      head: the keys that lead to its logits; None where it ends in no dense layer.
      heads: the folder that solved heads lie in.

    Returns:
      Cut label to network; those of which fewer layers are copied are as they were.
    """
    below, last = tuple(range(len(network.layer_names) - 1)), network.layer_names[-1]
    found = dict(networks)
    for cut in column.cuts:
        if head is None or cut.variant is None or cut.copied != below:
            continue
        found[cut.label] = {**found[cut.label], last: base[last]}
        if cut.variant.start == PROBE:
            begun = _with_solved(network, found[cut.label], head, column, cut, heads)
            found[cut.label] = begun
    return found


def _with_solved(
    network: Layered,
    variables: Variables,
    path: tuple[str, ...],
    column: Column,
    cut: Cut,
    heads: Workdir,
) -> Variables:
    """A network that begins with the head that was solved on all of the layers below."""
    solved = read_head(heads.heads(column), str(len(cut.copied)))
    dense = variables[network.layer_names[-1]]["params"]
    for key in path:
        dense = dense[key]
    classes = len(solved.bias)
    kernel = np.zeros(dense["kernel"].shape, np.float32)
    bias = np.full(kernel.shape[1:], ABSENT, np.float32)
    kernel[:, :classes], bias[:classes] = solved.kernel, solved.bias
    return with_head(network, variables, path, kernel, bias)
