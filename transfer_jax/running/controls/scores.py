"""Scores that foretell how well features transfer, without training on the target."""

import numpy as np
from jaxtyping import Float, Int

from transfer_jax.running.controls.similarity import all_finite, centred

RIDGE = 1e-3
ROUNDS = 100
# Squares of singular values below this share are rounding, of activations in float32.
ROUNDING = 1e-13


def leep(
    source: Float[np.ndarray, "example source_class"], labels: Int[np.ndarray, " example"]
) -> float:
    """LEEP: how well target labels follow from what a source classifier says of target examples.

    Args:
      source: the probabilities of the source's classes, a row a target example.
      labels: the target's labels.

    Returns:
      The mean log probability of the label, in nats; 0 at best, and for a single label. Where
      the source says the same of all examples it is minus the labels' entropy. nan where a
      probability is not finite, or there is no example.

    Example:
      >>> leep(np.eye(2)[[0, 0, 1, 1]], np.array([1, 1, 0, 0]))
      0.0

    Source: Nguyen, Hassner, Seeger and Archambeau (2020), LEEP: a new measure to evaluate
    transferability of learned representations.
    """
    source = np.asarray(source).astype(np.float64)
    if not (len(labels) and all_finite(source)):
        return float("nan")
    classes, labels = np.unique(labels, return_inverse=True)
    onehot = np.eye(len(classes))[labels]
    joint = onehot.T @ source / len(labels)
    conditional = joint / np.maximum(joint.sum(axis=0, keepdims=True), 1e-300)
    likely = (source @ conditional.T)[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.maximum(likely, 1e-300))))


def logme(features: Float[np.ndarray, "example d"], labels: Int[np.ndarray, " example"]) -> float:
    """LogME: the log evidence of a linear model from features to labels, a mean over classes.

    Args:
      features: a row a target example, as they leave the network: not centred, not reduced. There
        may be more of them than examples.
      labels: the target's labels.

    Returns:
      The evidence at the best prior and noise, in nats an example. Features that are all zero
      (a dead layer) have that of noise alone, which is the least of any features. Where a class
      follows exactly from the features the evidence has no bound: the sum of squared errors is
      then taken for 1e-12. nan where a feature is not finite, or there is no example.

    Example:
      >>> labels = np.arange(40) % 2
      >>> logme(np.eye(2)[labels], labels) > logme(np.eye(2)[labels // 1 * 0], labels)
      True

    Source: You, Liu, Wang and Long (2021), LogME: practical assessment of pre-trained models for
    transfer learning. The rounds go on until they stand still.
    """
    if not (len(labels) and all_finite(features)):
        return float("nan")
    features = np.asarray(features).astype(np.float64)
    features = features / (np.abs(features).max(initial=0) or 1)  # the prior's scale is free
    # Of the examples' products, since a layer may have any number of features.
    squares, u = np.linalg.eigh(features @ features.T)
    squares = np.where(squares > ROUNDING * squares.max(), squares, 0)
    found = [_evidence(u, squares, (labels == label).astype(float)) for label in np.unique(labels)]
    return float(np.mean(found))


def _evidence(u: np.ndarray, squares: np.ndarray, y: np.ndarray) -> float:
    """The evidence of one class; prior and noise by fixed-point rounds.

    Directions without features are those of square 0; weights that see none of the examples have
    the prior for themselves, and take no part.
    """
    n = len(y)
    of_noise = 0.5 * (np.log(n / (y @ y)) - np.log(2 * np.pi) - 1)  # all weights zero
    if not squares.any():
        return float(of_noise)
    z2 = (u.T @ y) ** 2
    alpha = beta = 1.0
    weights = misfit = 0.0
    for _ in range(ROUNDS):
        ratio = alpha / beta
        gamma = float((squares / (squares + ratio)).sum())
        weights = float((squares * z2 / (squares + ratio) ** 2).sum())
        misfit = float((z2 * ratio**2 / (squares + ratio) ** 2).sum())
        alpha, beta = gamma / (weights + 1e-12), (n - gamma) / (misfit + 1e-12)
        if abs(alpha / beta - ratio) <= 1e-6 * ratio:
            break
    logs = float(np.log(1 + beta / alpha * squares).sum())
    fit = beta * misfit + alpha * weights
    evidence = n * np.log(beta) - n * np.log(2 * np.pi) - fit - logs
    return float(max(evidence / 2 / n, of_noise))  # the rounds may end at a lower summit


def principal(
    features: Float[np.ndarray, "example p"], others: Float[np.ndarray, "other p"], count: int
) -> tuple[Float[np.ndarray, "example k"], Float[np.ndarray, "other k"]]:
    """The directions in which some features vary most, of these and of others.

    Args:
      features: a row an example; the directions are theirs.
      others: a row an example.
      count: number of directions at most.

    Returns:
      Both in these directions, centred and scaled by what `features` are. Features that do not
      vary have no direction; those that are not finite have one, along which all is nan.
    """
    if not all_finite(features):
        return np.full((len(features), 1), np.nan), np.full((len(others), 1), np.nan)
    own, moved = _about_mean(features, others)
    values, vectors = np.linalg.eigh(own @ own.T)
    kept = [i for i in np.argsort(values)[::-1][:count] if values[i] > 1e-9 * values.max()]
    axes = own.T @ vectors[:, kept] / np.sqrt(values[kept])
    scale = np.sqrt(values[kept].max() / len(features)) if kept else 1.0
    return own @ axes / scale, moved @ axes / scale


def _about_mean(features: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both less the features' mean; rows of `others` that are not finite all nan."""
    own = centred(features)
    mean = (np.asarray(features).astype(np.float64) - own)[:1]
    wide = np.asarray(others).astype(np.float64)
    return own, np.where(np.isfinite(wide).all(axis=1, keepdims=True), wide, np.nan) - mean


def source_posterior(
    source: Float[np.ndarray, "example d"],
    labels: Int[np.ndarray, " example"],
    target: Float[np.ndarray, "other d"],
) -> Float[np.ndarray, "other source_class"]:
    """What linear discriminant analysis of a source's features says of target examples.

    It stands in for a source network's own last layer where the network is cut below it.

    Args:
      source: features of the source's examples.
      labels: the source's labels.
      target: features of target examples.

    Returns:
      Probabilities of the source's classes. Where no feature varies these are the classes'
      shares. nan where features of the source are not finite, or those of the target example.
    """
    classes = np.unique(labels)
    if not all_finite(source):
        return np.full((len(target), len(classes)), np.nan)
    source, target = _about_mean(source, target)
    means = np.stack([source[labels == label].mean(axis=0) for label in classes])
    within = source - means[np.searchsorted(classes, labels)]
    covariance = within.T @ within / len(source)
    # Examples of a class may be all alike, and all classes too.
    spread = np.trace(covariance) or np.square(source).sum() / len(source) or 1.0
    covariance += RIDGE * spread / max(len(covariance), 1) * np.eye(len(covariance))
    weights = np.linalg.solve(covariance, means.T)
    shares = np.array([np.mean(labels == label) for label in classes])
    scores = target @ weights - 0.5 * np.sum(means.T * weights, axis=0) + np.log(shares)
    scores -= scores.max(axis=1, keepdims=True)
    found = np.exp(scores)
    return found / found.sum(axis=1, keepdims=True)
