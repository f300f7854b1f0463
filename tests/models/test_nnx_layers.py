"""NNX modules in order as a network that can be cut, against the same modules used as they are."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from transfer_jax import graft
from transfer_jax.models.layered import TRAINING, Mode
from transfer_jax.models.nnx_layers import from_nnx

X = 3 + 2 * jax.random.normal(jax.random.key(1), (8, 5))
KEY = {"dropout": jax.random.key(2)}


class Block(nnx.Module):
    def __init__(self, features, *, rngs):
        self.dense = nnx.List([nnx.Linear(5, features, rngs=rngs)])
        self.norm = nnx.BatchNorm(features, momentum=0.8, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.drop(nnx.relu(self.norm(self.dense[0](x))))


@pytest.fixture(scope="module")
def net():
    blocks = [("a", partial(Block, 6)), ("double", lambda x: 2 * x)]
    return from_nnx([*blocks, ("head", lambda rngs: nnx.Linear(6, 3, rngs=rngs))])


@pytest.fixture(scope="module")
def variables(net):
    fresh = net.init(jax.random.key(0), X)
    own = fresh["a"]
    moved = jax.tree.map(lambda leaf: leaf + 0.3, own["batch_stats"])
    return {**fresh, "a": {**own, "batch_stats": moved}}


@pytest.fixture
def as_it_is(variables):
    """A module of the user's own, holding the same numbers."""
    block, head = Block(6, rngs=nnx.Rngs(9)), nnx.Linear(6, 3, rngs=nnx.Rngs(9))
    own, held = variables["a"]["params"], variables["a"]["batch_stats"]
    for leaf in ("kernel", "bias"):
        setattr(block.dense[0], leaf, nnx.Param(own["dense"]["0"][leaf]))
        setattr(head, leaf, nnx.Param(variables["head"]["params"][leaf]))
    for leaf in ("scale", "bias"):
        setattr(block.norm, leaf, nnx.Param(own["norm"][leaf]))
    for leaf in ("mean", "var"):
        setattr(block.norm, leaf, nnx.BatchStat(held["norm"][leaf]))
    return block, head


def test_variables_are_nested_dicts_of_words_by_kind(net, variables):
    assert net.layer_names == ("a", "double", "head")
    assert variables["double"] == {"params": {}}
    assert set(variables["a"]) == {"params", "batch_stats"}
    assert set(variables["a"]["params"]) == {"dense", "norm"}
    assert set(variables["head"]["params"]) == {"kernel", "bias"}


def test_each_key_gives_a_network_of_its_own(net, variables):
    again = net.init(jax.random.key(0), X)
    jax.tree.map(np.testing.assert_array_equal, again["head"], variables["head"])
    other = net.init(jax.random.key(1), X)
    assert np.abs(other["head"]["params"]["kernel"] - again["head"]["params"]["kernel"]).max() > 0.1


def test_inference_is_that_of_the_module(net, variables, as_it_is):
    block, head = as_it_is
    block.eval()
    out, changed = jax.jit(net.apply)(variables, X)
    np.testing.assert_allclose(out, head(2 * block(X)), atol=1e-6)
    assert changed == {}


def test_statistics_are_those_that_the_module_learns(net, variables, as_it_is):
    block, head = as_it_is
    block.train()
    block.drop.deterministic = True
    out, changed = net.apply(variables, X, mode=Mode(statistics=True), rngs=KEY)
    np.testing.assert_allclose(out, head(2 * block(X)), atol=1e-6)
    assert set(changed) == {"a"}
    held = changed["a"]["batch_stats"]["norm"]
    np.testing.assert_allclose(held["mean"], block.norm.mean[...], rtol=1e-6)
    np.testing.assert_allclose(held["var"], block.norm.var[...], rtol=1e-6)


def test_dropout_is_keyed_and_needs_no_moving_statistics(net, variables):
    run = partial(net.apply, variables, X, 0, 1, mode=Mode(dropout=True))
    (a, changed), (again, _) = run(rngs=KEY), run(rngs=KEY)
    other, _ = run(rngs={"dropout": jax.random.key(3)})
    still, _ = net.apply(variables, X, 0, 1)
    np.testing.assert_array_equal(a, again)
    assert changed == {} and np.abs(a - other).max() > 0.1
    kept = np.asarray(a) != 0
    np.testing.assert_allclose(a[kept], 2 * still[kept], rtol=1e-6)


def test_gradients_and_surgery_see_plain_trees(net, variables):
    def loss(variables):
        out, changed = net.apply(variables, X, mode=TRAINING, rngs=KEY)
        return jnp.square(out).mean(), changed

    grads, _ = jax.grad(loss, has_aux=True)(variables)
    assert np.abs(grads["a"]["params"]["dense"]["0"]["kernel"]).max() > 0
    grafted = graft(net.init(jax.random.key(4), X), variables, "a/**")
    jax.tree.map(np.testing.assert_array_equal, grafted["a"], variables["a"])


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        (nnx.Linear(2, 3, rngs=nnx.Rngs(0)), TypeError, "layer a is Linear; allowed: a function"),
        (3, TypeError, "layer a is int"),
        (
            lambda rngs: Caching(),
            ValueError,
            "layer a holds a Cache at held; allowed: Param, Batch",
        ),
    ],
)
def test_what_is_no_layer_is_refused(block, error, message):
    with pytest.raises(error, match=message):
        from_nnx([("a", block)])


class Caching(nnx.Module):
    def __init__(self):
        self.held = nnx.Cache(jnp.zeros(2))
