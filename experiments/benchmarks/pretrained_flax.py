"""Using a pretrained network in idiomatic Flax: one jitted step a condition, nothing shared."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from grids import Step, optimizer
from pretrained_grid import CLASSES, PretrainedGrid
from pretrained_probes import ProbeImages, regressions

from transfer_jax.models.layered import INFERENCE, Mode, join, params_of, statistics_of
from transfer_jax.models.linen_layers import LayerStack
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
        conv = nn.Conv(
            self.features, kernel, self.stride, padding, feature_group_count=groups, use_bias=False
        )
        nn.share_scope(self, conv)
        return conv(x)


def alone(grid: PretrainedGrid) -> Step:
    """Conditions one after the other; the frozen layers' gradients are not computed."""
    x = jax.random.normal(jax.random.key(1), (grid.batch, grid.size, grid.size, 3))
    net, tx = unkept(grid.stack), optimizer()
    variables = grid.stack.init(jax.random.key(0), x)
    held = []
    for depth in grid.depths:
        params = jax.tree.map(jnp.copy, params_of(variables))
        frozen = {name: params.pop(name) for name in net.layer_names[:depth]}
        statistics = jax.tree.map(jnp.copy, statistics_of(variables))
        held.append([_step(net, grid, tx), frozen, params, statistics, tx.init(params)])

    def advance() -> None:
        with plain():
            for one in held:
                step, frozen, *learned = one
                one[2:] = step(x, frozen, *learned)
        jax.block_until_ready([one[2] for one in held])

    return advance


def _step(net: LayerStack, grid: PretrainedGrid, tx: optax.GradientTransformation) -> Any:
    """The jitted step of one condition; images and frozen layers enter it, or XLA folds them."""
    y = jnp.arange(grid.batch) % CLASSES
    mode = Mode(statistics=True) if grid.learns_statistics else INFERENCE

    def step(x: jax.Array, frozen: Any, params: Any, statistics: Any, state: Any) -> Any:
        def loss(params: Any) -> Any:
            variables = join({**frozen, **params}, statistics)
            logits, changed = net.apply(variables, x, mode=mode)
            lost = optax.softmax_cross_entropy_with_integer_labels(logits, y)
            return lost.mean(), changed  # pyright: ignore

        gradients, changed = jax.grad(loss, has_aux=True)(params)
        updates, state = tx.update(gradients, state, params)
        return optax.apply_updates(params, updates), {**statistics, **changed}, state

    return jax.jit(step, donate_argnums=(2, 3, 4))


def probes(grid: PretrainedGrid, images: ProbeImages) -> Step:
    """Features of all cuts in one jitted forward pass; scikit-learn's heads on them."""
    net, shape = unkept(grid.stack), (1, grid.size, grid.size, 3)
    variables = grid.stack.init(jax.random.key(0), jnp.zeros(shape))

    @jax.jit
    def features(variables: Any, x: jax.Array) -> dict[int, jax.Array]:
        found = {}
        for begin, n in zip((0, *grid.cuts), grid.cuts, strict=False):
            x, _ = net.apply(variables, x, begin, n)
            found[n] = x.mean((1, 2))
        return found

    def solve() -> None:
        parts: dict[int, list[Any]] = {n: [] for n in grid.cuts}
        with plain():
            for x in np.split(images.pixels, len(images.labels) // images.batch):
                for n, own in features(variables, (x - 127.5) / 60).items():
                    parts[n].append(np.asarray(own))
        regressions(parts, images)

    return solve


def unkept(net: LayerStack) -> LayerStack:
    """The same layers, traced anew: a trace that the zoo kept would have our convolutions."""
    return LayerStack(net.layers)


@contextmanager
def plain() -> Iterator[None]:
    """The zoo's networks of `nn.Conv`, while they are traced."""
    with patch.object(resnet, "Conv", PlainConv), patch.object(mobile, "Conv", PlainConv):
        yield
