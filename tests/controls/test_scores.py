"""CKA, LEEP and LogME against other ways of computing them."""

import numpy as np
import pytest
from scipy import optimize, stats

from transfer_jax.controls.scores import leep, logme, principal, source_posterior
from transfer_jax.controls.similarity import linear_cka

RANDOM = np.random.default_rng(0)


def test_cka_is_that_of_covariances():
    x, y = RANDOM.normal(size=(50, 7)), RANDOM.normal(size=(50, 4))
    y[:, 0] += x[:, 1]
    a, b = x - x.mean(0), y - y.mean(0)
    across = np.linalg.norm(a.T @ b, "fro") ** 2
    expected = across / np.linalg.norm(a.T @ a, "fro") / np.linalg.norm(b.T @ b, "fro")
    assert linear_cka(x, y) == pytest.approx(expected)
    assert linear_cka(x, y) == pytest.approx(linear_cka(y, x))


def test_cka_does_not_see_rotation_and_scale_but_sees_another_network():
    x = RANDOM.normal(size=(40, 6))
    turned, _ = np.linalg.qr(RANDOM.normal(size=(6, 6)))
    assert linear_cka(x, 3 * x @ turned + 1) == pytest.approx(1)
    assert linear_cka(x, RANDOM.normal(size=(40, 6))) < 0.6
    assert np.isnan(linear_cka(x, np.ones((40, 2))))


def test_leep_is_its_definition_written_out():
    source = RANDOM.dirichlet(np.ones(4), size=30)
    labels = RANDOM.integers(0, 3, 30)
    total = 0.0
    for i in range(30):
        likely = 0.0
        for z in range(4):
            mass = sum(source[j, z] for j in range(30)) / 30
            joint = sum(source[j, z] for j in range(30) if labels[j] == labels[i]) / 30
            likely += joint / mass * source[i, z]
        total += np.log(likely)
    assert leep(source, labels) == pytest.approx(total / 30)


def test_logme_is_the_highest_evidence_of_a_linear_model():
    """The same Gaussian, its two scales found by a general optimizer."""
    features = RANDOM.normal(size=(60, 5))
    labels = (features[:, 0] + 0.5 * RANDOM.normal(size=60) > 0).astype(int)

    def evidence(logs: np.ndarray, y: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        covariance = np.eye(60) / beta + features @ features.T / alpha
        return float(stats.multivariate_normal.logpdf(y, np.zeros(60), covariance))

    expected = []
    for label in (0, 1):
        y = (labels == label).astype(float)
        found = optimize.minimize(lambda logs, y=y: -evidence(logs, y), np.zeros(2), tol=1e-10)
        expected.append(-found.fun / 60)
    assert logme(features, labels) == pytest.approx(np.mean(expected), rel=1e-4)


def test_logme_takes_more_features_than_examples():
    features = RANDOM.normal(size=(20, 50))
    labels = np.arange(20) % 2
    assert np.isfinite(logme(features, labels))


def test_better_features_score_higher():
    labels = RANDOM.integers(0, 3, 200)
    clear = np.eye(3)[labels] + 0.3 * RANDOM.normal(size=(200, 3))
    vague = np.eye(3)[labels] + 3.0 * RANDOM.normal(size=(200, 3))
    assert logme(clear, labels) > logme(vague, labels)
    source = [source_posterior(x, labels, x) for x in (clear, vague)]
    assert leep(source[0], labels) > leep(source[1], labels)


def test_the_discriminant_is_bayes_rule_for_gaussians_of_one_covariance():
    labels = np.repeat([0, 1], 4000)
    means = np.array([[0.0, 0.0], [2.0, 1.0]])
    x = means[labels] + RANDOM.normal(size=(8000, 2))
    found = source_posterior(x, labels, x[:50])
    likely = [stats.multivariate_normal.pdf(x[:50], m) for m in means]
    assert found[:, 1] == pytest.approx(likely[1] / (likely[0] + likely[1]), abs=0.03)
    assert found.sum(axis=1) == pytest.approx(1)


def test_principal_directions_are_those_of_the_decomposition():
    x, y = RANDOM.normal(size=(30, 100)), RANDOM.normal(size=(5, 100))
    own, others = principal(x, y, 3)
    _, _, axes = np.linalg.svd(x - x.mean(0), full_matrices=False)
    expected = (y - x.mean(0)) @ axes[:3].T
    scale = np.abs(expected).max() / np.abs(others).max()
    assert np.abs(others * scale) == pytest.approx(np.abs(expected))
    assert own.shape == (30, 3)
