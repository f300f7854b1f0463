"""A small network whose leaves have the dotted names of files of weights, and such a file."""

from collections.abc import Sequence
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from tests.running.pretrained import FLAGS, Block
from transfer_jax.models.layered import Variables
from transfer_jax.models.linen_layers import LayerStack
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.models.weights.leaf_names import leaves_of, variables_of
from transfer_jax.plan.config import load_config
from transfer_jax.plan.schema import Config
from transfer_jax.surgery.safetensors_files import write_safetensors

NAME = "tests.running.named:network"


class Head(nn.Module):
    """A norm that is pretrained, too, the mean over pixels, and logits."""

    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.LayerNorm(name="head.norm")(x.mean((1, 2)))
        return nn.Dense(self.outputs, name="head.fc")(x)


LAYERS = {"stem": Block(6, 2), "blocks.0": Block(8), "blocks.1": Block(8, 2)}
SEES = Preprocessing((0.3,), (0.4,), size=28)


def network(num_outputs: int) -> LayerStack:
    """The network that configs name."""
    return LayerStack({**LAYERS, "head": Head(num_outputs)}, preprocessing=SEES)


def weights(outputs: int = 7) -> Variables:
    """Weights as of a trained network."""
    fresh = network(outputs).init(jax.random.key(3), jnp.zeros((1, 28, 28, 1)))
    rng = np.random.default_rng(0)
    return variables_of({
        keys: np.asarray(leaf) + 0.1 * rng.random(leaf.shape, np.float32)
        for keys, leaf in leaves_of(fresh).items()
    })  # fmt: skip


def as_pytorch_names_them(outputs: int = 7) -> dict[str, np.ndarray]:
    """The same, wrapped in a module: written out by hand, leaf by leaf."""
    held = weights(outputs)
    found = {}
    for layer, front in {"stem": "", "blocks.0": "blocks.0.", "blocks.1": "blocks.1."}.items():
        params, statistics = held[layer]["params"], held[layer]["batch_stats"]["norm"]
        found |= {
            f"{front}conv.weight": params["conv"]["kernel"].transpose(3, 2, 0, 1),
            f"{front}norm.weight": params["norm"]["scale"],
            f"{front}norm.bias": params["norm"]["bias"],
            f"{front}norm.running_mean": statistics["mean"],
            f"{front}norm.running_var": statistics["var"],
            f"{front}norm.num_batches_tracked": np.int64(5),
        }
    norm, dense = (held["head"]["params"][name] for name in ("head.norm", "head.fc"))
    found |= {"head.norm.weight": norm["scale"], "head.norm.bias": norm["bias"]}
    found |= {"head.fc.weight": dense["kernel"].T, "head.fc.bias": dense["bias"]}
    return {f"module.{name}": np.ascontiguousarray(leaf) for name, leaf in found.items()}


def named_config(folder: Path, flags: Sequence[str] = ()) -> Config:
    """A config whose networks begin as that file, which is written to a folder."""
    file = folder / "weights.safetensors"
    write_safetensors(file, as_pytorch_names_them(), {"format": "pt"})
    own = [flag for flag in FLAGS if "network.name" not in flag]
    named = [f"--config.network.name={NAME}", f"--config.network.weights={file}"]
    return load_config("fashion_mnist", [*own, *named, *flags])
