"""Bets on paired differences are fair, whatever the number of images."""

from itertools import product
from math import log

import numpy as np
import pytest

from transfer_jax.analysis.statistics.betting import (
    Paired,
    evidence,
    images_to_show,
    paired,
    paired_at_worst,
)


def counts(losses: float, ties: float, wins: float) -> Paired:
    return Paired(np.array([-1.0, 0.0, 1.0]), np.array([losses, ties, wins], float))


def test_a_stake_by_hand():
    """Four images take one bet, of 0.9 of what could lose all; sixteen take two."""
    assert evidence(counts(0, 1, 3), 0.0) == pytest.approx(log(1.9**3))
    assert evidence(counts(1, 1, 2), 0.0) == pytest.approx(log(0.1 * 1.9**2))
    bet = 0.9 / 1.1
    assert evidence(counts(0, 1, 3), 0.1) == pytest.approx(
        log((1 - 0.1 * bet) * (1 + 0.9 * bet) ** 3)
    )
    both = (0.1 * 1.9**15 + 0.55 * 1.45**15) / 2
    assert evidence(counts(1, 0, 15), 0.0) == pytest.approx(log(both))


@pytest.mark.parametrize("margin", [0.0, 0.1, -0.1])
@pytest.mark.parametrize("differ", [0.2, 0.7])
def test_a_stake_is_fair_where_the_mean_is_the_margin(margin, differ):
    """Of all tables of seven images, each with its probability: the mean of stakes is 1."""
    chances = {-1: (differ - margin) / 2, 0: 1 - differ, 1: (differ + margin) / 2}
    mean = 0.0
    for table in product(chances, repeat=7):
        found = counts(*(table.count(value) for value in (-1, 0, 1)))
        mean += np.prod([chances[value] for value in table]) * np.exp(evidence(found, margin))
    assert mean == pytest.approx(1)


def test_what_is_not_above_is_seldom_shown_to_be():
    """Few images in which two differ: there normal intervals fail, and bets do not."""
    random, shown = np.random.default_rng(0), 0
    for table in random.multinomial(300, (0.0, 0.99, 0.01), size=4000):
        # The second is below by a point; that it is not further below is true at its edge.
        shown += evidence(counts(table[2], table[1], table[0]), -0.01) >= log(20)
        shown += evidence(counts(*table), 0.01) >= log(20)
    assert shown / 4000 <= 0.1


def test_pairs_are_of_images():
    first = np.array([[1, 1, 0, 0, 1], [1, 0, 0, 0, 1]], bool)
    second = np.array([[0, 1, 1, 0, 1], [0, 1, 1, 0, 1]], bool)
    found = paired(first, second)
    by_hand = np.array([1, -0.5, -1, 0, 0])
    assert found.mean == pytest.approx(by_hand.mean())
    assert found.error == pytest.approx(by_hand.std() / np.sqrt(5))
    bets = np.array([0.9, 0.45])
    assert evidence(found, 0.0) == pytest.approx(
        log(np.mean([np.prod(1 + bet * by_hand) for bet in bets]))
    )


def test_with_300_images_a_difference_has_an_error_of_a_point_and_a_half():
    assert counts(10, 279, 11).error == pytest.approx(0.0153, abs=1e-4)


def test_not_to_know_the_images_is_never_to_know_more():
    random = np.random.default_rng(0)
    for accuracy in (0.3, 0.6, 0.9, 0.99):
        for _ in range(20):
            both = random.random((2, 2, 200)) < [[[accuracy]], [[accuracy - 0.1]]]
            known = paired(both[0], both[1])
            worst = paired_at_worst(both[0].mean(), both[1].mean(), 200)
            assert worst.mean == pytest.approx(known.mean)
            assert worst.images.min() >= 0 and worst.images.sum() == pytest.approx(200)
            for margin in (0.0, 0.01, -0.01):
                assert evidence(worst, margin) <= evidence(known, margin) + 1e-9


def test_so_many_images_would_show_it_and_fewer_would_not():
    found = counts(9, 279, 12)
    number = images_to_show(found, 0.0, log(600))
    assert number is not None and number > 300
    share = number / 300
    assert evidence(found._replace(images=found.images * share), 0.0) >= log(600)
    assert evidence(found._replace(images=found.images * 0.85 * share), 0.0) < log(600)


def test_no_number_of_images_shows_what_is_not_so():
    assert images_to_show(counts(10, 280, 10), 0.01, log(20)) is None
