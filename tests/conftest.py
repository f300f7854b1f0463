"""What several tests need: a grid that trains in seconds, and programs compiled once."""

import os
from pathlib import Path

# What one test compiled, others find on disk, in this process and in those that they start.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "compiled")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
# Tiny networks compile for longer than they train: LLVM does less work, XLA's passes all theirs.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transfer_jax.data.image_set import TEST, TRAIN, ImageSet
from transfer_jax.data.order import DeviceImages
from transfer_jax.engine.recipe import Recipe
from transfer_jax.grid.conditions import Column, Cut, Split, Task
from transfer_jax.models.convnet import ConvNet
from transfer_jax.plan.config import load_config
from transfer_jax.plan.schema import Config

TINY = [
    "--config.seeds=2",
    "--config.splits=('distant',)",
    "--config.cuts=(1,3)",
    "--config.steps=5",
    "--config.optimizer.warmup_steps=1",
    "--config.optimizer.rates=(1.0,)",
    "--config.batch_size=8",
    "--config.test_batch_size=30",
    "--config.data.train_per_class=10",
    "--config.data.test_per_class=20",
    "--config.data.validation_share=0.02",
    "--config.network.widths=(3,3,3,3)",
    "--config.network.dense_widths=(4,)",
]
NUM_LAYERS = 6
# A command makes each core a device where JAX has not looked yet: tests see the same devices,
# whichever of them runs first.
jax.devices()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is tried in several ways that take long is tried in one of them always."""
    begun = set()
    for item in items:
        if item.get_closest_marker("slow_but_first"):
            test = item.nodeid.partition("[")[0]
            if test in begun:
                item.add_marker(pytest.mark.slow)
            begun.add(test)


@pytest.fixture
def tiny_config() -> Config:
    return load_config("fashion_mnist", TINY)


@pytest.fixture(scope="session")
def network() -> ConvNet:
    return ConvNet(3, widths=(4, 6, 6, 6), dense_widths=(8,))


@pytest.fixture(scope="session")
def image_set() -> ImageSet:
    """Six classes of 12x12 noise, each around a pattern of its own."""
    generator = np.random.default_rng(0)
    patterns = generator.integers(0, 200, (6, 12, 12, 1))
    labels = np.arange(6 * 40) % 6
    images = patterns[labels] + generator.integers(0, 55, (len(labels), 12, 12, 1))
    subset = np.where(np.arange(len(labels)) >= 6 * 30, TEST, TRAIN).astype(np.int8)
    names = tuple("abcdef")
    return ImageSet(images.astype(np.uint8), labels.astype(np.int32), subset, names)


@pytest.fixture(scope="session")
def recipe(image_set: ImageSet) -> Recipe:
    return Recipe(image_set, 30, 10, 30, batch_size=16, test_batch_size=8, steps=6)


@pytest.fixture(scope="session")
def split() -> Split:
    return Split("halves", (Task("A", (0, 1, 2)), Task("B", (3, 4, 5))))


@pytest.fixture(scope="session")
def device_images(image_set: ImageSet) -> DeviceImages:
    return DeviceImages(jnp.asarray(image_set.images), jnp.asarray(image_set.labels))


@pytest.fixture(scope="session")
def whole_column() -> Column:
    cuts = tuple(Cut(n, tuned) for n in range(1, NUM_LAYERS) for tuned in (False, True))
    return Column("halves", 0, "A", "B", cuts)


@pytest.fixture(scope="session")
def init(network: ConvNet):
    return jax.jit(lambda key: network.init(key, jnp.zeros((1, 12, 12, 1))))
