"""Multinomial logistic regression on features that do not change, to the optimum."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

# Of the squares of weights, beside the mean cross-entropy; the mean variance of features is 1.
STRENGTHS = tuple(10.0**power for power in range(-5, 2))
# Where there are no validation images to choose by.
FIXED_STRENGTH = 1e-2
MOST_ITERATIONS = 100
# Of the largest derivative, where curvatures are 1: float32 cannot tell much less from 0.
TOLERANCE = 5e-5


class Linear(NamedTuple):
    """A linear map to logits; with a leading axis, several."""

    kernel: Float[Array | np.ndarray, "*several feature output"]
    bias: Float[Array | np.ndarray, "*several output"]


def objective(
    linear: Linear,
    features: Float[Array, "example feature"],
    labels: Int[Array, " example"],
    strength: Float[Array, ""] | float,
) -> Float[Array, ""]:
    """The mean cross-entropy, and half the squares of all weights times a strength.

    Args:
      linear: weights, and biases, which are not made small.
      features: what is known of each example.
      labels: the true classes.
      strength: factor of the squares.

    Returns:
      What is made small.

    Example:
      >>> linear = Linear(jnp.ones((1, 2)), jnp.zeros(2))
      >>> round(objective(linear, jnp.ones((1, 1)), jnp.zeros(1, int), 0.5).item(), 3)
      1.193
    """
    logits = logits_of(linear, features)
    cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    return cross_entropy + strength / 2 * jnp.square(linear.kernel).sum()


def logits_of(
    linear: Linear, features: Float[Array, "example feature"]
) -> Float[Array, "example output"]:
    """The logits of some features, in full precision on every backend."""
    return jnp.matmul(features, linear.kernel, precision=jax.lax.Precision.HIGHEST) + linear.bias


@functools.partial(jax.jit, static_argnames="outputs")
def solve(
    features: Float[Array, "example feature"],
    labels: Int[Array, " example"],
    strengths: Float[Array, " strength"],
    outputs: int,
) -> Linear:
    """The linear maps that make the objective small, one a strength, side by side.

    Features that are uncorrelated make it quick: their curvatures are then known, nearly, and each
    weight is counted in the unit in which its curvature is 1.

    Args:
      features: what is known of each example, as `Axes` gives it.
      labels: the true classes.
      strengths: factors of the squares of weights.
      outputs: number of logits.

    Returns:
      The maps, with a leading axis of strengths.

    Source: L-BFGS, Liu and Nocedal (1989), with the line search of Nocedal and Wright (2006).
    """
    curvature = jnp.square(features).mean(axis=0) / outputs

    def solved(strength: Array) -> Linear:
        unit = Linear(jax.lax.rsqrt(curvature + strength)[:, None], jnp.sqrt(jnp.float32(outputs)))

        def map_of(counted: Linear) -> Linear:
            return Linear(counted.kernel * unit.kernel, counted.bias * unit.bias)

        def loss(counted: Linear) -> Array:
            return objective(map_of(counted), features, labels, strength)

        zeros = Linear(jnp.zeros((features.shape[1], outputs)), jnp.zeros(outputs))
        return map_of(_least(loss, zeros))

    return jax.vmap(solved)(strengths)


class _Held(NamedTuple):
    """Where the solver stands: steps done, and the largest derivative before the last of them."""

    linear: Linear
    state: optax.OptState
    largest: Array
    done: Array


def _least(loss: Callable[[Linear], Array], begin: Linear) -> Linear:
    """Where a convex function is least."""
    tx = optax.lbfgs()
    value_and_grad: Any = optax.value_and_grad_from_state(loss)

    def step(held: _Held) -> _Held:
        value, grad = value_and_grad(held.linear, state=held.state)
        updates, state = tx.update(
            grad, held.state, held.linear, value=value, grad=grad, value_fn=loss
        )
        largest = jnp.maximum(jnp.abs(grad.kernel).max(), jnp.abs(grad.bias).max())
        linear: Any = optax.apply_updates(held.linear, updates)  # pyright: ignore
        return _Held(linear, state, largest, held.done + 1)

    def goes_on(held: _Held) -> Array:
        return (held.largest > TOLERANCE) & (held.done < MOST_ITERATIONS)

    first = _Held(begin, tx.init(begin), jnp.array(jnp.inf), jnp.array(0))  # pyright: ignore
    return jax.lax.while_loop(goes_on, step, first).linear


class Axes(NamedTuple):
    """What makes features uncorrelated: less their means, in one unit, along other axes.

    The unit makes the mean variance of features 1. It is one for all, so that what hardly differs
    is not blown up, neither by the head nor in what is trained below it.
    """

    mean: Float[np.ndarray, " feature"]
    turn: Float[np.ndarray, "feature axis"]

    def of(self, features: Float[np.ndarray, "example feature"]) -> Float[np.ndarray, "e a"]:
        """Features along the axes."""
        return (features.astype(float) - self.mean) @ self.turn

    def folded(self, linear: Linear) -> Linear:
        """The linear map of features as they are, from that of features along the axes."""
        kernel = self.turn @ np.asarray(linear.kernel, float)
        bias = np.asarray(linear.bias, float) - self.mean @ kernel
        return Linear(kernel.astype(np.float32), bias.astype(np.float32))


def axes_of(features: Float[np.ndarray, "example feature"]) -> Axes:
    """The principal axes of features.

    Args:
      features: of the examples that a map is solved on.

    Returns:
      The axes along which the features differ at all; one at least.

    Example:
      >>> axes = axes_of(np.array([[1.0, 5.0], [3.0, 5.0]]))
      >>> np.abs(axes.of(np.array([[1.0, 5.0]]))).round(6).tolist()
      [[1.414214]]
    """
    features = features.astype(float)
    mean, unit = features.mean(axis=0), np.sqrt(features.var(axis=0).mean())
    centred = (features - mean) / (unit or 1.0)
    # Of fewer examples than features all axes are sums of examples, and these are soon found.
    is_wide = len(centred) < centred.shape[1]
    tall = centred.T if is_wide else centred
    variances, axes = np.linalg.eigh(tall.T @ tall / len(features))
    kept = variances > 1e-9 * variances.max()
    kept[-1] = True  # Where all examples are the same, there is still a map to be found.
    axes = axes[:, kept]
    if is_wide:
        axes = tall @ axes
        axes /= np.maximum(np.linalg.norm(axes, axis=0), np.finfo(float).tiny)
    return Axes(mean, axes / (unit or 1.0))
