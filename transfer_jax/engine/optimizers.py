"""Optimizers of one network: plain SGD with momentum, and Caffe's."""

import jax
import optax
from jaxtyping import PyTree

Rate = optax.ScalarOrSchedule


def sgd(rate: Rate, momentum: float, weight_decay: Rate) -> optax.GradientTransformation:
    """SGD with momentum; the decay of every parameter is added to its gradient.

    Args:
      rate: learning rate, or a schedule of it.
      momentum: share of the velocity that is kept at each step.
      weight_decay: factor of the parameter that is added to its gradient.

    Returns:
      The optimizer.

    Example:
      >>> tx = sgd(0.1, 0.9, 0.0)
      >>> updates, _ = tx.update({"kernel": 1.0}, tx.init({"kernel": 2.0}), {"kernel": 2.0})
      >>> round(float(updates["kernel"]), 3)
      -0.1
    """
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(rate, momentum=momentum))


def caffe_sgd(
    rate: Rate, momentum: float = 0.9, weight_decay: Rate = 5e-4, bias_rate: float = 2.0
) -> optax.GradientTransformation:
    """Caffe's SGD: the rate is part of the velocity; biases learn faster and do not decay.

    v <- momentum v + rate m (g + decay w), then w <- w - v; m is `bias_rate` for leaves named
    `bias`, which have no decay, and 1 for all others. When the rate falls, the velocity that was
    gathered at the old rate is kept: the way of most libraries scales it down at once.

    Args:
      rate: learning rate, or a schedule of it.
      momentum: share of the velocity that is kept at each step.
      weight_decay: factor of the parameter that is added to its gradient.
      bias_rate: factor of the rate for biases.

    Returns:
      The optimizer.

    Example:
      >>> tx = caffe_sgd(0.1, weight_decay=0.0)
      >>> params = {"kernel": 2.0, "bias": 2.0}
      >>> updates, _ = tx.update({"kernel": 1.0, "bias": 1.0}, tx.init(params), params)
      >>> round(float(updates["kernel"]), 3), round(float(updates["bias"]), 3)
      (-0.1, -0.2)

    Source: the solver and network files of the authors' repository, yosinski/convnet_transfer.
    """

    def weights(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda is_bias: not is_bias, _biases(tree))

    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask=weights),
        optax.masked(optax.scale(bias_rate), _biases),
        optax.scale_by_learning_rate(rate),
        optax.trace(momentum),
    )


def step_schedule(rate: float, every: int, factor: float) -> optax.Schedule:
    """A rate that is multiplied by a factor every so many steps.

    Args:
      rate: the first learning rate.
      every: steps between two changes.
      factor: what the rate is multiplied by.

    Returns:
      The schedule.

    Example:
      >>> [round(float(step_schedule(1.0, 2, 0.1)(step)), 3) for step in range(5)]
      [1.0, 1.0, 0.1, 0.1, 0.01]
    """
    return optax.exponential_decay(rate, every, factor, staircase=True)


def _biases(tree: PyTree) -> PyTree:
    return jax.tree_util.tree_map_with_path(
        lambda path, _: jax.tree_util.keystr(path[-1:], simple=True) == "bias", tree
    )
