"""A mask is about leaves by path: trees that other wrappers made are taken, others refused."""

import warnings
from collections import OrderedDict
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest
from flax import nnx
from flax.core import FrozenDict

import transfer_jax as tj
from transfer_jax.surgery.masks import entries

LAYERS = ("conv1", "conv2", "head")
PARAMS = {name: {"kernel": jnp.ones((2, 2))} for name in LAYERS}


def mask(*names: str) -> Any:
    return {name: {"kernel": name in names} for name in LAYERS}


def first_values(tree: Any) -> dict[str, float]:
    return {name: float(tree[name]["kernel"][0, 0]) for name in LAYERS}


def one_step(tx: Any, params: Any = PARAMS) -> Any:
    updates, _ = tx.update(params, tx.init(params), params)
    return optax.apply_updates(params, updates)


NESTED = {
    "inside partition": (
        lambda: optax.partition(
            {"body": tj.freeze(optax.sgd(0.5), mask("conv1")), "head": optax.sgd(1.0)},
            {"conv1": "body", "conv2": "body", "head": "head"},
        ),
        (1.0, 0.5, 0.0),
    ),
    "inside multi_transform, by function": (
        lambda: optax.multi_transform(
            {2: tj.freeze(optax.sgd(0.5), mask("conv1")), 1: optax.sgd(1.0)},
            lambda tree: {name: {"kernel": 2 - (name == "head")} for name in tree},
        ),
        (1.0, 0.5, 0.0),
    ),
    "inside masked": (
        lambda: optax.masked(tj.freeze(optax.sgd(0.5), mask("conv1")), mask("conv1", "conv2")),
        (1.0, 0.5, 2.0),
    ),
    "inside freeze": (
        lambda: tj.freeze(tj.freeze(optax.sgd(1.0), mask("conv1")), mask("conv2")),
        (1.0, 1.0, 0.0),
    ),
    "of what is left by freeze": (
        lambda: tj.freeze(tj.freeze(optax.sgd(1.0), mask("conv1")), mask("conv1")),
        (1.0, 0.0, 0.0),
    ),
    "inside freeze_traced": (
        lambda: tj.freeze_traced(
            tj.freeze(optax.sgd(1.0), mask("conv1")), jax.tree.map(jnp.asarray, mask("conv2"))
        ),
        (1.0, 1.0, 0.0),
    ),
    "freeze_traced inside masked": (
        lambda: optax.masked(
            tj.freeze_traced(optax.sgd(0.5), jax.tree.map(jnp.asarray, mask("conv1"))),
            mask("conv1", "conv2"),
        ),
        (1.0, 0.5, 2.0),
    ),
    "around multi_transform": (
        lambda: tj.freeze(
            optax.multi_transform(
                {"a": optax.sgd(0.5), "b": optax.sgd(1.0)},
                {"conv1": "a", "conv2": "a", "head": "b"},
            ),
            mask("conv1"),
        ),
        (1.0, 0.5, 0.0),
    ),
    "inside apply_if_finite": (
        lambda: optax.apply_if_finite(tj.freeze(optax.sgd(1.0), mask("conv1")), 3),
        (1.0, 0.0, 0.0),
    ),
    "around apply_if_finite": (
        lambda: tj.freeze(optax.apply_if_finite(optax.sgd(1.0), 3), mask("conv1")),
        (1.0, 0.0, 0.0),
    ),
    "inside MultiSteps": (
        lambda: optax.MultiSteps(tj.freeze(optax.sgd(1.0), mask("conv1")), 1),
        (1.0, 0.0, 0.0),
    ),
    "around MultiSteps": (
        lambda: tj.freeze(
            optax.MultiSteps(optax.sgd(1.0), 1).gradient_transformation(), mask("conv1")
        ),
        (1.0, 0.0, 0.0),
    ),
    "inside inject_hyperparams": (
        lambda: optax.inject_hyperparams(
            lambda learning_rate: tj.freeze(optax.sgd(learning_rate), mask("conv1"))
        )(learning_rate=0.5),
        (1.0, 0.5, 0.5),
    ),
    "around inject_hyperparams": (
        lambda: tj.freeze(optax.inject_hyperparams(optax.sgd)(0.5), mask("conv1")),
        (1.0, 0.5, 0.5),
    ),
    "in a chain": (
        lambda: optax.chain(optax.identity(), tj.freeze(optax.sgd(0.5), mask("conv1"))),
        (1.0, 0.5, 0.5),
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_wrappers_go_around_each_other(name):
    make, expected = NESTED[name]
    assert first_values(one_step(make())) == dict(zip(LAYERS, expected, strict=True))
    assert first_values(jax.jit(lambda: one_step(make()))()) == first_values(one_step(make()))


MAPPINGS = {
    "dict": dict,
    "FrozenDict": FrozenDict,
    "OrderedDict": lambda tree: OrderedDict((name, tree[name]) for name in reversed(LAYERS)),
    "nnx.State": lambda tree: nnx.State(tree),
    "nnx.State of variables": lambda tree: jax.tree.map(nnx.Param, nnx.State(tree)),
    "dict of variables": lambda tree: jax.tree.map(nnx.Param, tree),
}


@pytest.mark.parametrize("outer", MAPPINGS)
@pytest.mark.parametrize("inner", MAPPINGS)
def test_a_mask_of_one_mapping_fits_parameters_of_another(outer, inner):
    frozen, params = MAPPINGS[outer](mask("conv1")), MAPPINGS[inner](PARAMS)
    traced = jax.tree.map(jnp.asarray, frozen)
    for tx in (tj.freeze(optax.adam(0.5), frozen), tj.freeze_traced(optax.adam(0.5), traced)):
        after = one_step(tx, params)
        assert jax.tree.structure(after) == jax.tree.structure(params)
        assert set(tj.diff(params, after).moved) == {"conv2/kernel", "head/kernel"}
    fixed, own = tj.partition(params, frozen)
    assert [len(jax.tree.leaves(part)) for part in (fixed, own)] == [1, 2]
    assert not tj.diff(tj.combine(fixed, own), params)
    total = lambda p: sum(leaf.sum() for leaf in jax.tree.leaves(p))  # noqa: E731
    _, grads = tj.value_and_grad(total, frozen)(params)
    assert sorted(float(abs(g).sum()) for g in jax.tree.leaves(grads)) == [0, 4, 4]
    put_back = tj.freeze_stats(params, jax.tree.map(lambda x: x + 1, params), frozen)
    assert tj.diff(put_back, params).identical == ("conv1/kernel",)


def test_what_differs_in_leaves_is_refused_and_both_sides_are_named():
    smaller = {name: PARAMS[name] for name in ("conv1", "head")}
    other = {**smaller, "conv3": PARAMS["conv2"]}
    for params, said in ((smaller, "conv2/kernel"), (other, "conv3/kernel")):
        for tx in (
            tj.freeze(optax.sgd(0.1), mask("conv1")),
            tj.freeze_traced(optax.sgd(0.1), mask("conv1")),
        ):
            for call in (tx.init, lambda p, tx=tx: tx.update(p, tx.init(PARAMS), p)):
                with pytest.raises(tj.SelectionError, match=said) as error:
                    call(params)
                assert "the mask has conv1/kernel, conv2/kernel, head/kernel" in str(error.value)
                assert "\n" not in str(error.value)
        for verb in (
            lambda p: tj.partition(p, mask("conv1")),
            lambda p: tj.value_and_grad(lambda q: 0.0, mask("conv1"))(p),
            lambda p: tj.freeze_stats(p, p, mask("conv1")),
            lambda p: tj.freeze(optax.sgd(0.1), mask("conv1"), thawed=[jax.tree.map(bool, p)]),
        ):
            arrays_as_flags = jax.tree.map(lambda leaf: leaf[0, 0], params)
            with pytest.raises(tj.SelectionError, match=said):
                verb(arrays_as_flags)


def test_a_mask_with_a_hole_where_there_is_a_leaf_is_refused():
    holed = {**mask("conv1"), "head": None}
    with pytest.raises(tj.SelectionError, match="head/kernel"):
        tj.freeze(optax.sgd(0.1), holed).init(PARAMS)


def test_keys_of_other_types_are_other_leaves():
    with pytest.raises(tj.SelectionError, match="not in both"):
        tj.freeze(optax.sgd(0.1), {"0": True}).init({0: jnp.ones(1)})


class Net(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Linear(3, 4, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(4, 4, rngs=rngs)])
        self.head = nnx.Linear(4, 2, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.head(self.blocks[0](self.norm(jnp.tanh(self.conv1(x)))))


def squares(model: Net) -> Any:
    return ((model(jnp.ones((2, 3)) * jnp.arange(2.0)[:, None]) - 1) ** 2).mean()


MASKS = {
    "of nnx.state": lambda state: tj.select(state, ["conv1/**", "norm/**", "blocks/**"]),
    "of as_pure": lambda state: tj.select(nnx.as_pure(state), ["conv1/**", "norm/**", "blocks/**"]),
    "of a dict": lambda state: tj.select(
        nnx.to_pure_dict(state), ["conv1/**", "norm/**", "blocks/**"]
    ),
}
INNER = {
    "sgd": lambda: optax.sgd(0.1),
    "adamw": lambda: optax.adamw(0.1),
    "clipped": lambda: optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.1)),
    "injected": lambda: optax.inject_hyperparams(optax.adam)(0.1),
    "accumulated": lambda: optax.MultiSteps(optax.adam(0.1), 2).gradient_transformation(),
}


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("mask_of", MASKS)
def test_the_optimizer_of_nnx_takes_frozen_optimizers(mask_of, inner):
    model, alone = Net(nnx.Rngs(0)), Net(nnx.Rngs(0))
    state = nnx.state(model, nnx.Param)
    frozen = MASKS[mask_of](state)
    before = jax.tree.map(jnp.copy, state)
    optimizer = nnx.Optimizer(model, tj.freeze(INNER[inner](), frozen), wrt=nnx.Param)
    of_head = nnx.All(nnx.Param, nnx.PathContains("head"))
    head_only = nnx.Optimizer(alone, INNER[inner](), wrt=of_head)

    @nnx.jit
    def step(model: Net, optimizer: nnx.Optimizer) -> None:
        optimizer.update(model, nnx.grad(squares)(model))

    for _ in range(4):
        step(model, optimizer)
        head_only.update(alone, nnx.grad(squares, argnums=nnx.DiffState(0, of_head))(alone))
    report = tj.diff(before, nnx.state(model, nnx.Param))
    assert sorted(report.moved) == ["head/bias", "head/kernel"]
    for ours, theirs in (
        (model.head.kernel, alone.head.kernel),
        (model.head.bias, alone.head.bias),
    ):
        assert jnp.allclose(ours[...], theirs[...], atol=1e-6)


def test_thawing_under_the_optimizer_of_nnx():
    model = Net(nnx.Rngs(0))
    state = nnx.state(model, nnx.Param)
    body, nothing = tj.select(state, "!head/**"), jax.tree.map(lambda _: False, state)
    adam = optax.adam(0.1)
    optimizer = nnx.Optimizer(model, tj.freeze(adam, body), wrt=nnx.Param)
    optimizer.update(model, nnx.grad(squares)(model))
    tx = tj.freeze(adam, nothing, thawed=[body])
    old = nnx.as_pure(optimizer.opt_state)
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
    thawed = tj.thaw(old, tx, nnx.state(model, nnx.Param))
    nnx.update(optimizer.opt_state, nnx.state(nnx.as_pure(thawed)))
    counts = nnx.as_pure(optimizer.opt_state).inner_states
    assert int(counts["trainable"].inner_state[0].count) == 1
    assert int(counts["thaw 1"].inner_state[0].count) == 0
    before = jax.tree.map(jnp.copy, nnx.state(model, nnx.Param))
    optimizer.update(model, nnx.grad(squares)(model))
    assert "conv1/kernel" in tj.diff(before, nnx.state(model, nnx.Param)).moved


def test_whole_modules_of_equinox_with_their_functions():
    model = eqx.nn.MLP(2, 3, 4, 2, key=jax.random.key(0))
    frozen = tj.select(model, ["layers/0/*", "activation", "final_activation"])
    tx = tj.freeze(optax.adamw(0.1), frozen)
    loss = lambda m: (jax.vmap(m)(jnp.ones((3, 2))) ** 2).mean()  # noqa: E731
    for init in (model, eqx.filter(model, eqx.is_inexact_array)):
        grads = eqx.filter_grad(loss)(model)
        updates, _ = tx.update(grads, tx.init(init), init)
        after = eqx.apply_updates(model, updates)
        assert after.activation is model.activation
        assert set(tj.diff(model, after).moved) >= {"layers/1/weight", "layers/2/weight"}
        assert "layers/0/weight" in tj.diff(model, after).identical
        _, ours = tj.value_and_grad(loss, frozen)(model)
        assert ours.activation is None
        assert jnp.allclose(ours.layers[2].weight, grads.layers[2].weight)
        assert not tj.diff(model.layers[0], eqx.apply_updates(model, ours).layers[0])
    assert len(entries(model)[0]) == len(jax.tree.leaves(frozen))


def test_gradients_may_have_holes_at_frozen_leaves():
    fixed, own = tj.partition(PARAMS, mask("conv1"))
    grads = jax.grad(lambda p: sum(x.sum() for x in jax.tree.leaves(p)))(own)
    assert grads["conv1"]["kernel"] is None
    for held in (grads, {**grads, "conv1": None}, {**grads, "conv1": optax.MaskedNode()}):
        decayed = tj.freeze(optax.adamw(0.5), mask("conv1"))
        decayed.update(held, decayed.init(PARAMS), PARAMS)
        tx = tj.freeze(optax.sgd(0.5), mask("conv1"))
        updates, _ = tx.update(held, tx.init(PARAMS), PARAMS)
        assert first_values(optax.apply_updates(PARAMS, updates)) == {
            "conv1": 1.0,
            "conv2": 0.5,
            "head": 0.5,
        }
    assert fixed["conv1"]["kernel"] is PARAMS["conv1"]["kernel"]


def test_optax_finds_the_parameters_within_the_state():
    tx = tj.freeze(optax.adam(0.1), mask("conv1"))
    state = tx.init(PARAMS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        doubled = optax.tree_map_params(tx, lambda leaf: leaf + 2.0, state)
    mu = doubled.inner_states["trainable"].inner_state[0].mu
    assert mu["head"]["kernel"].sum() == 8.0
    assert doubled.inner_states["trainable"].inner_state[0].count == 0
