"""The same grid in idiomatic Flax: conditions one after the other, or all in one vmap."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from grids import Grid, Step, optimizer

from transfer_jax.models.pooling import local_response_norm


class PlainConvNet(nn.Module):
    """The ConvNet of `convnet_grid`."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, (width, pools) in enumerate(((32, True), (64, True), (64, False), (128, True)), 1):
            x = nn.relu(nn.Conv(width, (3, 3), name=f"conv{i}")(x))
            x = nn.max_pool(x, (2, 2), (2, 2)) if pools else x
        x = nn.relu(nn.Dense(256, name="fc5")(x.reshape(x.shape[0], -1)))
        return nn.Dense(5, name="fc6")(x)


class PlainCaffeNet(nn.Module):
    """CaffeNet at a quarter of its width, without dropout."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def conv(x: jax.Array, width: int, size: int, stride: int, pad: int, groups: int, i: int):
            kernel = (size, size)
            layer = nn.Conv(width, kernel, stride, pad, feature_group_count=groups, name=f"conv{i}")
            return nn.relu(layer(x))

        x = nn.max_pool(conv(x, 24, 11, 4, 0, 1, 1), (3, 3), (2, 2))
        x = nn.max_pool(conv(local_response_norm(x), 64, 5, 1, 2, 2, 2), (3, 3), (2, 2))
        x = conv(local_response_norm(x), 96, 3, 1, 1, 1, 3)
        x = conv(conv(x, 96, 3, 1, 1, 2, 4), 64, 3, 1, 1, 2, 5)
        x = nn.max_pool(x, (3, 3), (2, 2)).reshape(x.shape[0], -1)
        for i in (6, 7):
            x = nn.relu(nn.Dense(1024, name=f"fc{i}")(x))
        return nn.Dense(5, name="fc8")(x)


def batch_of(grid: Grid) -> tuple[jax.Array, jax.Array]:
    """Random images and labels."""
    x = jax.random.normal(jax.random.key(1), (grid.batch, grid.size, grid.size, 3))
    return x, jnp.arange(grid.batch) % 5


def network_of(grid: Grid) -> nn.Module:
    return PlainConvNet() if grid.name == "ConvNet" else PlainCaffeNet()


def alone(grid: Grid) -> Step:
    """Conditions one after the other: multi_transform, one jitted step for each frozen depth."""
    net, (x, y) = network_of(grid), batch_of(grid)
    params = net.init(jax.random.key(0), x)["params"]
    names = grid.network.layer_names

    def compiled(depth: int) -> tuple[Any, optax.GradientTransformation]:
        labels = {name: "frozen" if i < depth else "free" for i, name in enumerate(names)}
        tx = optax.multi_transform(
            {"free": optimizer(), "frozen": optax.set_to_zero()}, lambda _: labels
        )

        def loss(params: Any) -> jax.Array:
            logits = net.apply({"params": params}, x)
            return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()  # pyright: ignore

        def step(params: Any, state: Any) -> Any:
            updates, state = tx.update(jax.grad(loss)(params), state, params)
            return optax.apply_updates(params, updates), state

        return jax.jit(step, donate_argnums=(0, 1)), tx

    depths = [cut.trunk_depth for column in grid.columns for cut in column.cuts]
    programs = {depth: compiled(depth) for depth in set(depths)}
    held = [(jax.tree.map(jnp.copy, params), programs[depth][1].init(params)) for depth in depths]

    def advance() -> None:
        held[:] = [programs[d][0](*state) for d, state in zip(depths, held, strict=True)]
        jax.block_until_ready(held)

    return advance


def one_vmap(grid: Grid) -> Step:
    """All conditions in one vmap, a mask of zeros and ones over their updates."""
    net, (x, y) = network_of(grid), batch_of(grid)
    params, tx = net.init(jax.random.key(0), x)["params"], optimizer()
    names = grid.network.layer_names
    depths = jnp.asarray([cut.trunk_depth for column in grid.columns for cut in column.cuts])

    def loss(params: Any) -> jax.Array:
        logits = net.apply({"params": params}, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()  # pyright: ignore

    def step(params: Any, state: Any, depth: jax.Array) -> Any:
        updates, state = tx.update(jax.grad(loss)(params), state, params)
        masked = {
            name: jax.tree.map(lambda u, i=i: jnp.where(i >= depth, u, 0), updates[name])  # pyright: ignore
            for i, name in enumerate(names)
        }
        return optax.apply_updates(params, masked), state

    compiled = jax.jit(jax.vmap(step), donate_argnums=(0, 1))
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf] * len(depths)), params)
    held = [stacked, jax.vmap(tx.init)(stacked)]

    def advance() -> None:
        held[:] = compiled(*held, depths)
        jax.block_until_ready(held)

    return advance
