"""CKA, LEEP and LogME against other ways of computing them."""

from itertools import permutations

import ml_dtypes
import numpy as np
import pytest
from scipy import optimize, stats

from transfer_jax.running.controls.scores import leep, logme, principal, source_posterior
from transfer_jax.running.controls.similarity import debiased_cka

RANDOM = np.random.default_rng(0)


def biased_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Kornblith et al. (2019)."""
    a, b = x - x.mean(0), y - y.mean(0)
    across = np.linalg.norm(a.T @ b, "fro") ** 2
    return float(across / np.linalg.norm(a.T @ a, "fro") / np.linalg.norm(b.T @ b, "fro"))


def unbiased_hsic(x: np.ndarray, y: np.ndarray) -> float:
    """The mean of Song et al.'s (2007) kernel over all ordered fours of different examples."""
    a, b = x @ x.T, y @ y.T
    fours = permutations(range(len(x)), 4)
    return float(np.mean([a[i, j] * (b[i, j] + b[q, r] - 2 * b[i, q]) for i, j, q, r in fours]))


@pytest.mark.parametrize(("examples", "features"), [(12, 3), (9, 40)])
def test_cka_is_of_the_unbiased_estimates_of_hsic(examples, features):
    x, y = RANDOM.normal(size=(examples, features)), RANDOM.normal(size=(examples, 4))
    y[:, 0] += x[:, 1]
    expected = unbiased_hsic(x, y) / np.sqrt(unbiased_hsic(x, x) * unbiased_hsic(y, y))
    assert debiased_cka(x, y) == pytest.approx(expected)
    assert debiased_cka(x, y) == pytest.approx(debiased_cka(y, x))


@pytest.mark.parametrize(("examples", "features"), [(20, 400), (100, 20)])
def test_cka_of_networks_with_nothing_in_common_is_0_on_average(examples, features):
    """The usual one is above 0.9 where features outnumber examples."""
    pairs = [RANDOM.normal(size=(2, examples, features)) for _ in range(200)]
    found = [debiased_cka(*pair) for pair in pairs]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * error < 0.05
    assert np.mean([biased_cka(*pair) for pair in pairs]) > (0.9 if features > examples else 0.1)


def test_cka_of_many_examples_is_the_usual_one():
    x = RANDOM.normal(size=(5000, 3))
    y = x + RANDOM.normal(size=(5000, 3))
    assert debiased_cka(x, y) == pytest.approx(biased_cka(x, y), abs=0.005)


def test_cka_does_not_see_rotation_and_scale_but_sees_another_network():
    x = RANDOM.normal(size=(40, 6))
    turned, _ = np.linalg.qr(RANDOM.normal(size=(6, 6)))
    assert debiased_cka(x, 3 * x @ turned + 1) == pytest.approx(1)
    assert abs(debiased_cka(x, RANDOM.normal(size=(40, 6)))) < 0.3
    assert np.isnan(debiased_cka(x, np.ones((40, 2))))


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


# What the code published with the paper gives, of the paper's own way (`_fit_icml`). The way that
# it has for default leaves (D - N) log(alpha) out where features outnumber examples.
PUBLISHED = {(200, 16): 0.2106977717, (60, 200): 0.8133495317, (40, 90): 0.4317399411}


@pytest.mark.parametrize(("examples", "features"), PUBLISHED)
def test_logme_is_what_the_published_code_gives(examples, features):
    """It stops when prior and noise move by less than 1%, hence a little below the maximum."""
    random = np.random.RandomState(0)  # NumPy keeps what this generator draws
    labels, size = np.arange(examples) % 4, (examples, features)
    signal = random.standard_normal(size)
    signal += 1.5 * np.eye(4)[labels] @ random.standard_normal((4, features))
    found, theirs = logme(np.maximum(signal, 0), labels), PUBLISHED[examples, features]
    assert theirs < found < theirs + 0.005


def test_logme_does_not_see_scale_and_rotation_but_sees_where_zero_is():
    """The model has no intercept; features that are centred first are others."""
    features = 1 + RANDOM.normal(size=(50, 8))
    turned, _ = np.linalg.qr(RANDOM.normal(size=(8, 8)))
    labels = np.arange(50) % 4
    assert logme(7 * features @ turned, labels) == pytest.approx(logme(features, labels))
    centred = features - features.mean(0)
    assert logme(features, labels) > logme(centred, labels) + 0.05


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


def highest_evidence(features: np.ndarray, labels: np.ndarray) -> float:
    """LogME as a Gaussian whose two scales a general optimizer finds, from many starts."""

    def evidence(logs: np.ndarray, y: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        covariance = np.eye(len(y)) / beta + features @ features.T / alpha
        _, logdet = np.linalg.slogdet(2 * np.pi * covariance)
        return float(-0.5 * (logdet + y @ np.linalg.solve(covariance, y)))

    best = []
    for label in np.unique(labels):
        y = (labels == label).astype(float)
        found = [
            optimize.minimize(
                lambda logs, y=y: -evidence(logs, y),
                start,
                method="L-BFGS-B",
                bounds=[(-12, 25), (-12, 12)],
            ).fun
            for start in ([0.0, 0.0], [5.0, 1.0], [-5.0, 3.0])
        ]
        best.append(-min(found) / len(y))
    return float(np.mean(best))


LABELS = np.arange(40) % 4
DEGENERATE = {
    "constant": np.full((40, 3), 0.7),
    "one feature that varies": np.concatenate(
        [np.zeros((40, 5)), RANDOM.normal(size=(40, 1))], axis=1
    ),
    "one direction": RANDOM.normal(size=(40, 1)) @ RANDOM.normal(size=(1, 6)),
    "useless": RANDOM.normal(size=(40, 2)),
    "as many as examples": RANDOM.normal(size=(40, 40)),
    "more than examples": RANDOM.normal(size=(40, 90)),
    "very large": 1e30 * RANDOM.normal(size=(40, 3)),
    "very small": 1e-30 * RANDOM.normal(size=(40, 3)),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_logme_of_degenerate_features_is_the_highest_evidence(name):
    features = DEGENERATE[name]
    unit = features / np.abs(features).max()
    assert logme(features, LABELS) == pytest.approx(highest_evidence(unit, LABELS), rel=1e-3)


@pytest.mark.parametrize("features", [np.zeros((40, 3)), np.zeros((40, 0)), np.zeros((40, 80))])
def test_logme_of_a_dead_layer_is_that_of_noise_alone(features):
    each = []
    for label in range(4):
        y = (label == LABELS).astype(float)
        each.append(stats.norm.logpdf(y, scale=np.sqrt(np.mean(y**2))).mean())
    assert logme(features, LABELS) == pytest.approx(np.mean(each))
    assert logme(features, LABELS) <= logme(RANDOM.normal(size=(40, 2)), LABELS) + 1e-9


def test_logme_of_one_class_is_the_evidence_of_a_constant():
    features, labels = RANDOM.normal(size=(30, 2)), np.zeros(30, int)
    assert logme(features, labels) == pytest.approx(highest_evidence(features, labels), rel=1e-3)


BAD = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("bad", BAD)
def test_scores_of_what_is_not_finite_are_nan(bad):
    features = RANDOM.normal(size=(40, 5))
    spoilt = features.copy()
    spoilt[3, 2] = bad
    assert np.isnan(logme(spoilt, LABELS))
    assert np.isnan(debiased_cka(spoilt, features)) and np.isnan(debiased_cka(features, spoilt))
    for source, target in ((spoilt, features), (features, spoilt)):
        known, new = principal(source, target, 3)
        posterior = source_posterior(known, LABELS, new)
        assert np.isnan(leep(posterior, LABELS))
        assert np.isnan(source_posterior(source, LABELS, target)).any()
    own, _ = principal(spoilt, spoilt, 3)
    assert np.isnan(logme(own, LABELS))
    probabilities = RANDOM.dirichlet(np.ones(3), size=40)
    probabilities[0, 0] = bad
    assert np.isnan(leep(probabilities, LABELS))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e20])
def test_leep_of_a_layer_that_does_not_vary_is_minus_the_labels_entropy(value):
    labels = np.repeat([0, 1, 2], [20, 12, 8])
    source_labels = np.repeat([0, 1], [30, 10])
    features = np.full((40, 6), value, np.float32)
    known, new = principal(features, features, 4)
    for posterior in (
        source_posterior(known, source_labels, new),
        source_posterior(features.astype(float), source_labels, features.astype(float)),
    ):
        assert posterior == pytest.approx(np.tile([0.75, 0.25], (40, 1)))
        assert leep(posterior, labels) == pytest.approx(-stats.entropy([20, 12, 8]))
    assert np.isnan(debiased_cka(features, RANDOM.normal(size=(40, 2))))


def test_leep_of_one_label_is_certain():
    assert leep(RANDOM.dirichlet(np.ones(3), size=9), np.zeros(9, int)) == pytest.approx(0)


def test_classes_whose_examples_are_all_alike_are_told_apart():
    labels = np.repeat([0, 1], 20)
    found = source_posterior(np.eye(2)[labels], labels, np.eye(2)[labels])
    assert (found.argmax(axis=1) == labels).all() and found.max(axis=1).min() > 0.99


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16, np.float32, np.float64])
def test_cka_is_computed_in_double_precision_whatever_the_dtype(dtype):
    x = (100 + RANDOM.normal(size=(64, 8))).astype(dtype)
    turned = -2.0 * x[:, ::-1].astype(np.float64)
    assert debiased_cka(x, turned) == pytest.approx(1)
    wide = x.astype(np.float64)
    y = RANDOM.normal(size=(64, 3))
    assert debiased_cka(x, y) == pytest.approx(debiased_cka(wide - wide.mean(0), y))
    own, _ = principal(x, x, 3)
    assert np.linalg.norm(own) == pytest.approx(np.linalg.norm(principal(wide, wide, 3)[0]))


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e200])
def test_cka_does_not_see_even_an_extreme_scale(size):
    x, y = RANDOM.normal(size=(20, 4)), RANDOM.normal(size=(20, 4))
    assert debiased_cka(size * x, y) == pytest.approx(debiased_cka(x, y))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_cka_of_fewer_than_four_examples_is_nan(count):
    assert np.isnan(debiased_cka(RANDOM.normal(size=(count, 3)), RANDOM.normal(size=(count, 2))))


def test_cka_of_unequal_numbers():
    with pytest.raises(ValueError, match="x has 3 examples and y 4"):
        debiased_cka(np.ones((3, 2)), np.ones((4, 2)))


def test_leep_depends_on_which_labels_are_alike_not_on_their_names():
    source = RANDOM.dirichlet(np.ones(4), size=30)
    labels = RANDOM.integers(0, 3, 30)
    for renamed in (
        labels - 2,
        labels * 10**12,
        labels.astype(float),
        np.array(list("abc"))[labels],
    ):
        assert leep(source, renamed) == pytest.approx(leep(source, labels))
