import jax
import jax.numpy as jnp
import numpy as np

from transfer_jax.data import order
from transfer_jax.data.augment import normalise, random_mirror
from transfer_jax.data.crops import random_shift
from transfer_jax.grid.keys import key_for

EXAMPLES = np.array([3, 5, 8, 13, 21, 34, 55], np.int32)


def order_of(seed: int, batch_size: int, **options) -> order.BatchOrder:
    return order.batch_order(key_for(seed, "batches"), EXAMPLES, batch_size, **options)


def test_every_pass_sees_each_example_once():
    order = order_of(0, 3).batches(7).ravel()
    for start in range(0, 21, 7):
        assert sorted(order[start : start + 7]) == EXAMPLES.tolist()
    assert order[:7].tolist() != order[7:14].tolist()


def test_the_order_depends_on_the_key_alone():
    first = order_of(0, 3).batches(7)
    np.testing.assert_array_equal(first, order_of(0, 3).batches(7))
    assert (first != order_of(1, 3).batches(7)).any()


def test_more_steps_go_on_where_fewer_stop():
    short, long = order_of(0, 5).batches(2), order_of(0, 5).batches(9)
    np.testing.assert_array_equal(short, long[:2])


def test_an_order_can_begin_anywhere():
    order = order_of(0, 5)
    np.testing.assert_array_equal(order.at(np.arange(15, 25)), order.batches(5)[3:].ravel())


def test_the_original_shuffles_once():
    order = order_of(0, 7, reshuffle=False).batches(3)
    assert sorted(order[0]) == EXAMPLES.tolist()
    np.testing.assert_array_equal(order[0], order[2])


def test_padded_batches_hold_every_example_once():
    batches = order.padded_batches(EXAMPLES, 4, 10)
    assert batches.shape == (3, 4)
    assert batches[batches >= 0].tolist() == EXAMPLES.tolist()


def test_normalised_images_have_mean_0_and_variance_1():
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 1)).astype(np.uint8)
    mean, scale = order.normalisation(images)
    x = np.asarray(normalise(jnp.asarray(images), jnp.asarray(mean), jnp.asarray(scale)))
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(), 1, rtol=1e-5)


def test_mirroring_flips_about_half_of_the_images():
    images = jnp.tile(jnp.arange(3.0)[None, None, :, None], (400, 2, 1, 1))
    mirrored = random_mirror(jax.random.key(0), images)
    flipped = np.asarray(mirrored[:, 0, 0, 0] == 2)
    assert 160 < flipped.sum() < 240
    np.testing.assert_array_equal(mirrored[flipped], images[flipped][:, :, ::-1])


def test_shifting_moves_the_image_and_fills_with_0():
    images = jnp.zeros((200, 5, 5, 1)).at[:, 2, 2].set(1.0)
    shifted = np.asarray(random_shift(jax.random.key(0), images, 1))
    where = np.argwhere(shifted[..., 0] == 1)[:, 1:]
    assert len(where) == 200
    assert {tuple(w) for w in where} == {(i, j) for i in (1, 2, 3) for j in (1, 2, 3)}
    np.testing.assert_array_equal(random_shift(jax.random.key(0), images, 0), images)
