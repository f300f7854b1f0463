"""AdamW, and rates layer by layer, against the rules written out and those of PyTorch and timm."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import transfer_jax as tj
from transfer_jax.engine.optimizers import adamw, layer_rates, sgd
from transfer_jax.plan.optimizer_fields import AdamW, Sgd, make_optimizer

LAYERS = ("stem", "relu", "blocks.0", "blocks.1", "head")
STEPS, WARMUP, RATE, DECAY = 12, 3, 0.02, 0.3
HEAD, LAYER = 7.0, 0.65
# Distance from the head; a layer without parameters is no step of the way.
ABOVE = {"stem": 3, "blocks.0": 2, "blocks.1": 1, "head": 0}


def start() -> dict:
    generator = np.random.default_rng(0)

    def layer() -> dict:
        return {"kernel": generator.normal(size=(4, 3)), "bias": generator.normal(size=3),
                "pos_embed": generator.normal(size=(1, 2, 3))}  # fmt: skip

    return {name: layer() if name in ABOVE else {} for name in LAYERS}


def gradients() -> list[dict]:
    generator = np.random.default_rng(1)
    return [jax.tree.map(lambda x: generator.normal(size=x.shape), start()) for _ in range(STEPS)]


def in_jax(tree: dict) -> dict:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree)


def trained(tx: optax.GradientTransformation) -> dict:
    params = in_jax(start())
    state = tx.init(params)
    for grads in gradients():
        updates, state = jax.jit(tx.update)(in_jax(grads), state, params)
        params = optax.apply_updates(params, updates)
    return params  # pyright: ignore


def rate_at(step: int) -> float:
    """Up along a line, and down along half a cosine."""
    if step < WARMUP:
        return RATE * step / WARMUP
    return RATE * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2


def multiple_of(layer: str) -> float:
    return HEAD if layer == "head" else LAYER ** ABOVE[layer]


def by_hand(beta1: float, beta2: float) -> dict:
    """Algorithm 2 of Loshchilov and Hutter, each layer at its own rate."""
    params = start()
    first, second = (jax.tree.map(np.zeros_like, params) for _ in range(2))
    for step, grads in enumerate(gradients()):
        for layer, own in params.items():
            rate = rate_at(step) * multiple_of(layer) if own else 0.0
            for name, w in own.items():
                g, m, v = grads[layer][name], first[layer][name], second[layer][name]
                m[...] = beta1 * m + (1 - beta1) * g
                v[...] = beta2 * v + (1 - beta2) * g**2
                towards = m / (1 - beta1 ** (step + 1))
                towards /= np.sqrt(v / (1 - beta2 ** (step + 1))) + 1e-8
                w[...] -= rate * (towards + (DECAY * w if name == "kernel" else 0.0))
    return params


def sgd_by_hand(momentum: float) -> dict:
    params = start()
    velocity = jax.tree.map(np.zeros_like, params)
    for step, grads in enumerate(gradients()):
        for layer, own in params.items():
            for name, w in own.items():
                v = velocity[layer][name]
                v[...] = momentum * v + grads[layer][name] + DECAY * w
                w[...] -= rate_at(step) * multiple_of(layer) * v
    return params


def close(a: dict, b: dict) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=2e-5, atol=1e-5), a, b)


BY_LAYER = {"head_multiple": HEAD, "layer_decay": LAYER}
COMMON = {"learning_rate": RATE, "warmup_steps": WARMUP, "weight_decay": DECAY}


def test_adamw_is_its_rule_each_layer_at_its_own_rate():
    fields = AdamW(**COMMON, **BY_LAYER, beta1=0.8, beta2=0.95)
    ours = trained(make_optimizer(fields, STEPS, layers=LAYERS))
    close(ours, by_hand(0.8, 0.95))
    plain = AdamW(**COMMON, beta1=0.8, beta2=0.95)
    with pytest.raises(AssertionError):
        close(trained(make_optimizer(plain, STEPS, layers=LAYERS)), ours)


def test_sgd_has_rates_layer_by_layer_too():
    fields = Sgd(**COMMON, **BY_LAYER, momentum=0.8)
    close(trained(make_optimizer(fields, STEPS, layers=LAYERS)), sgd_by_hand(0.8))


def test_where_all_layers_have_one_rate_adamw_is_optax_own():
    schedule = optax.warmup_cosine_decay_schedule(0.0, RATE, WARMUP, STEPS)
    decays = jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", start())
    theirs = optax.adamw(schedule, weight_decay=DECAY, mask=decays)
    close(trained(make_optimizer(AdamW(**COMMON), STEPS, layers=LAYERS)), trained(theirs))


def test_where_all_layers_have_one_rate_the_program_of_sgd_is_as_it_was():
    """The same operations, so the same bits; and a checkpoint of the same structure."""

    @optax.inject_hyperparams
    def of(learning_rate, weight_decay):
        shape = optax.warmup_cosine_decay_schedule(0.0, 1.0, WARMUP, STEPS)
        return sgd(lambda step: learning_rate * shape(step), 0.9, weight_decay)

    before = of(learning_rate=RATE, weight_decay=DECAY)
    now = make_optimizer(Sgd(**COMMON), STEPS, layers=LAYERS)
    params = in_jax(start())
    assert jax.tree.structure(now.init(params)) == jax.tree.structure(before.init(params))
    args = (params, before.init(params), params)
    text = str(jax.make_jaxpr(now.update)(*args))
    assert text == str(jax.make_jaxpr(before.update)(*args))
    by_layer = make_optimizer(Sgd(**COMMON, head_multiple=2.0), STEPS, layers=LAYERS)
    assert text != str(jax.make_jaxpr(by_layer.update)(params, by_layer.init(params), params))


@pytest.mark.parametrize("frozen", [("stem",), ("head",), ("stem", "blocks.1"), tuple(ABOVE)])
@pytest.mark.parametrize("kind", [AdamW, Sgd])
def test_frozen_layers_stay_to_the_bit_and_the_others_keep_their_rates(kind, frozen):
    """What is frozen below or above a layer does not move its place in the network."""
    tx = make_optimizer(kind(**COMMON, **BY_LAYER), STEPS, layers=LAYERS)
    mask = {name: jax.tree.map(lambda _, n=name: n in frozen, own) for name, own in start().items()}
    before, after, free = in_jax(start()), trained(tj.freeze(tx, mask)), trained(tx)
    for name in ABOVE:
        if name in frozen:
            assert not tj.diff(before[name], after[name])
        else:
            close(after[name], free[name])


def test_it_is_pytorchs_adamw_with_a_group_a_layer():
    torch = pytest.importorskip("torch", reason="needs the extra bench")
    params = jax.tree.map(lambda leaf: torch.tensor(leaf, requires_grad=True), start())
    groups = [
        {"params": [leaf], "lr": RATE * multiple_of(layer),
         "weight_decay": DECAY if name == "kernel" else 0.0}
        for layer, own in params.items() for name, leaf in own.items()
    ]  # fmt: skip
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999))
    for grads in gradients():
        for layer, own in params.items():
            for name, leaf in own.items():
                leaf.grad = torch.tensor(grads[layer][name])
        optimizer.step()
    tx = optax.chain(adamw(RATE, DECAY), layer_rates(LAYERS, HEAD, LAYER))
    close(trained(tx), jax.tree.map(lambda leaf: leaf.detach().numpy(), params))


def test_rates_and_decay_are_those_that_timm_gives_a_vision_transformer():
    timm = pytest.importorskip("timm", reason="needs the extra bench")
    optim = pytest.importorskip("timm.optim", reason="needs the extra bench")
    model = timm.create_model("vit_tiny_patch16_224", num_classes=5)
    skip = model.no_weight_decay()
    groups = optim.param_groups_layer_decay(model, DECAY, skip, layer_decay=LAYER)
    theirs = {id(p): (g["lr_scale"], g["weight_decay"]) for g in groups for p in g["params"]}
    # Here the last norm is part of the head; there it goes with the last block.
    for leaf in model.norm.parameters():
        theirs[id(leaf)] = (1.0, theirs[id(leaf)][1])
    names = ("stem", *(f"blocks.{i}" for i in range(12)), "head")
    tree: dict = {name: {} for name in names}
    wanted: dict = {name: {} for name in names}
    for path, parameter in model.named_parameters():
        block = ".".join(path.split(".")[:2]) if path.startswith("blocks.") else ""
        layer = block or ("head" if path.startswith(("norm.", "head.")) else "stem")
        # The last word of a path tells a bias; a tree has the rest, too.
        module, _, leaf = path.rpartition(".")
        shape = tuple(parameter.shape)
        tree[layer].setdefault(module, {})[leaf] = jnp.zeros((1,) * len(shape))
        wanted[layer].setdefault(module, {})[leaf] = theirs[id(parameter)]
    scales = layer_rates(names, 1.0, LAYER)
    ones = jax.tree.map(jnp.ones_like, tree)
    found, _ = scales.update(ones, scales.init(ones))
    decayed, _ = adamw(1.0, DECAY).update(
        jax.tree.map(jnp.zeros_like, ones), adamw(1.0, DECAY).init(ones), ones
    )
    jax.tree.map(
        lambda scale, moved, pair: np.testing.assert_allclose(
            (scale.item(), -moved.item()), pair, rtol=1e-6
        ),
        found, decayed, wanted,
        is_leaf=lambda leaf: isinstance(leaf, tuple),
    )  # fmt: skip
