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


def relative(found, expected) -> float:
    """The largest difference, as a share of the largest value."""
    expected = np.asarray(expected)
    return np.abs(np.asarray(found) - expected).max() / np.abs(expected).max()


def test_every_network_is_compared():
    assert {name for name, _ in (*SMALL, *LARGE)} == set(ZOO)


@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_the_logits_are_those_of_timm(name, size):
    model, net, variables = both(name, size)
    x = images(size)
    with torch.no_grad():
        expected = model(as_torch(x)).numpy()
    assert np.ptp(expected) > 0.1
    found, _ = jax.jit(net.apply)(variables, x)
    assert relative(found, expected) < 1e-5


@pytest.mark.parametrize("mode", [INFERENCE, LEARNS], ids=["inference", "training"])
@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_gradients_and_statistics_are_those_of_timm(name, size, mode):
    model, net, variables = both(name, size)
    params, statistics = params_of(variables), statistics_of(variables)
    if mode is LEARNS and not statistics:
        pytest.skip("has no statistics")
    x, targets = images(size, 8), np.arange(8) % 7
    model.train(mode is LEARNS)
    loss = torch.nn.functional.cross_entropy(model(as_torch(x)), torch.from_numpy(targets))
    loss.backward()

    def own_loss(params):
        out, changed = net.apply(join(params, statistics), x, mode=mode)
        return -jnp.mean(jax.nn.log_softmax(out)[np.arange(8), targets]), changed

    (found, changed), gradients = jax.jit(jax.value_and_grad(own_loss, has_aux=True))(params)
    assert relative(found, loss.detach()) < 1e-5
    slopes = {key: parameter.grad for key, parameter in model.named_parameters()}
    expected, _ = as_variables({n: {"params": own} for n, own in params.items()}, slopes)
    worst = jax.tree.map(relative, gradients, params_of(expected))
    print(name, max(jax.tree.leaves(worst)))
    assert set(changed) == (set(statistics) if mode is LEARNS else set())
