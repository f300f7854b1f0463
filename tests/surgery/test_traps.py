"""The traps of freezing and grafting: each shown on the naive way, and passed by ours."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx

import transfer_jax as tj
from tests.surgery.nets import FROZEN, GRADS, NOTHING, PARAMS
from transfer_jax.folder import checkpoints


def one_step(tx, grads=GRADS, params=PARAMS, state=None):
    state = tx.init(params) if state is None else state
    updates, state = tx.update(grads, state, params)
    return optax.apply_updates(params, updates)


def moved(after, layer: str = "conv1") -> float:
    return float(jnp.abs(after[layer]["kernel"] - PARAMS[layer]["kernel"]).max())


def test_01_masked_alone_passes_raw_gradients_through():
    trainable = jax.tree.map(lambda frozen: not frozen, FROZEN)
    assert moved(one_step(optax.masked(optax.adamw(0.1), trainable))) == 100.0
    assert moved(one_step(tj.freeze(optax.adamw(0.1), FROZEN))) == 0.0


def test_02_a_freeze_before_the_optimizer_leaks_decoupled_decay():
    adamw = optax.adamw(0.01, weight_decay=0.1)
    naive = optax.chain(optax.masked(optax.set_to_zero(), FROZEN), adamw)
    assert moved(one_step(naive)) == pytest.approx(0.001, rel=1e-3)
    assert moved(one_step(tj.freeze(adamw, FROZEN))) == 0.0


def test_03_a_clip_outside_the_freeze_counts_frozen_gradients():
    clip = optax.clip_by_global_norm(1.0)
    outside = one_step(optax.chain(clip, tj.freeze(optax.sgd(1.0), FROZEN)))
    inside = one_step(tj.freeze(optax.chain(clip, optax.sgd(1.0)), FROZEN))
    assert moved(outside, "fc2") == pytest.approx(0.00577, rel=1e-2)
    assert moved(inside, "fc2") == pytest.approx(0.577, rel=1e-2)


def test_04_frozen_gradients_are_computed_once_a_norm_reads_them():
    x = jnp.ones((8, 64))
    params = {f"fc{i}": jnp.ones((64, 64)) / 64 for i in range(4)}

    def loss(params, x):
        for kernel in params.values():
            x = jnp.tanh(x @ kernel)
        return x.mean()

    def flops(grad):
        def step(p):
            grads = grad(p, x)[1]
            return grads, optax.tree.norm(grads)

        return jax.jit(step).lower(params).compile().cost_analysis()["flops"]

    frozen = tj.select(params, "fc[0-2]")
    naive = flops(jax.value_and_grad(loss))
    assert naive > 2 * flops(tj.value_and_grad(loss, frozen))


def test_05_a_traced_mask_is_refused_by_name():
    def naive(mask):
        return optax.masked(optax.sgd(0.1), mask).init(PARAMS)

    masks = jax.tree.map(jnp.asarray, FROZEN)
    with pytest.raises(jax.errors.TracerBoolConversionError):
        jax.jit(naive)(masks)
    with pytest.raises(TypeError, match="traced at conv1/kernel: use freeze_traced"):
        jax.jit(lambda mask: tj.freeze(optax.sgd(0.1), mask).init(PARAMS))(masks)
    assert moved(jax.jit(lambda m: one_step(tj.freeze_traced(optax.sgd(0.1), m)))(masks)) == 0.0


def test_06_a_selector_that_matches_nothing_is_an_error():
    from flax.traverse_util import path_aware_map

    labels = path_aware_map(lambda path, _: "frozen" if "backbone" in path else "free", PARAMS)
    assert "frozen" not in jax.tree.leaves(labels)
    with pytest.raises(tj.SelectionError, match="selects 0 leaves"):
        tj.select(PARAMS, "backbone/**")


def test_07_overlapping_masks_are_an_error():
    state = nnx.state(nnx.Linear(2, 2, rngs=nnx.Rngs(0)))
    first, second = nnx.split_state(state, nnx.Param, lambda path, _: "kernel" in path)
    assert jax.tree.leaves(first) and not jax.tree.leaves(second)
    with pytest.raises(tj.SelectionError, match="conv1/kernel is frozen and thawed, or thawed"):
        tj.freeze(optax.sgd(0.1), NOTHING, thawed=[FROZEN, FROZEN])


def test_08_a_wrong_shape_is_an_error():
    model = nnx.Linear(2, 2, rngs=nnx.Rngs(0))
    wider = nnx.state(nnx.Linear(5, 5, rngs=nnx.Rngs(0)))
    with pytest.raises(tj.GraftError, match="kernel"):
        tj.graft(nnx.state(model), wider, "**")
    nnx.update(model, wider)
    assert model.kernel.shape == (5, 5)


def test_09_a_checkpoint_of_another_depth_is_an_error(tmp_path):
    deeper = {**PARAMS, "fc3": {"kernel": jnp.ones(3)}}
    checkpoints.save(tmp_path / "deeper", deeper)
    shallower = jax.device_get(PARAMS)
    arguments = ocp.checkpoint_utils.construct_restore_args(shallower)
    naive = ocp.PyTreeCheckpointer().restore(
        tmp_path / "deeper",
        args=ocp.args.PyTreeRestore(shallower, restore_args=arguments, partial_restore=True),
    )
    assert set(naive) == set(PARAMS)
    with pytest.raises(checkpoints.CheckpointError, match="holds no network of this shape"):
        checkpoints.restore(tmp_path / "deeper", PARAMS)
    with pytest.raises(tj.GraftError, match=r"fc3/kernel.*donor has no such leaf"):
        tj.graft(deeper, PARAMS, "**")


def test_10_batch_statistics_of_a_frozen_layer_move_unless_put_back():
    norm = nn.BatchNorm(use_running_average=False, momentum=0.9)
    x = 1.0 + jax.random.normal(jax.random.key(0), (64, 2))
    variables = norm.init(jax.random.key(0), x)
    _, after = norm.apply(variables, x, mutable=["batch_stats"])
    before, after = variables["batch_stats"], after["batch_stats"]
    assert float(jnp.abs(after["mean"]).max()) > 0.05
    everything = jax.tree.map(lambda _: True, before)
    assert not tj.diff(before, tj.freeze_stats(before, after, everything))
    nothing = jax.tree.map(lambda _: False, before)
    assert not tj.diff(after, tj.freeze_stats(before, after, nothing))


def test_11_another_frozen_set_is_another_state_and_thaw_carries_it_over():
    adam = optax.adam(0.1)
    frozen, free = tj.freeze(adam, FROZEN), tj.freeze(adam, NOTHING, thawed=[FROZEN])
    state = frozen.init(PARAMS)
    assert jax.tree.structure(state) != jax.tree.structure(free.init(PARAMS))
    with pytest.raises((ValueError, KeyError)):
        free.update(GRADS, state, PARAMS)
    updates, _ = free.update(GRADS, tj.thaw(state, free, PARAMS), PARAMS)
    assert jax.tree.structure(updates) == jax.tree.structure(PARAMS)


def test_12_stop_gradient_still_decays():
    def loss(params):
        fixed = jax.lax.stop_gradient(params["conv1"]["kernel"])
        return (fixed * params["fc2"]["kernel"]).sum()

    adamw = optax.adamw(0.01, weight_decay=0.1)
    grads = jax.grad(loss)(PARAMS)
    assert moved(one_step(adamw, grads)) > 0
    assert moved(one_step(tj.freeze(adamw, FROZEN), grads)) == 0.0


def test_13_zero_times_nan_is_nan():
    grads = {**GRADS, "conv1": {"kernel": jnp.full(3, jnp.nan)}}
    multiplied = jax.tree.map(lambda g, frozen: g * (not frozen), grads, FROZEN)
    assert jnp.isnan(one_step(optax.sgd(0.1), multiplied)["conv1"]["kernel"]).all()
    assert moved(one_step(tj.freeze(optax.adamw(0.1), FROZEN), grads)) == 0.0


def test_14_a_donated_step_deletes_a_shared_donor():
    step = jax.jit(lambda tree: jax.tree.map(lambda x: x + 1, tree), donate_argnums=0)
    donor = {"a": jnp.ones(4)}
    step({"a": donor["a"]})
    assert donor["a"].is_deleted()
    donor = {"a": jnp.ones(4)}
    step(tj.graft({"a": jnp.zeros(4)}, donor, "a"))
    assert donor["a"].sum() == 4


def test_15_another_head_leaves_the_rest_strict():
    donor = {"stem": {"kernel": jnp.ones(3)}, "head": {"kernel": jnp.ones(10)}}
    renamed = {"trunk": donor["stem"], "head": donor["head"]}
    recipient = {"stem": {"kernel": jnp.zeros(3)}, "head": {"kernel": jnp.zeros(5)}}
    naive = tj.graft(recipient, renamed, "**", on_mismatch="keep")
    assert not tj.diff(naive, recipient)
    backbone = ["**", "!head/**"]
    with pytest.raises(tj.GraftError, match=r"stem/kernel.*no such leaf"):
        tj.graft(recipient, renamed, backbone)
    grafted = tj.graft(recipient, donor, backbone)
    assert tj.diff(recipient, grafted).identical == ("head/kernel",)


def test_16_vmap_over_kernels_makes_grouped_convolutions():
    def conv(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    x, kernels = jnp.ones((2, 4, 4, 3)), jnp.ones((4, 3, 3, 3, 5))
    naive = jax.jit(jax.vmap(conv)).lower(jnp.stack([x] * 4), kernels).as_text()
    assert "feature_group_count = 4" in naive
    unrolled = jax.jit(lambda x, ks: [conv(x, k) for k in tj.unstack(ks)])
    text = unrolled.lower(x, kernels).as_text()
    assert "feature_group_count = 1" in text
    assert "feature_group_count = 4" not in text


def test_17_freezing_an_untrained_layer_is_warned_of():
    donated = tj.select(PARAMS, "fc2/*")
    with pytest.warns(UserWarning, match="frozen but not from a donor: conv1/kernel"):
        tj.freeze(optax.sgd(0.1), FROZEN, donated=donated)
    tj.freeze(optax.sgd(0.1), FROZEN, donated=FROZEN)


def test_18_a_thawed_leaf_with_the_others_count_leaps():
    rate, adam = 0.01, optax.adam(0.01)
    frozen = tj.freeze(adam, FROZEN)
    step = jax.jit(lambda params, state: frozen.update(GRADS, state, params))
    state = frozen.init(PARAMS)
    for _ in range(2000):
        _, state = step(PARAMS, state)
    old = state.inner_states["trainable"].inner_state[0]
    fresh = adam.init(PARAMS)
    carried = fresh[0]._replace(
        count=old.count,
        mu={**fresh[0].mu, "fc2": old.mu["fc2"]},
        nu={**fresh[0].nu, "fc2": old.nu["fc2"]},
    )
    naive = one_step(adam, state=(carried, *fresh[1:]))
    assert moved(naive) == pytest.approx(2.94 * rate, rel=0.02)
    free = tj.freeze(adam, NOTHING, thawed=[FROZEN])
    ours = one_step(free, state=tj.thaw(state, free, PARAMS))
    assert moved(ours) == pytest.approx(rate, rel=1e-3)
