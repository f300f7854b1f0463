"""CaffeNet against PyTorch's layers: values and gradients, layer by layer and whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.caffenet import CONVOLUTIONS, CaffeNet
from transfer_jax.models.layered import TRAINING, join, params_of
from transfer_jax.models.pooling import local_response_norm, max_pool

torch = pytest.importorskip("torch", reason="needs the extra bench")
nn = torch.nn
FLATTENED = (256, 6, 6)
# float32: sums of up to 9,216 products, relative to the largest value of the tensor.
TOLERANCE = 2e-5


def torch_layers() -> list:
    layers = []
    channels = 3
    for features, size, stride, pad, groups, pool, norm, _ in CONVOLUTIONS:
        parts = [nn.Conv2d(channels, features, size, stride, pad, groups=groups), nn.ReLU()]
        parts += [nn.MaxPool2d(3, 2, ceil_mode=True)] * pool
        parts += [nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)] * norm
        layers.append(nn.Sequential(*parts))
        channels = features
    layers.append(nn.Sequential(nn.Flatten(), nn.Linear(9216, 4096), nn.ReLU()))
    layers.append(nn.Sequential(nn.Linear(4096, 4096), nn.ReLU()))
    return [*layers, nn.Linear(4096, 1000)]


def to_torch(name: str, kernel: np.ndarray) -> np.ndarray:
    if kernel.ndim == 4:
        return kernel.transpose(3, 2, 0, 1)
    if name == "fc6":
        # Ours flattens rows, columns, channels; theirs channels, rows, columns.
        channels, rows, cols = FLATTENED
        kernel = kernel.reshape(rows, cols, channels, -1).transpose(2, 0, 1, 3).reshape(9216, -1)
    return kernel.T


def images_first(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def close(ours, theirs) -> None:
    ours, theirs = np.asarray(ours), theirs.detach().numpy()
    np.testing.assert_allclose(ours, theirs, atol=TOLERANCE * np.abs(theirs).max())


@pytest.fixture(scope="module")
def network() -> CaffeNet:
    return CaffeNet(dropout=0.0)


@pytest.fixture(scope="module")
def params(network):
    """Kernels of He's deviation, so that gradients reach the first layer at full size."""
    fresh = params_of(jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 227, 227, 3))))
    key = jax.random.key(1)
    kernels = {
        name: jax.random.normal(jax.random.fold_in(key, i), layer["kernel"].shape)
        * (2 / np.prod(layer["kernel"].shape[:-1])) ** 0.5
        for i, (name, layer) in enumerate(fresh.items())
    }
    return {name: {**layer, "kernel": kernels[name]} for name, layer in fresh.items()}


@pytest.fixture(scope="module")
def theirs(network, params):
    layers = torch_layers()
    for name, layer in zip(network.layer_names, layers, strict=True):
        (module,) = [m for m in layer.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        with torch.no_grad():
            kernel = to_torch(name, np.asarray(params[name]["kernel"]))
            module.weight.copy_(torch.tensor(kernel.copy()))
            module.bias.copy_(torch.tensor(np.asarray(params[name]["bias"]).copy()))
    return layers


def weights_of(layer) -> list:
    return next(m for m in layer.modules() if isinstance(m, nn.Conv2d | nn.Linear))


INPUTS = [(227, 227, 3), (27, 27, 96), (13, 13, 256), (13, 13, 384), (13, 13, 384), (6, 6, 256)]


@pytest.mark.parametrize("n", range(8), ids=CaffeNet(width=0.25).layer_names)
def test_a_layer_agrees_in_value_and_gradient(n, network, params, theirs):
    shape = INPUTS[n] if n < len(INPUTS) else (4096,)
    generator = np.random.default_rng(n)
    x = generator.normal(size=(2, *shape)).astype(np.float32)
    name = network.layer_names[n]

    def layer(own, x):
        return network.apply({name: {"params": own}}, x, n, n + 1, mode=TRAINING)[0]

    out, backward = jax.vjp(layer, params[name], jnp.asarray(x))
    cotangent = generator.normal(size=out.shape).astype(np.float32)
    own_grads, x_grad = backward(jnp.asarray(cotangent))
    x_torch = torch.tensor(images_first(x).copy(), requires_grad=True)
    theirs[n].zero_grad()
    out_torch = theirs[n](x_torch)
    out_torch.backward(torch.tensor(images_first(cotangent).copy()))
    module = weights_of(theirs[n])
    close(images_first(np.asarray(out)), out_torch)
    close(images_first(np.asarray(x_grad)), x_torch.grad)
    close(to_torch(name, np.asarray(own_grads["kernel"])), module.weight.grad)
    close(own_grads["bias"], module.bias.grad)


def test_the_whole_network_agrees_in_value_and_gradient(network, params, theirs):
    generator = np.random.default_rng(8)
    x = generator.normal(size=(2, 227, 227, 3)).astype(np.float32)
    labels = np.array([3, 997])

    def loss_of(params):
        logits, _ = network.apply(join(params, {}), jnp.asarray(x), mode=TRAINING)
        losses = -jax.nn.log_softmax(logits)[jnp.arange(2), labels]
        return losses.mean(), logits

    (loss, logits), grads = jax.jit(jax.value_and_grad(loss_of, has_aux=True))(params)
    whole = nn.Sequential(*theirs)
    whole.zero_grad()
    logits_torch = whole(torch.tensor(images_first(x).copy()))
    loss_torch = nn.functional.cross_entropy(logits_torch, torch.tensor(labels))
    loss_torch.backward()
    close(logits, logits_torch)
    assert float(loss) == pytest.approx(loss_torch.item(), rel=1e-5)
    for n, name in enumerate(network.layer_names):
        module = weights_of(theirs[n])
        ours = to_torch(name, np.asarray(grads[name]["kernel"]))
        # Eight layers add their rounding up.
        largest = module.weight.grad.abs().max().item()
        np.testing.assert_allclose(ours, module.weight.grad.numpy(), atol=1e-4 * largest)
        largest = module.bias.grad.abs().max().item()
        np.testing.assert_allclose(grads[name]["bias"], module.bias.grad, atol=1e-4 * largest)


@pytest.mark.parametrize(("size", "stride"), [(3, 2), (2, 2), (3, 1), (4, 3)])
@pytest.mark.parametrize("side", [4, 7, 8, 12, 13])
def test_pooling_rounds_up_as_pytorch_does(size, stride, side):
    x = np.random.default_rng(side).normal(size=(2, side, side + 1, 3)).astype(np.float32)
    ours, backward = jax.vjp(lambda x: max_pool(x, size, stride, ceil=True), jnp.asarray(x))
    x_torch = torch.tensor(images_first(x).copy(), requires_grad=True)
    pooled = nn.MaxPool2d(size, stride, ceil_mode=True)(x_torch)
    np.testing.assert_array_equal(images_first(np.asarray(ours)), pooled.detach().numpy())
    pooled.sum().backward()
    (gradient,) = backward(jnp.ones_like(ours))
    np.testing.assert_array_equal(images_first(np.asarray(gradient)), x_torch.grad.numpy())


@pytest.mark.parametrize(("size", "alpha", "beta"), [(5, 1e-4, 0.75), (3, 1.0, 0.5), (1, 2.0, 1.0)])
def test_response_normalisation_is_pytorchs(size, alpha, beta):
    x = 3 * np.random.default_rng(0).normal(size=(2, 4, 5, 7)).astype(np.float32)
    ours, backward = jax.vjp(lambda x: local_response_norm(x, size, alpha, beta), jnp.asarray(x))
    x_torch = torch.tensor(images_first(x).copy(), requires_grad=True)
    theirs = nn.LocalResponseNorm(size, alpha, beta, 1.0)(x_torch)
    close(images_first(np.asarray(ours)), theirs)
    theirs.sum().backward()
    close(images_first(np.asarray(backward(jnp.ones_like(ours))[0])), x_torch.grad)
