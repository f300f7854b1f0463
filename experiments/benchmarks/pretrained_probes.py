"""Linear heads on the features of all cuts: ours, and as scikit-learn's users solve them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import jax
import jax.numpy as jnp
import numpy as np
from grids import CLASSES, SPLIT, Step, random_images
from jaxtyping import Float, Int
from pretrained_grid import PretrainedGrid

from transfer_jax.data.order import DeviceImages
from transfer_jax.engine.columns import column_inputs
from transfer_jax.engine.features import FeatureProgram
from transfer_jax.engine.logistic import STRENGTHS
from transfer_jax.engine.probing import Examples, probe
from transfer_jax.engine.recipe import Recipe
from transfer_jax.engine.view import View


@dataclass(frozen=True)
class ProbeImages:
    """Images, those to solve heads on, to choose a strength by and to judge it by, in order."""

    pixels: Float[np.ndarray, "image height width 3"]
    labels: Int[np.ndarray, " image"]
    ends: tuple[int, int]
    batch: int = 64


def probe_images(size: int) -> ProbeImages:
    """512 images of noise to solve heads on, and 128 and 384 others."""
    images = random_images(size, 1024)
    return ProbeImages(images.in_memory.astype(np.float32), images.labels % 5, (512, 640))


def ours(grid: PretrainedGrid, images: ProbeImages) -> Step:
    """As a run solves them: one forward pass, one program for the heads of all depths."""
    network = grid.stack
    recipe = Recipe(random_images(grid.size), None, None, 256, grid.batch, 128, steps=1)
    inputs = column_inputs(grid.columns[0], SPLIT, recipe)
    variables = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, grid.size, grid.size, 3)))
    fed = DeviceImages(jnp.asarray(images.pixels), jnp.asarray(images.labels))
    batches = np.arange(len(images.labels)).reshape(-1, images.batch)
    program = FeatureProgram(network, grid.cuts, View())

    def solve() -> None:
        found = program.all(variables, repeat(fed, len(batches)), batches, inputs, lambda: None)
        width = max(min(own.shape[1], images.ends[0]) for own in found.values())
        labels = np.split(images.labels, images.ends)
        for own in found.values():
            train, validation, test = map(Examples, np.split(own, images.ends), labels)
            probe(train, validation, test, CLASSES // 2, width)

    return solve


def regressions(parts: Mapping[int, Sequence[np.ndarray]], images: ProbeImages) -> None:
    """For each cut the best by validation of heads at our strengths, by scikit-learn's L-BFGS."""
    from sklearn.linear_model import LogisticRegression  # pyright: ignore[reportMissingImports]

    labels, few = np.split(images.labels, images.ends), images.ends[0]
    for features in map(np.concatenate, parts.values()):
        mean, unit = features[:few].mean(0), np.sqrt(features[:few].var(0).mean())
        train, validation, test = np.split((features - mean) / unit, images.ends)
        solved = [
            LogisticRegression(C=1 / (few * strength), max_iter=1000).fit(train, labels[0])
            for strength in STRENGTHS
        ]
        best = max(solved, key=lambda head: head.score(validation, labels[1]))
        best.score(test, labels[2])
