"""Examples whose classes are known, and the heads that scipy finds best on them."""

import numpy as np
from scipy.optimize import minimize

from transfer_jax.engine.probing import Examples

CLASSES = 4


def clouds(count, features, seed=0, *, correlated=True):
    """Examples of four classes, round a centre each; features of all sizes that go together."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, count)
    centres = np.random.default_rng(9).normal(size=(CLASSES, features))
    x = 0.4 * centres[labels] + generator.normal(size=(count, features))
    if correlated:
        x = x @ np.random.default_rng(8).normal(size=(features, features))
    sizes = 10.0 ** np.random.default_rng(7).uniform(-1, 1, features)
    return Examples((x * sizes + sizes).astype(np.float32), labels)


def optimum(train, strength):
    """Kernel and bias where scipy finds the objective least; the mean variance is made 1."""
    mean, unit = train.features.mean(0, float), np.sqrt(train.features.var(0, float).mean())
    x = (train.features - mean) / unit
    count, features = x.shape
    wanted = np.eye(CLASSES)[train.labels]

    def objective(flat):
        kernel, bias = flat[:-CLASSES].reshape(features, CLASSES), flat[-CLASSES:]
        logits = x @ kernel + bias
        logits -= logits.max(axis=1, keepdims=True)
        log = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -(wanted * log).sum(1).mean() + strength / 2 * (kernel**2).sum()
        slope = (np.exp(log) - wanted) / count
        return loss, np.r_[(x.T @ slope + strength * kernel).ravel(), slope.sum(0)]

    options = {"maxiter": 20_000, "ftol": 1e-15, "gtol": 1e-10}
    begin = np.zeros((features + 1) * CLASSES)
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", options=options)
    kernel, bias = found.x[:-CLASSES].reshape(features, CLASSES), found.x[-CLASSES:]
    kernel /= unit
    return kernel, bias - mean @ kernel


def logits(linear, examples):
    kernel, bias = linear
    return examples.features.astype(float) @ kernel + bias
