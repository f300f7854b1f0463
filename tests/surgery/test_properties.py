"""Promises that hold for random optimizers, and for trees that do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import transfer_jax as tj

PARAMS = {name: jnp.linspace(-1.0, 1.0, 3) for name in "abcd"}
LINKS = {
    "clip": optax.clip(0.5),
    "norm": optax.clip_by_global_norm(1.0),
    "decay": optax.add_decayed_weights(0.1),
    "trace": optax.trace(0.9, nesterov=True),
    "adam": optax.scale_by_adam(),
    "lion": optax.scale_by_lion(),
    "rms": optax.scale_by_rms(),
    "trust": optax.scale_by_trust_ratio(),
    "rate": optax.scale_by_schedule(optax.cosine_decay_schedule(1.0, 5)),
    "scale": optax.scale(-0.1),
    "zero nans": optax.zero_nans(),
}


@settings(max_examples=40, deadline=None)
@given(
    links=st.lists(st.sampled_from(sorted(LINKS)), min_size=1, max_size=5),
    frozen=st.sets(st.sampled_from("abcd")),
    every=st.integers(1, 3),
    bad=st.sampled_from([1.0, 100.0, float("nan"), float("inf")]),
)
def test_frozen_leaves_are_identical_and_the_others_as_if_alone(links, frozen, every, bad):
    tx = optax.chain(*(LINKS[link] for link in links))
    if every > 1:
        tx = optax.MultiSteps(tx, every).gradient_transformation()
    mask = {name: name in frozen for name in PARAMS}
    own = {name: leaf for name, leaf in PARAMS.items() if name not in frozen}
    grads = {name: leaf * (bad if name in frozen else 2.0) for name, leaf in PARAMS.items()}
    whole_tx = tj.freeze(tx, mask)
    params, state = PARAMS, whole_tx.init(PARAMS)
    alone, alone_state = own, tx.init(own)
    for _ in range(3):
        updates, state = whole_tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
        updates, alone_state = tx.update({name: grads[name] for name in own}, alone_state, alone)
        alone = optax.apply_updates(alone, updates)
    assert not tj.diff({n: PARAMS[n] for n in frozen}, {n: params[n] for n in frozen})
    assert not tj.diff(alone, {name: params[name] for name in own})
    assert len(jax.tree.leaves(state)) == len(jax.tree.leaves(alone_state))


scalars = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.floats(allow_nan=True, width=32),
    st.text(max_size=3),
    st.booleans(),
    st.sampled_from([jnp.ones(2), np.ones((2, 2)), jnp.ones(2, jnp.int8), jax.random.key(0)]),
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.dictionaries(st.text("ab", min_size=1, max_size=2), inner, max_size=3)
        | st.lists(inner, max_size=3)
    ),
    max_leaves=6,
)
OURS = (tj.SelectionError, tj.GraftError, TypeError, ValueError)
VERBS = {
    "graft": lambda a, b, m: tj.graft(a, b, m),
    "graft all": lambda a, b, m: tj.graft(a, b, "**"),
    "report": lambda a, b, m: str(tj.graft_report(a, b, m)),
    "diff": lambda a, b, m: str(tj.diff(a, b)),
    "select": lambda a, b, m: tj.select(a, m),
    "partition": lambda a, b, m: tj.partition(a, m),
    "combine": lambda a, b, m: tj.combine(a, b),
    "stack": lambda a, b, m: tj.stack([a, b]),
    "unstack": lambda a, b, m: tj.unstack(a),
    "first_layers": lambda a, b, m: tj.first_layers(a, 1, m),
    "freeze": lambda a, b, m: tj.freeze(optax.sgd(0.1), m).init(a),
    "freeze_stats": lambda a, b, m: tj.freeze_stats(a, b, m),
    "summary": lambda a, b, m: str(tj.summary(a, m)),
}


@pytest.mark.parametrize("verb", VERBS)
@settings(max_examples=80, deadline=None)
@given(a=anything, b=anything, m=anything)
def test_what_does_not_fit_is_an_error_of_ours(verb, a, b, m):
    try:
        VERBS[verb](a, b, m)
    except OURS as error:
        assert str(error)


@settings(max_examples=60, deadline=None)
@given(a=anything)
def test_diff_is_empty_exactly_for_the_same_bits(a):
    leaves, structure = jax.tree.flatten(a)
    again = jax.tree.unflatten(structure, leaves)
    assert not tj.diff(a, again)
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.floating):
            other = [*leaves]
            other[i] = jnp.nextafter(leaf, jnp.full_like(leaf, 9))
            assert tj.diff(a, jax.tree.unflatten(structure, other)).moved
