import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import transfer_jax as tj
from transfer_jax.engine.optimizers import caffe_sgd, sgd, step_schedule

RATE, MOMENTUM, DECAY = 0.05, 0.9, 0.01


def start() -> dict:
    generator = np.random.default_rng(0)
    layer = {"kernel": generator.normal(size=(4, 3)), "bias": generator.normal(size=3)}
    return {"conv1": layer, "fc2": jax.tree.map(lambda leaf: -leaf, layer)}


def gradients(steps: int) -> list[dict]:
    generator = np.random.default_rng(1)
    return [
        jax.tree.map(lambda leaf: generator.normal(size=leaf.shape).astype(np.float32), start())
        for _ in range(steps)
    ]


def trained(tx: optax.GradientTransformation, steps: int) -> dict:
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), start())
    state = tx.init(params)
    for grads in gradients(steps):
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params  # pyright: ignore


def in_numpy(rates: list[float]) -> dict:
    """Caffe's rule, written out."""
    params = start()
    velocity = jax.tree.map(np.zeros_like, params)
    for rate, grads in zip(rates, gradients(len(rates)), strict=True):
        for layer in params:
            for name, m, d in (("kernel", 1, 1), ("bias", 2, 0)):
                w, v = params[layer][name], velocity[layer][name]
                v[...] = MOMENTUM * v + rate * m * (grads[layer][name] + DECAY * d * w)
                w[...] = w - v
    return params


def close(a, b, rtol=1e-5):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-6), a, b)


def test_at_a_constant_rate_it_is_pytorchs_sgd_with_parameter_groups():
    torch = pytest.importorskip("torch", reason="needs the extra bench")
    params = jax.tree.map(lambda leaf: torch.tensor(leaf, requires_grad=True), start())
    kernels, biases = ([layer[name] for layer in params.values()] for name in ("kernel", "bias"))
    groups = [
        {"params": kernels, "weight_decay": DECAY},
        {"params": biases, "lr": 2 * RATE, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM)
    for grads in gradients(9):
        for layer in params:
            for name, leaf in params[layer].items():
                leaf.grad = torch.tensor(grads[layer][name], dtype=leaf.dtype)
        optimizer.step()
    theirs = jax.tree.map(lambda leaf: leaf.detach().numpy(), params)
    close(trained(caffe_sgd(RATE, MOMENTUM, DECAY), 9), theirs)


def test_over_changes_of_the_rate_it_is_caffes_rule():
    schedule = step_schedule(RATE, 3, 0.1)
    rates = [RATE * 0.1 ** (step // 3) for step in range(9)]
    assert [float(schedule(step)) for step in range(9)] == pytest.approx(rates)
    ours = trained(caffe_sgd(schedule, MOMENTUM, DECAY), 9)
    close(ours, in_numpy(rates))
    with pytest.raises(AssertionError):
        close(trained(sgd(schedule, MOMENTUM, DECAY), 9), ours)


def test_frozen_layers_have_rate_and_decay_0_and_no_velocity():
    frozen = tj.select(start(), "conv1/**")
    tx = tj.freeze(caffe_sgd(step_schedule(RATE, 3, 0.1), MOMENTUM, DECAY), frozen)
    before = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), start())
    after = trained(tx, 9)
    assert not tj.diff(before["conv1"], after["conv1"])
    close(after["fc2"], in_numpy([RATE * 0.1 ** (step // 3) for step in range(9)])["fc2"])
    velocities = [leaf for leaf in jax.tree.leaves(tx.init(before)) if leaf.ndim]
    assert sum(leaf.size for leaf in velocities) == 4 * 3 + 3
