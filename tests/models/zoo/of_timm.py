"""timm's networks as the right answer: their tensors, drawn at random, as variables of ours.

The names follow one rule: a layer's name, if it has a dot, then the modules' names, then the
leaf's, each as PyTorch calls it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import path_aware_map

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


def names_of(shapes):
    """The tensor that each leaf comes from."""

    def of_layer(layer: str, own):
        return path_aware_map(lambda path, _: foreign_name(layer, path), own)

    return {
        layer: {kind: of_layer(layer, own) for kind, own in kinds.items()}
        for layer, kinds in shapes.items()
    }


def as_variables(names, tensors):
    """Tensors by name, in the places of their names."""
    return jax.tree.map(lambda key: jnp.asarray(ours(tensors[key].detach().numpy())), names)


def both(name: str, size: int):
    """timm's network, ours, and the names of timm's tensors in the places of our variables."""
    model, net = drawn(name), ZOO[name](OUTPUTS)
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
    names = names_of(shapes)
    variables = as_variables(names, model.state_dict())
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, shapes)
    theirs = {key for key in model.state_dict() if "num_batches_tracked" not in key}
    assert set(jax.tree.leaves(names)) == theirs
    return model, net, names


def images(size: int, batch: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((batch, size, size, 3), np.float32)


def as_torch(x: np.ndarray):
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
