"""timm's networks as the right answer: their tensors, drawn at random, as variables of ours.

The names follow one rule: a layer's name, if it has a dot, then the modules' names, then the
leaf's, each as PyTorch calls it.
"""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.models.zoo import ZOO

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

OUTPUTS = 7
LEAVES = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}


def drawn(name: str):
    """A network of timm's whose every tensor is drawn at random, statistics too."""
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=OUTPUTS)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.LayerNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
        for key, parameter in model.named_parameters():
            if key.endswith("gamma"):
                parameter.uniform_(0.1, 0.5)
            if key in ("cls_token", "pos_embed"):
                parameter.normal_(0, 0.5)
        classifier = model.get_classifier()
        classifier.weight.normal_(0, classifier.in_features**-0.5)
        classifier.bias.normal_(0, 0.1)
    return model.eval()


def foreign_name(layer: str, path: tuple[str, ...]) -> str:
    prefix = (layer,) if "." in layer else ()
    return ".".join((*prefix, *path[:-1], LEAVES.get(path[-1], path[-1])))


def ours(value: np.ndarray) -> np.ndarray:
    """Kernels as Flax lays them out."""
    return value.transpose({2: (1, 0), 4: (2, 3, 1, 0)}.get(value.ndim, range(value.ndim)))


def as_variables(shapes, tensors):
    """What `tensors` holds in the places of `shapes`, and which of them were taken."""
    taken, variables = set(), {}
    for layer, kinds in shapes.items():
        variables[layer] = {}
        for kind, own in kinds.items():
            leaves = {}
            for path, like in flax.traverse_util.flatten_dict(own).items():
                key = foreign_name(layer, path)
                value = tensors[key].detach().numpy()
                leaves[path] = jnp.asarray(ours(value))
                assert leaves[path].shape == like.shape, key
                taken.add(key)
            variables[layer][kind] = flax.traverse_util.unflatten_dict(leaves)
    return variables, taken


def both(name: str, size: int):
    """timm's network, ours, and the variables that make them one."""
    model, net = drawn(name), ZOO[name](OUTPUTS)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
    variables, taken = as_variables(shapes, model.state_dict())
    left = {key for key in model.state_dict() if "num_batches_tracked" not in key} - taken
    assert not left
    return model, net, variables


def images(size: int, batch: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, size, size, 3), np.float32)


def as_torch(x: np.ndarray):
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
