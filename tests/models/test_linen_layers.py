"""Linen modules in order as a network that can be cut, against the same modules called by hand."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.layered import INFERENCE, TRAINING, Mode, as_stored, from_stored
from transfer_jax.models.linen_layers import from_linen
from transfer_jax.models.precision import InPrecision

X = 3 + 2 * jax.random.normal(jax.random.key(1), (8, 5))
KEY = {"dropout": jax.random.key(2)}


class Block(nn.Module):
    """One flag for both, as most people write it."""

    features: int

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.Dense(self.features, name="dense")(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.8, name="norm")(x)
        return nn.Dropout(0.5, deterministic=not train)(nn.relu(x))


class Called(nn.Module):
    """The flag of normalisation is given with the call."""

    @nn.compact
    def __call__(self, x, deterministic):
        x = nn.BatchNorm(momentum=0.8)(x, use_running_average=deterministic)
        return nn.Dropout(0.5)(x, deterministic=deterministic)


@pytest.fixture(scope="module")
def net():
    blocks = [("a", Block(6)), ("b", Called()), ("relu", nn.relu), ("head", nn.Dense(3))]
    return from_linen(blocks)


@pytest.fixture(scope="module")
def variables(net):
    """With statistics that are not those of a fresh network."""
    fresh = net.init(jax.random.key(0), X)
    moved = jax.tree.map(lambda leaf: leaf + 0.3, {n: fresh[n]["batch_stats"] for n in "ab"})
    return {**fresh, **{n: {**fresh[n], "batch_stats": moved[n]} for n in "ab"}}


def by_hand(variables, x, moves: bool):
    """Normalisation as its definition has it, without dropout; and the statistics it gives."""
    found = {}
    for name in "ab":
        own, held = variables[name]["params"], variables[name]["batch_stats"]
        if name == "a":
            x = x @ own["dense"]["kernel"] + own["dense"]["bias"]
        norm = "norm" if name == "a" else "BatchNorm_0"
        mean, var = held[norm]["mean"], held[norm]["var"]
        if moves:
            batch = x.mean(0), x.var(0)
            found[name] = [0.8 * a + 0.2 * b for a, b in zip((mean, var), batch, strict=True)]
            mean, var = batch
        x = (x - mean) / jnp.sqrt(var + 1e-5) * own[norm]["scale"] + own[norm]["bias"]
        x = jnp.maximum(x, 0)
    head = variables["head"]["params"]
    return x @ head["kernel"] + head["bias"], found


def test_inference_normalises_by_what_is_held_and_changes_nothing(net, variables):
    out, changed = net.apply(variables, X)
    np.testing.assert_allclose(out, by_hand(variables, X, False)[0], atol=1e-5)
    assert changed == {}
    with_keys, _ = net.apply(variables, X, mode=INFERENCE, rngs=KEY)
    np.testing.assert_array_equal(out, with_keys)


def test_statistics_come_back_from_layers_that_learn_them(net, variables):
    out, changed = net.apply(variables, X, mode=Mode(dropout=False, statistics=True), rngs=KEY)
    expected, found = by_hand(variables, X, True)
    np.testing.assert_allclose(out, expected, atol=1e-5)
    assert set(changed) == {"a", "b"}
    for name, norm in (("a", "norm"), ("b", "BatchNorm_0")):
        held = changed[name]["batch_stats"][norm]
        np.testing.assert_allclose(held["mean"], found[name][0], rtol=1e-5)
        np.testing.assert_allclose(held["var"], found[name][1], rtol=1e-5)


def test_dropout_and_statistics_are_decided_apart_and_layer_by_layer(net, variables):
    """A module with one flag for both drops activations while its statistics are held."""
    dropping, changed = net.apply(variables, X, 0, 1, mode=Mode(dropout=True), rngs=KEY)
    still, _ = net.apply(variables, X, 0, 1)
    assert changed == {}
    kept = np.asarray(dropping) != 0
    np.testing.assert_allclose(dropping[kept], 2 * still[kept], rtol=1e-6)
    assert 0.2 < kept[np.asarray(still) > 0].mean() < 0.8
    _, changed = net.apply(variables, X, mode={"b": TRAINING}, rngs=KEY)
    assert set(changed) == {"b"}
    below, _ = net.apply(variables, X, 0, 1, mode={"b": TRAINING}, rngs=KEY)
    np.testing.assert_array_equal(below, still)


@pytest.mark.parametrize("start", range(5))
def test_every_cut_gives_the_whole(start, net, variables):
    whole, changed = net.apply(variables, X, mode=TRAINING, rngs=KEY)
    below = {name: variables[name] for name in net.layer_names[:start]}
    above = {name: variables[name] for name in net.layer_names[start:]}
    x, first = net.apply(below, X, 0, start, mode=TRAINING, rngs=KEY)
    out, rest = net.apply(above, x, start, mode=TRAINING, rngs=KEY)
    np.testing.assert_array_equal(out, whole)
    jax.tree.map(np.testing.assert_array_equal, {**first, **rest}, changed)


def test_statistics_stay_float32_in_bfloat16(net, variables):
    low, changed = InPrecision(net, "bfloat16").apply(variables, X, 0, 2, mode=TRAINING, rngs=KEY)
    assert low.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(changed)} == {np.dtype("float32")}
    _, exact = net.apply(variables, X, 0, 2, mode=TRAINING, rngs=KEY)
    a, b = (tree["a"]["batch_stats"]["norm"]["mean"] for tree in (changed, exact))
    np.testing.assert_allclose(a, b, rtol=0.02, atol=0.02)


def test_a_layer_of_parameters_alone_is_stored_as_these(net, variables):
    stored = as_stored(variables)
    assert set(stored["head"]) == {"kernel", "bias"} and stored["relu"] == {}
    assert set(stored["a"]) == {"params", "batch_stats"}
    again = from_stored(stored, net.init(jax.random.key(5), X))
    jax.tree.map(np.testing.assert_array_equal, again, variables)


@pytest.mark.parametrize(
    ("blocks", "error", "message"),
    [
        ([("a", nn.relu), ("a", nn.relu)], ValueError, "two layers are called 'a'"),
        ([("a/b", nn.relu)], ValueError, "a layer is called 'a/b'"),
        ([("", nn.relu)], ValueError, "a layer is called ''"),
        ([("a", 3)], TypeError, "layer a is 3; allowed: a Linen module, a function"),
        ([("a", nn.Dense)], TypeError, "layer a is .*Dense"),
    ],
)
def test_what_is_no_layer_is_refused(blocks, error, message):
    with pytest.raises(error, match=message):
        from_linen(blocks)


class Silent(nn.Module):
    """A module without a flag: its normalisation is made to be so, whatever is asked."""

    by_running: bool | None

    @nn.compact
    def __call__(self, x):
        return nn.BatchNorm(self.by_running, momentum=0.5)(x)


@pytest.mark.parametrize(
    "block",
    [Silent(True), Silent(False), nn.Sequential([nn.BatchNorm(momentum=0.5), jnp.tanh])],
    ids=["running", "batch", "sequential"],
)
def test_a_module_without_a_flag_learns_its_statistics_where_it_is_to_and_only_there(block):
    net = from_linen([("block", block)])
    x = jnp.array([[1.0], [3.0]])
    variables = net.init(jax.random.key(0), x)
    _, learned = net.apply(variables, x, mode=TRAINING)
    # Half of 0, where it begins, and half of 2, the batch's.
    assert jax.tree.leaves(learned)[0].item() == 1.0
    held, changed = net.apply(variables, x)
    assert changed == {} and held[0] == net.apply(variables, x[:1])[0][0]
