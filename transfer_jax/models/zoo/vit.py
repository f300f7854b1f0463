"""Vision transformers of patches of 16 pixels: tiny, small and base."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from transfer_jax.models.linen_layers import Layer
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.models.zoo.fresh import ZooStack
from transfer_jax.models.zoo.modules import Conv, Perceptron, dense, layer_norm, logits, small
from transfer_jax.models.zoo.origins import (
    DEIT,
    HALVES,
    HUGGING_FACE,
    IMAGENET,
    TIMM,
    TORCHVISION,
    of_origin,
    sees,
)

PATCH, DEPTH, BLOCKS_OF_STAGE = 16, 12, 3


class Kind(NamedTuple):
    """What the origin of weights decides."""

    sees: Preprocessing
    epsilon: float = 1e-6


KINDS = {
    TIMM: Kind(sees(HALVES, 0.9, any_size=False, least_size=PATCH)),
    DEIT: Kind(sees(IMAGENET, 0.9, any_size=False, least_size=PATCH)),
    TORCHVISION: Kind(sees(IMAGENET, 0.875, "bilinear", any_size=False, least_size=PATCH)),
    HUGGING_FACE: Kind(sees(HALVES, 1.0, "bilinear", any_size=False, least_size=PATCH), 1e-12),
}


class Embedding(nn.Module):
    """Patches to vectors, each with its position's added, behind one vector for the class.

    Attributes:
      features: length of a vector.
    """

    features: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch positions features"]:
        """The layer's activation."""
        shape = (self.features, PATCH, PATCH)
        x = Conv(*shape, padding=0, use_bias=True, kernel_init=small, name="patch_embed.proj")(x)
        x = x.reshape(x.shape[0], -1, self.features)
        of_class = self.param("cls_token", small, (1, 1, self.features))
        x = jnp.concatenate([jnp.broadcast_to(of_class, (x.shape[0], *of_class.shape[1:])), x], 1)
        return x + self.param("pos_embed", small, (1, *x.shape[1:]))


class Block(nn.Module):
    """Attention of all positions to all, then a perceptron of each; each beside what it adds to.

    Attributes:
      heads: how many parts of a vector attend apart.
    """

    heads: int
    epsilon: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch positions features"]
    ) -> Float[Array, "batch positions features"]:
        """The layer's activation."""
        features = x.shape[-1]
        y = layer_norm("norm1", self.epsilon)(x)
        y = dense(3 * features, "attn.qkv")(y)
        parts = y.reshape(*x.shape[:2], 3, self.heads, features // self.heads)
        query, key, value = (parts[:, :, part] for part in range(3))
        y = nn.dot_product_attention(query, key, value)
        y = dense(features, "attn.proj")(y.reshape(x.shape))
        x = x + y
        return x + Perceptron(name="mlp")(layer_norm("norm2", self.epsilon)(x))


class Head(nn.Module):
    """The class's vector, normalised, and logits from it."""

    features: int
    epsilon: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch positions channels"]
    ) -> Float[Array, "batch features"]:
        """The logits."""
        return logits(self.features, "head")(layer_norm("norm", self.epsilon)(x[:, 0]))


def _vit(name: str, width: int, heads: int, num_outputs: int, origin: str) -> ZooStack:
    kind = of_origin(name, KINDS, origin)
    layers: dict[str, Layer] = {"stem": Embedding(width)}
    layers |= {f"blocks.{number}": Block(heads, kind.epsilon) for number in range(DEPTH)}
    layers["head"] = Head(num_outputs, kind.epsilon)
    ends = range(BLOCKS_OF_STAGE - 1, DEPTH, BLOCKS_OF_STAGE)
    stages = ["stem", *(f"blocks.{number}" for number in ends)]
    return ZooStack(layers, stages=stages, preprocessing=kind.sees)


def vit_tiny_patch16_224(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """ViT-Ti/16.

    Args:
      num_outputs: number of logits.
      origin: whose weights it is to have: timm, torchvision or hf.

    Returns:
      The network; the images it is initialised with say how many positions it has.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> vit_tiny_patch16_224(10).stages
      ('stem', 'blocks.2', 'blocks.5', 'blocks.8', 'blocks.11')

    Source: Touvron et al. (2021), "Training data-efficient image transformers".
    """
    return _vit("vit_tiny_patch16_224", 192, 3, num_outputs, origin)


def vit_small_patch16_224(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """ViT-S/16.

    Args:
      num_outputs: number of logits.
      origin: whose weights it is to have: timm, torchvision or hf.

    Returns:
      The network; the images it is initialised with say how many positions it has.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> len(vit_small_patch16_224(10).layer_names)
      14

    Source: Touvron et al. (2021), "Training data-efficient image transformers".
    """
    return _vit("vit_small_patch16_224", 384, 6, num_outputs, origin)


def vit_base_patch16_224(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """ViT-B/16.

    Args:
      num_outputs: number of logits.
      origin: whose weights it is to have: timm, torchvision or hf.

    Returns:
      The network; the images it is initialised with say how many positions it has.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> len(vit_base_patch16_224(10).layer_names)
      14

    Source: Dosovitskiy et al. (2021), "An image is worth 16x16 words".
    """
    return _vit("vit_base_patch16_224", 768, 12, num_outputs, origin)
