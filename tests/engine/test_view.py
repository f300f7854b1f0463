"""How training sees images where it looks at a few places of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.data.order import Batch, ColumnInputs
from transfer_jax.engine.view import View

SIDE, COUNT = 9, 200


@pytest.fixture(scope="module")
def batch():
    pixels = np.random.RandomState(0).randint(1, 256, (COUNT, SIDE, SIDE, 1)).astype(np.uint8)
    return Batch(jnp.asarray(pixels), jnp.zeros(COUNT, jnp.int32))


@pytest.fixture(scope="module")
def inputs():
    nothing = jnp.zeros(())
    return ColumnInputs(*[nothing] * 5, mean=jnp.zeros((SIDE, SIDE, 1)), scale=1.0, key=nothing)


def padded(batch, shift):
    return np.pad(np.asarray(batch.images), ((0, 0), *[(shift, shift)] * 2, (0, 0)))


def windows(batch, size, shift=0):
    """Every window of each image, by its corner, and the same ones mirrored."""
    images = padded(batch, shift)
    room = range(images.shape[1] - size + 1)
    found = {
        (top, left): images[:, top : top + size, left : left + size]
        for top in room
        for left in room
    }
    return found | {(*corner, "mirrored"): own[:, :, ::-1] for corner, own in found.items()}


def corners(x, known):
    """Which window each image of a batch is."""
    x = np.asarray(x)
    return [
        next(corner for corner, own in known.items() if np.array_equal(own[i], x[i]))
        for i in range(len(x))
    ]


@pytest.mark.parametrize(("crop", "shift"), [(5, 0), (0, 2)])
def test_all_images_are_seen_at_the_same_few_places(crop, shift, batch, inputs):
    view = View(mirror=True, crop=crop, shift=shift, views=4)
    known = windows(batch, crop or SIDE, shift)
    seen = [corners(view.training(batch, inputs, jax.random.key(k)), known) for k in (0, 1)]
    places = [{corner[:2] for corner in own} for own in seen]
    assert places[0] == places[1] and len(places[0]) == 4
    assert ((SIDE - crop) // 2 if crop else shift,) * 2 in places[0]
    # Each image has a place and a side of its own, and others at another step.
    assert len(set(seen[0])) == 8 and seen[0] != seen[1]
    counts = [sum(corner[:2] == place for corner in seen[0]) for place in places[0]]
    assert min(counts) > COUNT / 8


def test_as_many_places_as_there_are_are_all_of_them(batch, inputs):
    view = View(shift=1, views=9)
    known = windows(batch, SIDE, 1)
    seen = {
        corner[:2] for corner in corners(view.training(batch, inputs, jax.random.key(0)), known)
    }
    assert len(seen) == 9
    with pytest.raises(ValueError, match="there are 9 places in an image, not 10"):
        view._replace(views=10).training(batch, inputs, jax.random.key(0))


def test_one_place_is_the_middle_as_tests_see_it(batch, inputs):
    view = View(crop=5, shift=1, views=1)
    x = view.training(batch, inputs, jax.random.key(0))
    np.testing.assert_array_equal(x, view.evaluation(batch, inputs))
    assert view.kept_views == 1


def test_what_is_kept_of_each_view_is_what_training_sees(batch, inputs):
    view, key = View(mirror=True, crop=5, shift=1, views=3), jax.random.key(3)
    kept = {0: jnp.stack([view.kept(batch, inputs, jnp.int32(v)) for v in range(view.kept_views)])}
    assert len(kept[0]) == 6
    np.testing.assert_array_equal(view.drawn(kept, key)[0], view.training(batch, inputs, key))


def test_places_that_are_drawn_at_every_step_are_too_many():
    assert View(crop=5).kept_views == View(shift=1, mirror=True).kept_views == 0
    assert (View().kept_views, View(mirror=True, views=9).kept_views) == (1, 2)
