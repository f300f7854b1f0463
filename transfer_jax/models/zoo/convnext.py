"""ConvNeXt: a convolutional network built as transformers are."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from transfer_jax.models.linen_layers import Layer
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.models.zoo.fresh import ZooStack
from transfer_jax.models.zoo.modules import Conv, Perceptron, layer_norm, logits, small
from transfer_jax.models.zoo.origins import (
    HUGGING_FACE,
    IMAGENET,
    TIMM,
    TORCHVISION,
    of_origin,
    sees,
)

STAGES = ((3, 96), (3, 192), (9, 384), (3, 768))


class Kind(NamedTuple):
    """What the origin of weights decides."""

    sees: Preprocessing
    last_epsilon: float = 1e-6


KINDS = {
    TIMM: Kind(sees(IMAGENET, 0.95)),
    TORCHVISION: Kind(sees(IMAGENET, 224 / 236, "bilinear")),
    HUGGING_FACE: Kind(sees(IMAGENET, 0.875), 1e-12),
}


class Stem(nn.Module):
    """Patches of 4x4 pixels, normalised."""

    features: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch out_height out_width features"]:
        """The layer's activation."""
        x = Conv(self.features, 4, 4, 0, use_bias=True, kernel_init=small, name="stem.0")(x)
        return layer_norm("stem.1")(x)


class Downsampling(nn.Module):
    """Normalised, and four pixels to one: its own layer, before a stage's first block."""

    features: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch out_height out_width features"]:
        """The layer's activation."""
        x = layer_norm("0")(x)
        return Conv(self.features, 2, 2, 0, use_bias=True, kernel_init=small, name="1")(x)


class Block(nn.Module):
    """A depthwise convolution and a perceptron of each pixel, beside what they are added to."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch height width channels"]:
        """The layer's activation."""
        features = x.shape[-1]
        depthwise = Conv(
            features, 7, depthwise=True, use_bias=True, kernel_init=small, name="conv_dw"
        )
        y = Perceptron(name="mlp")(layer_norm("norm")(depthwise(x)))
        return x + y * self.param("gamma", nn.initializers.constant(1e-6), (features,))


class Head(nn.Module):
    """The mean over all pixels, normalised, and logits from it."""

    features: int
    epsilon: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch features"]:
        """The logits."""
        x = layer_norm("head.norm", self.epsilon)(jnp.mean(x, (1, 2)))
        return logits(self.features, "head.fc")(x)


def convnext_tiny(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """ConvNeXt-T.

    Args:
      num_outputs: number of logits.
      origin: whose weights it is to have: timm, torchvision or hf.

    Returns:
      The network.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> convnext_tiny(10).stages
      ('stem', 'stages.0.blocks.2', 'stages.1.blocks.2', 'stages.2.blocks.8', 'stages.3.blocks.2')

    Source: Liu et al. (2022), "A ConvNet for the 2020s".
    """
    kind = of_origin("convnext_tiny", KINDS, origin)
    layers: dict[str, Layer] = {"stem": Stem(STAGES[0][1])}
    stages = ["stem"]
    for stage, (blocks, features) in enumerate(STAGES):
        if stage:
            layers[f"stages.{stage}.downsample"] = Downsampling(features)
        layers |= {f"stages.{stage}.blocks.{number}": Block() for number in range(blocks)}
        stages.append(list(layers)[-1])
    layers["head"] = Head(num_outputs, kind.last_epsilon)
    return ZooStack(layers, stages=stages, preprocessing=kind.sees)
