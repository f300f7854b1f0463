"""Multinomial logistic regression on features that do not change, to the optimum."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

# Of the squares of weights, beside the mean cross-entropy; features have variance 1.
STRENGTHS = tuple(10.0**power for power in range(-5, 2))
# Where there are no validation images to choose by.
FIXED_STRENGTH = 1e-2
MOST_ITERATIONS = 300
# Of the largest derivative: what float32 can tell from 0 is not far below.
TOLERANCE = 1e-5


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

    Args:
      features: what is known of each example, of mean 0 and variance 1.
      labels: the true classes.
      strengths: factors of the squares of weights.
      outputs: number of logits.

    Returns:
      The maps, with a leading axis of strengths.

    Source: L-BFGS, Liu and Nocedal (1989), with the line search of Nocedal and Wright (2006).
    """
    return jax.vmap(lambda strength: _solved(features, labels, strength, outputs))(strengths)


def _solved(features: Array, labels: Array, strength: Array, outputs: int) -> Linear:
    loss = functools.partial(objective, features=features, labels=labels, strength=strength)
    tx = optax.lbfgs()
    value_and_grad: Any = optax.value_and_grad_from_state(loss)
    zeros = Linear(jnp.zeros((features.shape[1], outputs)), jnp.zeros(outputs))

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

    begin = _Held(zeros, tx.init(zeros), jnp.array(jnp.inf), jnp.array(0))  # pyright: ignore
    return jax.lax.while_loop(goes_on, step, begin).linear


class _Held(NamedTuple):
    """Where the solver stands: steps done, and the largest derivative before the last of them."""

    linear: Linear
    state: optax.OptState
    largest: Array
    done: Array


class Standard(NamedTuple):
    """What makes features of mean 0 and variance 1."""

    mean: Float[np.ndarray, " feature"]
    scale: Float[np.ndarray, " feature"]


def standard_of(features: Float[np.ndarray, "example feature"]) -> Standard:
    """Mean, and one over the deviation, of each feature; 0 for one that is always the same.

    Example:
      >>> standard_of(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32))
      Standard(mean=array([2., 5.]), scale=array([1., 0.]))
    """
    mean, deviation = features.mean(axis=0, dtype=float), features.std(axis=0, dtype=float)
    # What differs by rounding alone would be blown up.
    varies = deviation > 1e-4 * np.maximum(np.abs(mean), 1e-6)
    return Standard(mean, np.divide(1.0, deviation, out=np.zeros_like(mean), where=varies))


def folded(linear: Linear, standard: Standard) -> Linear:
    """The linear map of features as they are, from that of features made standard.

    Example:
      >>> one = Linear(jnp.array([[2.0]]), jnp.array([1.0]))
      >>> folded(one, Standard(np.array([3.0]), np.array([0.5])))
      Linear(kernel=array([[1.]], dtype=float32), bias=array([-2.], dtype=float32))
    """
    kernel = np.asarray(linear.kernel, float) * standard.scale[:, None]
    bias = np.asarray(linear.bias, float) - standard.mean @ kernel
    return Linear(kernel.astype(np.float32), bias.astype(np.float32))
