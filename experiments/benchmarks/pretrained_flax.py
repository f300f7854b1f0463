"""Tuning a pretrained network in idiomatic Flax: one jitted step a condition, nothing shared."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from grids import Step, optimizer
from pretrained_grid import PretrainedGrid

from transfer_jax.models.layered import join, params_of, statistics_of
from transfer_jax.models.zoo import mobile, resnet


class PlainConv(nn.Module):
    """`nn.Conv` under the zoo's arguments."""

    features: int
    size: int
    stride: int = 1
    padding: Any = None
    depthwise: bool = False

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        padding = "SAME" if self.padding == "same" else self.size // 2
        groups = x.shape[-1] if self.depthwise else 1
        kernel = (self.size, self.size)
        return nn.Conv(
            self.features, kernel, self.stride, padding, feature_group_count=groups, use_bias=False
        )(x)


def alone(grid: PretrainedGrid) -> Step:
    """Conditions one after the other; the frozen layers' gradients are not computed."""
    x = jax.random.normal(jax.random.key(1), (grid.batch, grid.size, grid.size, 3))
    y, net, tx = jnp.arange(grid.batch) % 5, grid.network, optimizer()

    def compiled(depth: int) -> Any:
        def step(params: Any, state: Any, frozen: Any, statistics: Any) -> Any:
            def loss(params: Any) -> jax.Array:
                logits, _ = net.apply(join({**frozen, **params}, statistics), x)
                return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()  # pyright: ignore

            updates, state = tx.update(jax.grad(loss)(params), state, params)
            return optax.apply_updates(params, updates), state

        return jax.jit(step, donate_argnums=(0, 1))

    with plain():
        variables = jax.jit(net.init)(jax.random.key(0), x)
        params, statistics = params_of(variables), statistics_of(variables)
        held = []
        for depth in grid.depths:
            frozen = {name: params[name] for name in net.layer_names[:depth]}
            own = jax.tree.map(jnp.copy, {n: params[n] for n in net.layer_names[depth:]})
            held.append([compiled(depth), own, tx.init(own), frozen])

    def advance() -> None:
        with plain():
            for one in held:
                step, own, state, frozen = one
                one[1:3] = step(own, state, frozen, statistics)
        jax.block_until_ready([one[1] for one in held])

    return advance


@contextmanager
def plain() -> Iterator[None]:
    """The zoo's networks of `nn.Conv`, while they are traced."""
    with patch.object(resnet, "Conv", PlainConv), patch.object(mobile, "Conv", PlainConv):
        yield
