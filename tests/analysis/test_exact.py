"""The exact test of two networks on the same images."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, multinomial

from transfer_jax.analysis.statistics.betting import Paired, evidence
from transfer_jax.analysis.statistics.exact import FOR_DIFFER, is_above


def counts(losses: int, same: int, wins: int) -> Paired:
    return Paired(np.array([-1.0, 0.0, 1.0]), np.array([losses, same, wins], float))


def shown(images: int, margin: float, error: float) -> np.ndarray:
    """All tables of so many images in which it is shown."""
    tables = ((i, images - i - j, j) for i, j in product(range(images + 1), repeat=2))
    found = [t for t in tables if t[1] >= 0 and is_above(counts(*t), margin, error)]
    return np.array(found).reshape(-1, 3)


@pytest.mark.parametrize("images", [12, 70])
@pytest.mark.parametrize("margin", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("error", [0.05, 0.001])
def test_it_is_wrong_no_more_often_than_it_says(images, margin, error):
    """Of all tables, each with its probability, where the first is above by just the margin."""
    tables = shown(images, margin, error)
    most = 0.0
    for differ in np.linspace(margin, 1, 80):
        chances = (differ - margin) / 2, 1 - differ, (differ + margin) / 2
        most = max(most, float(multinomial.pmf(tables, images, chances).sum()))
    assert most <= error
    assert images == 12 or most > error / 10, "it would be of no use"


def test_without_a_margin_it_is_the_sign_test():
    for losses, wins in ((0, 9), (1, 9), (3, 12), (5, 27), (20, 31), (4, 4)):
        known = binomtest(wins, wins + losses, 0.5, alternative="greater").pvalue
        for error in (0.05, 0.01, 1e-4):
            is_shown = known <= (1 - FOR_DIFFER) * error
            assert is_above(counts(losses, 60, wins), 0.0, error) == is_shown


def test_images_in_which_both_are_alike_make_a_margin_harder_to_pass():
    assert is_above(counts(1, 30, 40), 0.1, 0.001)
    assert not is_above(counts(1, 900, 40), 0.1, 0.001)
    assert not is_above(counts(0, 70, 0), 0.01, 0.05)
    assert not is_above(counts(0, 0, 0), 0.01, 0.05)


def test_it_shows_more_than_a_bet_does():
    """Of tables of 70 images with 30 points between two, far more."""
    tables = np.random.default_rng(0).multinomial(70, (0.05, 0.6, 0.35), size=300)
    error = 1e-4
    exact = sum(is_above(counts(*table), 0.01, error) for table in tables)
    bets = sum(evidence(counts(*table), 0.01) >= -np.log(error) for table in tables)
    assert exact > 1.3 * bets > 0
