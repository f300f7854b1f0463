"""Freezing: an optimizer that leaves chosen parameters exactly as they are."""

import jax
import optax
from jaxtyping import PyTree

from transfer_jax.surgery.paths import SelectionError, leaf_paths


def freeze(
    tx: optax.GradientTransformation, frozen_mask: PyTree[bool]
) -> optax.GradientTransformationExtraArgs:
    """The optimizer restricted to the leaves that are not frozen.

    Frozen leaves get an update of exactly zero, whatever their gradient, NaN included; they
    have no optimizer state and no weight decay, and `tx` does not see them: a norm that it
    clips by is that of the trainable leaves.

    Args:
      tx: any optax transformation.
      frozen_mask: a tree of booleans of the parameters' structure, True at frozen leaves.

    Returns:
      A transformation of whole parameter trees.

    Raises:
      SelectionError: at `init`, if the parameters have another structure than the mask.

    Example:
      >>> params = {"conv1": jax.numpy.ones(2), "fc2": jax.numpy.ones(2)}
      >>> tx = freeze(optax.adamw(0.1), {"conv1": True, "fc2": False})
      >>> updates, _ = tx.update(params, tx.init(params), params)
      >>> updates["conv1"].tolist()
      [0.0, 0.0]

    Source: Yosinski et al. (2014), section 2: transferred layers are left frozen.
    """
    labels = jax.tree.map(lambda frozen: "frozen" if frozen else "trainable", frozen_mask)
    inner = optax.partition({"trainable": tx, "frozen": optax.set_to_zero()}, labels)

    def init(params: PyTree) -> optax.OptState:
        if jax.tree.structure(params) != jax.tree.structure(frozen_mask):
            odd = sorted(set(leaf_paths(params)) ^ set(leaf_paths(frozen_mask)))
            raise SelectionError(f"mask and parameters differ; not in both: {odd or 'containers'}")
        return inner.init(params)

    return optax.GradientTransformationExtraArgs(init, inner.update)
