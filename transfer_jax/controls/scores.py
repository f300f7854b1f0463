"""Scores that foretell how well features transfer, without training on the target."""

import numpy as np
from jaxtyping import Float, Int

RIDGE = 1e-3
ROUNDS = 100


def leep(
    source: Float[np.ndarray, "example source_class"], labels: Int[np.ndarray, " example"]
) -> float:
    """LEEP: how well target labels follow from what a source classifier says of target examples.

    Args:
      source: the probabilities of the source's classes, a row a target example.
      labels: the target's labels.

    Returns:
      The mean log probability of the label, in nats; 0 at best.

    Example:
      >>> leep(np.eye(2)[[0, 0, 1, 1]], np.array([1, 1, 0, 0]))
      0.0

    Source: Nguyen, Hassner, Seeger and Archambeau (2020), LEEP: a new measure to evaluate
    transferability of learned representations.
    """
    onehot = np.eye(labels.max() + 1)[labels]
    joint = onehot.T @ source / len(labels)
    conditional = joint / np.maximum(joint.sum(axis=0, keepdims=True), 1e-300)
    likely = (source @ conditional.T)[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.maximum(likely, 1e-300))))


def logme(features: Float[np.ndarray, "example d"], labels: Int[np.ndarray, " example"]) -> float:
    """LogME: the log evidence of a linear model from features to labels, a mean over classes.

    Args:
      features: a row a target example.
      labels: the target's labels.

    Returns:
      The evidence at the best prior and noise, in nats an example.

    Example:
      >>> labels = np.arange(40) % 2
      >>> logme(np.eye(2)[labels], labels) > logme(np.eye(2)[labels // 1 * 0], labels)
      True

    Source: You, Liu, Wang and Long (2021), LogME: practical assessment of pre-trained models for
    transfer learning.
    """
    u, s, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    found = [
        _evidence(u, s**2, (labels == label).astype(float), features.shape[1])
        for label in np.unique(labels)
    ]
    return float(np.mean(found))


def _evidence(u: np.ndarray, squares: np.ndarray, y: np.ndarray, d: int) -> float:
    """The evidence of one class; prior and noise by fixed-point rounds."""
    n = len(y)
    z2 = (u.T @ y) ** 2
    rest = max(float(y @ y - z2.sum()), 0.0)
    alpha = beta = 1.0
    weights = misfit = 0.0
    for _ in range(ROUNDS):
        ratio = alpha / beta
        gamma = float((squares / (squares + ratio)).sum())
        weights = float((squares * z2 / (squares + ratio) ** 2).sum())
        misfit = float((z2 * ratio**2 / (squares + ratio) ** 2).sum()) + rest
        alpha, beta = gamma / (weights + 1e-12), (n - gamma) / (misfit + 1e-12)
        if abs(alpha / beta - ratio) <= 1e-6 * ratio:
            break
    logs = float(np.log(alpha + beta * squares).sum()) + (d - len(squares)) * np.log(alpha)
    fit = beta * misfit + alpha * weights
    evidence = d * np.log(alpha) + n * np.log(beta) - n * np.log(2 * np.pi) - fit - logs
    return float(evidence / 2 / n)


def principal(
    features: Float[np.ndarray, "example p"], others: Float[np.ndarray, "other p"], count: int
) -> tuple[Float[np.ndarray, "example k"], Float[np.ndarray, "other k"]]:
    """The directions in which some features vary most, of these and of others.

    Args:
      features: a row an example; the directions are theirs.
      others: a row an example.
      count: number of directions at most.

    Returns:
      Both in these directions, centred and scaled by what `features` are.
    """
    mean = features.mean(axis=0)
    centred = (features - mean).astype(np.float64)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    kept = [i for i in np.argsort(values)[::-1][:count] if values[i] > 1e-9 * values.max()]
    axes = centred.T @ vectors[:, kept] / np.sqrt(values[kept])
    scale = np.sqrt(values[kept].max() / len(features)) if kept else 1.0
    return centred @ axes / scale, (others - mean) @ axes / scale


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
      Probabilities of the source's classes.
    """
    classes = np.unique(labels)
    means = np.stack([source[labels == label].mean(axis=0) for label in classes])
    within = source - means[np.searchsorted(classes, labels)]
    covariance = within.T @ within / len(source)
    covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    weights = np.linalg.solve(covariance, means.T)
    shares = np.array([np.mean(labels == label) for label in classes])
    scores = target @ weights - 0.5 * np.sum(means.T * weights, axis=0) + np.log(shares)
    scores -= scores.max(axis=1, keepdims=True)
    found = np.exp(scores)
    return found / found.sum(axis=1, keepdims=True)
