"""The rule that chooses a learning rate, on tables whose answer is known."""

import numpy as np
import pytest

from transfer_jax.plan.choice import Tried, chosen_rate, mean_accuracy

IMAGES = 400


def at(share: float, diverged: int = 0, seed: int | None = None) -> Tried:
    """A family that is right on a share of the images: the first ones, or some by lot."""
    right = np.arange(IMAGES) < share * IMAGES
    if seed is not None:
        right = np.random.default_rng(seed).permutation(right)
    return Tried(right / IMAGES, diverged)


@pytest.mark.parametrize(
    ("tried", "chosen"),
    [
        # By far the best.
        ({0.3: at(0.5), 1.0: at(0.6), 3.0: at(0.8)}, 3.0),
        ({0.3: at(0.8), 1.0: at(0.6), 3.0: at(0.5)}, 0.3),
        # The same; the nearest to 1 as a ratio; of two that are as near the smaller.
        ({0.3: at(0.7), 1.0: at(0.7), 3.0: at(0.7)}, 1.0),
        ({0.5: at(0.7), 4.0: at(0.7)}, 0.5),
        ({0.2: at(0.7), 3.0: at(0.7)}, 3.0),
        ({3.0: at(0.7), 1 / 3: at(0.7)}, 1 / 3),
        ({2.0: at(0.7), 4.0: at(0.7)}, 2.0),
        # Noise lets the worse one be chosen where it is nearer to 1, not where it is farther.
        ({1.0: at(0.70, seed=0), 3.0: at(0.71, seed=1)}, 1.0),
        ({1.0: at(0.71, seed=0), 3.0: at(0.70, seed=1)}, 1.0),
        # A network that diverged counts more than any accuracy.
        ({1.0: at(0.5), 3.0: at(0.9, diverged=1)}, 1.0),
        ({0.3: at(0.1), 1.0: at(0.9, diverged=1), 3.0: at(0.9, diverged=2)}, 0.3),
        ({0.3: at(0.1, 1), 1.0: at(0.9, 1), 3.0: at(0.9, 2)}, 0.3),
        ({1.0: at(0.5)}, 1.0),
    ],
)
def test_the_best_rate_is_taken_and_within_noise_the_nearest_to_one(tried, chosen):
    assert chosen_rate(tried) == chosen


def test_noise_is_one_standard_error_of_the_paired_difference():
    """k images more are right, none fewer: a difference of k, with an error of sqrt(k (1 - k/N))

    and a factor N/(N-1) under the root. It is never within noise, of k = 1 on; with m images the
    other way it is where k - m is less than the root of k + m.
    """
    for gained, lost, within in ((2, 0, False), (4, 1, False), (3, 2, True), (6, 4, True)):
        right = np.zeros(IMAGES)
        right[:100] = 1
        other = right.copy()
        other[100 : 100 + gained] = 1
        other[:lost] = 0
        assert (gained - lost < np.sqrt(gained + lost)) == within
        found = chosen_rate({1.0: Tried(right / IMAGES, 0), 3.0: Tried(other / IMAGES, 0)})
        assert found == (1.0 if within else 3.0), (gained, lost)


def test_a_mean_accuracy_is_that_of_networks_whatever_images_each_saw():
    generator = np.random.default_rng(0)
    networks = []
    for count in (3, 5, 8):
        numbers = np.sort(generator.choice(10, count, replace=False))
        networks.append((numbers, generator.random(count) < 0.5))
    parts = mean_accuracy(networks, 10)
    assert parts.sum() == pytest.approx(np.mean([right.mean() for _, right in networks]))
    assert parts.shape == (10,) and (parts >= 0).all()
