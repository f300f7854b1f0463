"""What an optimizer is handed beside updates and parameters is of its own leaves too."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib

import transfer_jax as tj

KEYS = jax.random.split(jax.random.key(0), 4)
PARAMS = {
    "conv1": jax.random.normal(KEYS[0], (3, 4)),
    "conv2": jax.random.normal(KEYS[1], (4, 4)),
    "head": jax.random.normal(KEYS[2], (4, 2)),
}
X = jax.random.normal(KEYS[3], (5, 3))
BODY = {"conv1": True, "conv2": True, "head": False}
CONV1 = {"conv1": True, "conv2": False, "head": False}
CONV2 = {"conv1": False, "conv2": True, "head": False}


def loss(params: Any, x: Any = X) -> Any:
    hidden = jnp.tanh(jnp.tanh(x @ params["conv1"]) @ params["conv2"])
    return ((hidden @ params["head"] - 0.3) ** 2).mean()


def searched(tx: Any, params: Any, fun: Any, steps: int = 5, state: Any = None) -> Any:
    """Trained by a line search, each step one program."""

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        value, grad = jax.value_and_grad(fun)(params)
        extra = {"value": value, "grad": grad, "value_fn": fun}
        updates, state = tx.update(grad, state, params, **extra)
        return optax.apply_updates(params, updates), state

    state = tx.init(params) if state is None else state
    for _ in range(steps):
        params, state = step(params, state)
    return params, state


SEARCHES = {
    "lbfgs": optax.lbfgs,
    "backtracking": lambda: optax.chain(
        optax.sgd(1.0), optax.scale_by_backtracking_linesearch(8, store_grad=True)
    ),
    "zoom": lambda: optax.chain(
        optax.sgd(1.0), optax.scale_by_zoom_linesearch(8, initial_guess_strategy="one")
    ),
}


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", SEARCHES)
def test_a_line_search_goes_along_the_trainable_leaves_alone(name, traced):
    own = {"head": PARAMS["head"]}
    alone, _ = searched(SEARCHES[name](), own, lambda q: loss({**PARAMS, **q}))
    if traced:
        tx = tj.freeze_traced(SEARCHES[name](), jax.tree.map(jnp.asarray, BODY))
    else:
        tx = tj.freeze(SEARCHES[name](), BODY)
    found, _ = searched(tx, PARAMS, loss)
    np.testing.assert_allclose(found["head"], alone["head"], rtol=1e-3, atol=1e-4)
    assert tj.diff(PARAMS, found).identical == ("conv1", "conv2")
    assert loss(found) < loss(PARAMS)


def test_lbfgs_with_value_and_grad_from_state_on_the_trainable_part():
    fixed, own = tj.partition(PARAMS, BODY)
    of_own = lambda q: loss(tj.combine(fixed, q))  # noqa: E731
    tx = optax.lbfgs()
    state = tx.init(own)
    for _ in range(5):
        value, grad = optax.value_and_grad_from_state(of_own)(own, state=state)
        updates, state = tx.update(grad, state, own, value=value, grad=grad, value_fn=of_own)
        own = optax.apply_updates(own, updates)
    found, _ = searched(tj.freeze(optax.lbfgs(), BODY), PARAMS, loss)
    np.testing.assert_allclose(own["head"], found["head"], rtol=1e-3, atol=1e-4)


def test_a_search_after_a_thaw_is_of_each_group_alone():
    frozen = tj.freeze(optax.lbfgs(), BODY)
    params, state = searched(frozen, PARAMS, loss, 2)
    tx = tj.freeze(optax.lbfgs(), CONV1, thawed=[CONV2])
    after, _ = searched(tx, params, loss, 1, tj.thaw(state, tx, params))
    of_conv2 = lambda q: loss({**params, **q})  # noqa: E731
    alone, _ = searched(optax.lbfgs(), {"conv2": params["conv2"]}, of_conv2, 1)
    np.testing.assert_allclose(after["conv2"], alone["conv2"], rtol=1e-4, atol=1e-5)
    onwards, _ = searched(frozen, params, loss, 1, state)
    np.testing.assert_allclose(after["head"], onwards["head"], rtol=1e-4, atol=1e-5)
    assert not tj.diff(after["conv1"], PARAMS["conv1"])


def test_names_and_further_arguments_of_a_function_come_through():
    """A line search reads `value_fn`'s arguments and hands it those of `update`."""
    batches = {"x": X}

    def of_batch(params: Any, x: Any) -> Any:
        return loss(params, x)

    tx = tj.freeze(optax.lbfgs(), BODY)
    value, grad = jax.value_and_grad(of_batch)(PARAMS, X)
    state = tx.init(PARAMS)
    extra = {"value": value, "grad": grad, "value_fn": of_batch}
    updates, _ = tx.update(grad, state, PARAMS, **extra, **batches)
    expected, _ = searched(tj.freeze(optax.lbfgs(), BODY), PARAMS, loss, 1)
    after = optax.apply_updates(PARAMS, updates)
    np.testing.assert_allclose(after["head"], expected["head"], rtol=1e-4, atol=1e-5)


def received(extra: Any, traced: bool = False, mask: Any = BODY) -> Any:
    """What a transformation is handed as its extra arguments."""
    seen: dict[str, Any] = {}

    def update(updates: Any, state: Any, params: Any = None, **given: Any) -> Any:
        seen.update(given, params=params)
        return updates, state

    tx = optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)
    tx = tj.freeze_traced(tx, mask) if traced else tj.freeze(tx, mask)
    tx.update(PARAMS, tx.init(PARAMS), PARAMS, **extra)
    return seen


@pytest.mark.parametrize("traced", [False, True])
def test_trees_anywhere_in_an_argument_have_the_parameters_holes(traced):
    mask = jax.tree.map(jnp.asarray, BODY) if traced else BODY
    extra = {
        "grad": PARAMS,
        "pair": (3.0, PARAMS),
        "rates": dict.fromkeys(PARAMS, 0.5),
        "value": 2.5,
        "batch": {"x": X, "labels": None},
    }
    seen = received(extra, traced, mask)
    for tree in (seen["grad"], seen["pair"][1], seen["rates"]):
        assert jax.tree.structure(tree) == jax.tree.structure(seen["params"])
        assert float(jnp.abs(jnp.asarray(tree["head"])).sum()) > 0
        hidden = jax.tree.leaves({n: tree[n] for n in ("conv1", "conv2")})
        assert all(float(jnp.abs(leaf).sum()) == 0 for leaf in hidden)
    assert seen["value"] == 2.5 and seen["pair"][0] == 3.0
    assert seen["batch"]["x"] is X


@pytest.mark.parametrize("traced", [False, True])
def test_functions_get_the_frozen_leaves_and_return_what_the_optimizer_sees(traced):
    mask = jax.tree.map(jnp.asarray, BODY) if traced else BODY
    called = []

    def grad_fn(params: Any, step: int, *, scale: float = 1.0) -> Any:
        called.append(params)
        return jax.value_and_grad(lambda p: scale * loss(p))(params)

    seen = received({"whatever_fn": grad_fn}, traced, mask)
    value, grads = seen["whatever_fn"](seen["params"], 0, scale=2.0)
    expected_value, expected = jax.value_and_grad(lambda p: 2 * loss(p))(PARAMS)
    assert not tj.diff(called[0], PARAMS)
    assert value == expected_value
    assert jax.tree.structure(grads) == jax.tree.structure(seen["params"])
    assert not tj.diff(grads["head"], expected["head"])
    gradient = jax.grad(lambda p: seen["whatever_fn"](p, 0)[0])(seen["params"])
    np.testing.assert_allclose(gradient["head"], jax.grad(loss)(PARAMS)["head"], rtol=1e-6)


def test_a_function_without_parameters_to_fill_in_is_refused_by_name():
    tx = tj.freeze(optax.lbfgs(), BODY)
    with pytest.raises(ValueError, match="value_fn, a function of the parameters: pass params"):
        tx.update(PARAMS, tx.init(PARAMS), value=1.0, grad=PARAMS, value_fn=loss)


def test_what_returns_no_updates_is_refused():
    measure = optax.measure_with_ema(lambda updates: optax.tree.norm(updates), 0.9)
    tx = tj.freeze(measure, BODY)
    with pytest.raises(ValueError, match="returns updates of a bare leaf, which it was not given"):
        tx.update(PARAMS, tx.init(PARAMS), PARAMS)


def test_one_bare_leaf_is_a_tree_too():
    value_fn = lambda p: ((p - 3.0) ** 2).sum()  # noqa: E731
    moved, _ = searched(tj.freeze(optax.lbfgs(), False), jnp.zeros(2), value_fn)
    np.testing.assert_allclose(moved, 3.0, rtol=1e-4)
    tx = tj.freeze(optax.sgd(0.1), True)
    updates, _ = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)), jnp.zeros(2), value=2.0)
    assert not updates.any()
    moved, _ = searched(tj.freeze_traced(optax.lbfgs(), jnp.array(False)), jnp.zeros(2), value_fn)
    np.testing.assert_allclose(moved, 3.0, rtol=1e-4)


@pytest.mark.parametrize("as_pair", [False, True])
def test_lookahead_takes_a_pair_of_parameters(as_pair):
    make = lambda: optax.lookahead(optax.adam(0.1), sync_period=2, slow_step_size=0.5)  # noqa: E731
    mask = optax.LookaheadParams(BODY, BODY) if as_pair else BODY

    def run(tx: Any, params: Any, fun: Any) -> Any:
        pair = optax.LookaheadParams.init_synced(params)
        state = tx.init(pair)
        for _ in range(5):
            updates, state = tx.update(jax.grad(fun)(pair.fast), state, pair)
            pair = optax.apply_updates(pair, updates)
        return pair

    alone = run(make(), {"head": PARAMS["head"]}, lambda q: loss({**PARAMS, **q}))
    for tx in (tj.freeze(make(), mask), tj.freeze_traced(make(), mask)):
        found = run(tx, PARAMS, loss)
        for half, own in zip(found, alone, strict=True):
            np.testing.assert_allclose(half["head"], own["head"], rtol=1e-5)
            assert tj.diff(PARAMS, half).identical == ("conv1", "conv2")
    other = optax.LookaheadParams(BODY, CONV1)
    with pytest.raises(tj.SelectionError, match="fast and slow parameters differ"):
        tj.freeze(make(), other)


def test_schedule_free_is_evaluated_on_the_trainable_part():
    make = lambda: contrib.schedule_free_adamw(0.1)  # noqa: E731

    def run(tx: Any, params: Any, fun: Any) -> Any:
        state = tx.init(params)
        for _ in range(4):
            updates, state = tx.update(jax.grad(fun)(params), state, params)
            params = optax.apply_updates(params, updates)
        return state, params

    state, own = run(make(), {"head": PARAMS["head"]}, lambda q: loss({**PARAMS, **q}))
    expected = contrib.schedule_free_eval_params(state, own)
    state, params = run(tj.freeze(make(), BODY), PARAMS, loss)
    evaluated = tj.on_trainable(contrib.schedule_free_eval_params, BODY)(state, params)
    assert not tj.diff(evaluated["head"], expected["head"])
    assert tj.diff(evaluated, PARAMS).identical == ("conv1", "conv2")
    tx = tj.freeze(make(), CONV1, thawed=[CONV2])
    state = tj.thaw(state, tx, params)
    after = tj.on_trainable(contrib.schedule_free_eval_params, CONV1, thawed=[CONV2])(state, params)
    assert not tj.diff(after["head"], expected["head"])
    np.testing.assert_allclose(after["conv2"], params["conv2"], rtol=1e-6)
