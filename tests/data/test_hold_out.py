"""Images held out of training: stratified, disjoint, the same on every machine."""

from dataclasses import replace

import numpy as np
import pytest

from transfer_jax.data.hold_out import with_held_out
from transfer_jax.data.image_set import TEST, TRAIN, VALIDATION, ImageSet

EXPECTED_TEST = [0, 1, 8, 15, 23, 25, 28, 38]
EXPECTED_VALIDATION = [9, 11, 20, 33]
COUNTS = (100, 37, 20, 2, 1)


def dataset(counts: tuple[int, ...] = COUNTS, names: str = "abcde") -> ImageSet:
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int32)
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    return ImageSet(images, labels, np.zeros(len(labels), np.int8), tuple(names))


def counts_of(images: ImageSet, subset: int) -> list[int]:
    return np.bincount(images.labels[images.subset == subset], minlength=len(COUNTS)).tolist()


def test_every_class_gives_its_share_of_what_the_test_leaves():
    found = with_held_out(dataset(), validation_share=0.1, test_share=0.2)
    # A fifth of 100, 37, 20, 2 and 1, to the nearest; a class of one image keeps it.
    assert counts_of(found, TEST) == [20, 7, 4, 1, 0]
    # A tenth of the 80, 30, 16, 1 and 1 that are left.
    assert counts_of(found, VALIDATION) == [8, 3, 2, 0, 0]
    assert counts_of(found, TRAIN) == [72, 27, 14, 1, 1]


def test_a_part_that_is_there_is_left_as_it_is():
    own = dataset()
    own = replace(own, subset=np.where(np.arange(160) % 10 == 0, TEST, TRAIN).astype(np.int8))
    found = with_held_out(own, validation_share=0.5, test_share=0.5)
    assert (found.is_test == own.is_test).all() and found.is_validation.sum() > 50


def test_no_share_holds_out_nothing():
    assert with_held_out(dataset(), validation_share=0, test_share=0).is_train.all()


def test_another_class_beside_it_changes_nothing():
    few = with_held_out(dataset((50, 40), "ac"), validation_share=0.1, test_share=0.2)
    more = with_held_out(dataset((50, 30, 40), "abc"), validation_share=0.1, test_share=0.2)
    for subset in (TEST, VALIDATION):
        first = np.flatnonzero(few.subset[50:] == subset)
        assert first.tolist() == np.flatnonzero(more.subset[80:] == subset).tolist()


def test_the_seed_decides_and_the_draw_is_spread_over_the_class():
    shares = {"validation_share": 0.1, "test_share": 0.2}
    one, again = (with_held_out(dataset(), **shares).subset for _ in range(2))
    other = with_held_out(dataset(), **shares, seed=1).subset
    assert (one == again).all() and (one != other).any()
    # Neither the first twenty nor every fifth.
    drawn = np.flatnonzero(one[:100] == TEST)
    assert len(set(np.diff(drawn).tolist())) > 3


def test_the_draw_is_the_same_on_every_machine():
    """Written down once: NumPy keeps its legacy generator, JAX its threefry keys."""
    found = with_held_out(dataset((20, 20), "ab"), validation_share=0.1, test_share=0.2)
    assert np.flatnonzero(found.is_test).tolist() == EXPECTED_TEST
    assert np.flatnonzero(found.is_validation).tolist() == EXPECTED_VALIDATION


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_class_of_two_keeps_one_and_gives_one(share):
    found = with_held_out(dataset((2, 2), "ab"), validation_share=0, test_share=share)
    assert np.bincount(found.labels[found.is_test]).tolist() == [1, 1]
