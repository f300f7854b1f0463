"""A small network of one's own with batch normalisation, and a file of weights for it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

import transfer_jax as tj
from transfer_jax.models.layered import Variables
from transfer_jax.models.linen_layers import LayerStack
from transfer_jax.plan.config import load_config
from transfer_jax.plan.schema import Config

NAMES = ("stem", "block1", "block2", "block3", "head")
FLAGS = [
    "--config.network.name=tests.running.pretrained:network",
    "--config.splits=('whole',)",
    "--config.seeds=1",
    "--config.steps=6",
    "--config.optimizer.warmup_steps=1",
    "--config.optimizer.rates=(1.0,)",
    "--config.batch_size=20",
    "--config.test_batch_size=30",
    "--config.data.train_per_class=12",
    "--config.data.test_per_class=10",
    "--config.data.validation_share=0.002",
]


class Block(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        x = nn.Conv(self.features, (3, 3), self.stride, use_bias=False, name="conv")(x)
        norm = nn.BatchNorm(use_running_average=not train, momentum=0.8, name="norm")
        return nn.relu(norm(x))


class Head(nn.Module):
    """A norm that is pretrained, too, the mean over pixels, and logits."""

    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return nn.Dense(self.outputs, name="dense")(nn.LayerNorm(name="norm")(x.mean((1, 2))))


def network(num_outputs: int) -> LayerStack:
    """The network that configs name."""
    layers = (Block(6, 2), Block(8), Block(8, 2), Block(10), Head(num_outputs))
    return LayerStack(dict(zip(NAMES, layers, strict=True)), stages=("stem", "block2", "block3"))


def weights(outputs: int = 7, seed: int = 3) -> Variables:
    """Weights as of a trained network: its statistics and norms are none of a fresh one."""
    found = network(outputs).init(jax.random.key(seed), jnp.zeros((1, 28, 28, 1)))

    def moved(path: Any, leaf: Array) -> Array:
        if path[-1].key == "kernel":
            return leaf
        return leaf + 0.3 * jax.random.uniform(jax.random.key(len(str(path))), leaf.shape)

    return jax.tree_util.tree_map_with_path(moved, found)


def pretrained_config(folder: Path, flags: Sequence[str] = (), **kind: int) -> Config:
    """A config whose networks begin as a file's that is written to a folder."""
    file = folder / "weights.safetensors"
    tj.save_tree(file, weights(**kind))
    return load_config("fashion_mnist", [*FLAGS, f"--config.network.weights={file}", *flags])
