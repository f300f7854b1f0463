"""The kit works leaf-wise on whatever JAX calls a tree."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.core import FrozenDict

import transfer_jax as tj
from transfer_jax.surgery.paths import leaf_paths


class Pair(NamedTuple):
    first: Any
    second: Any


@jax.tree_util.register_dataclass
@dataclass
class Layer:
    kernel: Any
    bias: Any


def nested(value: float) -> dict[str, Any]:
    return {
        "conv": {"kernel": jnp.full((2, 2), value)},
        "nothing": None,
        "empty": {},
        "layers": [jnp.full(2, value), (jnp.full(3, value), value)],
        "key": jax.random.key(int(value)),
        "numpy": np.full(2, value),
    }


def frozen_dict(value: float) -> Any:
    return FrozenDict({"conv": {"kernel": jnp.full(2, value)}, "fc": jnp.full(3, value)})


def named_tuple(value: float) -> Any:
    return Pair(Layer(jnp.full(2, value), None), {"a": Pair(jnp.full(1, value), value)})


def nnx_state(value: float) -> Any:
    class Net(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.conv1 = nnx.Linear(2, 3, rngs=rngs)
            self.norm = nnx.BatchNorm(3, rngs=rngs)
            self.blocks = nnx.List([nnx.Linear(3, 3, rngs=rngs)])

    return nnx.split(Net(nnx.Rngs(int(value))), nnx.Param, ...)[1]


def equinox_module(value: float) -> Any:
    return eqx.nn.MLP(2, 3, 4, 2, activation=jax.nn.relu, key=jax.random.key(int(value)))


TREES = [nested, frozen_dict, named_tuple, nnx_state, equinox_module]
FIRST = {
    "nested": "conv/**",
    "frozen_dict": "conv/*",
    "named_tuple": "first/kernel",
    "nnx_state": "conv1/*",
    "equinox_module": "layers/0/*",
}


@pytest.mark.parametrize("make", TREES, ids=lambda f: f.__name__)
def test_select_graft_partition_diff_and_summary(make):
    recipient, donor, where = make(1.0), make(2.0), FIRST[make.__name__]
    mask = tj.select(recipient, where)
    assert jax.tree.structure(mask) == jax.tree.structure(recipient)
    result = tj.graft(recipient, donor, where)
    assert type(result) is type(recipient)
    assert jax.tree.structure(result) == jax.tree.structure(recipient)
    chosen = {p for p, flag in zip(leaf_paths(mask), jax.tree.leaves(mask), strict=True) if flag}
    assert chosen
    from_recipient = set(tj.diff(recipient, result).moved)
    assert from_recipient <= chosen
    assert chosen <= set(tj.diff(donor, result).identical)
    assert not tj.diff(recipient, tj.combine(*tj.partition(recipient, mask)))
    assert not tj.diff(recipient, recipient)
    total = tj.summary(recipient, mask).total
    assert 0 < total.frozen < total.parameters
    report = tj.graft_report(recipient, donor, where)
    assert set(report.grafted) == chosen


@pytest.mark.parametrize("make", [frozen_dict, nnx_state, equinox_module], ids=lambda f: f.__name__)
def test_freeze_leaves_frozen_leaves_identical(make):
    params = eqx.filter(make(1.0), eqx.is_array)
    mask = tj.select(params, FIRST[make.__name__])
    tx = tj.freeze(optax.adamw(0.1), mask)
    updates, _ = tx.update(params, tx.init(params), params)
    report = tj.diff(params, optax.apply_updates(params, updates))
    frozen = {p for p, flag in zip(leaf_paths(mask), jax.tree.leaves(mask), strict=True) if flag}
    assert frozen <= set(report.identical)
    assert report.moved


@pytest.mark.parametrize("make", [frozen_dict, named_tuple, nnx_state], ids=lambda f: f.__name__)
def test_surgery_is_planned_before_any_array_exists(make):
    def shapes(value):
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), make(value)
        )

    mask = tj.select(shapes(1.0), FIRST[make.__name__])
    assert mask == tj.select(make(1.0), FIRST[make.__name__])
    report = tj.graft_report(shapes(1.0), shapes(2.0), FIRST[make.__name__])
    assert report == tj.graft_report(make(1.0), make(2.0), FIRST[make.__name__])
    planned = tj.graft(shapes(1.0), shapes(2.0), FIRST[make.__name__])
    assert planned == shapes(1.0)


def test_a_wrong_shape_never_gets_into_an_nnx_state():
    """`nnx.update` takes it in silence."""
    model = nnx.Linear(2, 2, rngs=nnx.Rngs(0))
    wider = nnx.split(nnx.Linear(5, 5, rngs=nnx.Rngs(1)), nnx.Param)[1]
    state = nnx.split(model, nnx.Param)[1]
    with pytest.raises(tj.GraftError, match=r"kernel: recipient has float32\[2, 2\], donor has"):
        tj.graft(state, wider, "**")
    nnx.update(model, wider)
    assert model.kernel.shape == (5, 5)


def test_columns_of_stacked_trees():
    recipient = tj.stack([{"a": jnp.full(2, float(i)), "b": jnp.zeros(1)} for i in range(3)])
    donor = tj.stack([{"a": jnp.full(2, 10.0 + i)} for i in range(2)])
    result = tj.graft(recipient, donor, "a", columns=(2, 1))
    assert result["a"][:, 0].tolist() == [0.0, 1.0, 11.0]
    inside = jax.jit(lambda r, d: tj.graft(r, d, "a", columns=(0, 0)))(recipient, donor)
    assert inside["a"][:, 0].tolist() == [10.0, 1.0, 2.0]
    with pytest.raises(tj.GraftError, match="a: no column 2, the donor has 2"):
        tj.graft(recipient, donor, "a", columns=(0, 2))
    with pytest.raises(tj.GraftError, match="a: no column 3, the recipient has 3"):
        tj.graft(recipient, donor, "a", columns=(3, 0))
