"""Networks of the zoo against timm's, with random weights and random statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.models.zoo.of_timm import as_torch, as_variables, both, images, torch
from transfer_jax.models.layered import INFERENCE, Mode, join, params_of, statistics_of
from transfer_jax.models.zoo import ZOO

LEARNS = Mode(statistics=True)
# Pixels a side: small ones where a network takes them; an odd number shows how it pads.
SMALL = [("resnet18", 75), ("efficientnet_lite0", 75), ("vit_tiny_patch16_224", 224)]
LARGE = [
    ("resnet34", 75), ("resnet50", 75), ("vit_small_patch16_224", 224),
    ("vit_base_patch16_224", 224), ("convnext_tiny", 75), ("tf_efficientnet_lite0", 75),
    ("mobilenetv2_100", 75),
]  # fmt: skip
NETWORKS = [*SMALL, *(pytest.param(*network, marks=pytest.mark.slow) for network in LARGE)]
# With statistics held, and learned from the batch.
QUICK = [
    ("resnet18", INFERENCE), ("resnet18", LEARNS), ("efficientnet_lite0", LEARNS),
    ("vit_tiny_patch16_224", INFERENCE),
]  # fmt: skip
WITHOUT_STATISTICS = [name for name in ZOO if name.startswith(("vit", "convnext"))]
GRADIENTS = [
    pytest.param(
        name,
        mode,
        id=f"{name}-{'learned' if mode is LEARNS else 'held'}",
        marks=[] if (name, mode) in QUICK else pytest.mark.slow,
    )
    for name in ZOO
    for mode in ((INFERENCE,) if name in WITHOUT_STATISTICS else (INFERENCE, LEARNS))
]


def relative(found, expected) -> float:
    """The largest difference, as a share of the largest value."""
    expected = np.asarray(expected)
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


def test_every_network_is_compared():
    assert {name for name, _ in (*SMALL, *LARGE)} == set(ZOO)


@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_the_logits_are_those_of_timm(name, size):
    model, net, names = both(name, size)
    x = images(size)
    found, _ = jax.jit(net.apply)(as_variables(names, model.state_dict()), x)
    with torch.no_grad():
        in_float32 = model(as_torch(x))
        expected = model.double()(as_torch(x).double()).numpy()
    assert np.ptp(expected) > 0.1
    assert relative(found, expected) < 1e-5
    # PyTorch's own rounding is as large as ours.
    assert relative(found, in_float32) < 2e-5


@pytest.mark.parametrize(("name", "mode"), GRADIENTS)
def test_gradients_and_statistics_are_those_of_timm(name, mode):
    """In float64, where no rounding takes a value across a ReLU's zero."""
    size = 224 if "vit" in name else 48
    model, net, names = both(name, size)
    model = model.double().train(mode is LEARNS)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    learned = statistics_learned(model, before)
    x, targets = images(size, 2).astype(np.float64), np.arange(2)
    loss = torch.nn.functional.cross_entropy(model(as_torch(x)), torch.from_numpy(targets))
    loss.backward()
    with jax.enable_x64(True):
        variables = as_variables(names, before)
        found, changed, gradients = step(net, variables, x, targets, mode)
        slopes = {key: parameter.grad for key, parameter in model.named_parameters()}
        expected = as_variables(params_of(names), slopes)
        assert float(found) == pytest.approx(loss.item(), rel=1e-9)
        assert_close(gradients, expected)
        if mode is INFERENCE:
            assert changed == {}
        else:
            assert_close(changed, as_variables(statistics_of(names), learned))


def step(net, variables, x, targets, mode):
    """The loss, the statistics and the gradients."""
    statistics = statistics_of(variables)

    def loss(params):
        out, changed = net.apply(join(params, statistics), x, mode=mode)
        return -jnp.mean(jax.nn.log_softmax(out)[np.arange(len(targets)), targets]), changed

    graded = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (found, changed), gradients = graded(params_of(variables))
    return found, changed, gradients


def statistics_learned(model, before) -> dict:
    """Filled as the model runs: PyTorch's momentum, and Flax's deviation of the batch as it is.

    PyTorch learns that of all images as the batch lets guess it: n / (n - 1) of the batch's own.
    """
    learned = {}

    def note(name):
        def hook(module, inputs, _):
            x = inputs[0].detach()
            for key, own in (("mean", x.mean((0, 2, 3))), ("var", x.var((0, 2, 3), correction=0))):
                held = before[f"{name}.running_{key}"]
                new = (1 - module.momentum) * held + module.momentum * own
                learned[f"{name}.running_{key}"] = new

        return hook

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.register_forward_hook(note(name))
    return learned


def assert_close(found, expected):
    """As a share of the largest value of all: some gradients are zero but for rounding."""
    largest = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(expected))
    share = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()) / largest, found, expected)
    assert max(jax.tree.leaves(share)) < 1e-9, share
