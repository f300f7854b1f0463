"""Residual networks: ResNet-18, 34 and 50."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from transfer_jax.models.linen_layers import Layer
from transfer_jax.models.pooling import max_pool
from transfer_jax.models.zoo.fresh import ZooStack
from transfer_jax.models.zoo.modules import Conv, PooledLogits, batch_norm
from transfer_jax.models.zoo.origins import (
    HUGGING_FACE,
    IMAGENET,
    TIMM,
    TORCHVISION,
    of_origin,
    sees,
)

SEES = {
    TIMM: sees(IMAGENET, 0.95),
    TORCHVISION: sees(IMAGENET, 0.875, "bilinear"),
    HUGGING_FACE: sees(IMAGENET, 0.875),
}
WIDTHS = (64, 128, 256, 512)


class Stem(nn.Module):
    """A convolution of 7x7 and a maximum over 3x3, each of stride 2."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch out_height out_width 64"]:
        """The layer's activation."""
        x = nn.relu(batch_norm(train, "bn1")(Conv(WIDTHS[0], 7, 2, name="conv1")(x)))
        # Zeros around do for minus infinity, since ReLU leaves nothing below.
        return max_pool(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), 3, 2)


class Block(nn.Module):
    """Two convolutions beside a connection that skips them; ReLU after their sum.

    Attributes:
      width: channels of the convolutions.
      stride: of the first 3x3 convolution, and of the connection.
      bottleneck: whether a 3x3 convolution lies between two of 1x1, the last one four times as
        wide, in place of two of 3x3.
    """

    width: int
    stride: int
    bottleneck: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch out_height out_width features"]:
        """The layer's activation."""
        if self.bottleneck:
            shapes = [(self.width, 1, 1), (self.width, 3, self.stride), (4 * self.width, 1, 1)]
        else:
            shapes = [(self.width, 3, self.stride), (self.width, 3, 1)]
        y = x
        for number, shape in enumerate(shapes, 1):
            y = nn.relu(y) if number > 1 else y
            y = batch_norm(train, f"bn{number}")(Conv(*shape, name=f"conv{number}")(y))
        if x.shape != y.shape:
            x = Conv(y.shape[-1], 1, self.stride, name="downsample.0")(x)
            x = batch_norm(train, "downsample.1")(x)
        return nn.relu(x + y)


def _resnet(
    name: str, repeats: Sequence[int], bottleneck: bool, num_outputs: int, origin: str
) -> ZooStack:
    layers: dict[str, Layer] = {"stem": Stem()}
    stages = ["stem"]
    for stage, (width, count) in enumerate(zip(WIDTHS, repeats, strict=True), 1):
        for number in range(count):
            stride = 2 if stage > 1 and number == 0 else 1
            layers[f"layer{stage}.{number}"] = Block(width, stride, bottleneck)
        stages.append(f"layer{stage}.{count - 1}")
    layers["head"] = PooledLogits(num_outputs, "fc")
    seen = of_origin(name, SEES, origin)
    return ZooStack(layers, stages=stages, preprocessing=seen)


def resnet18(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """ResNet-18.

    Args:
      num_outputs: number of logits.
      origin: whose weights it is to have: timm, torchvision or hf.

    Returns:
      The network.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> resnet18(10).stages
      ('stem', 'layer1.1', 'layer2.1', 'layer3.1', 'layer4.1')

    Source: He et al. (2016), "Deep residual learning for image recognition".
    """
    return _resnet("resnet18", (2, 2, 2, 2), False, num_outputs, origin)


def resnet34(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """ResNet-34.

    Args:
      num_outputs: number of logits.
      origin: whose weights it is to have: timm, torchvision or hf.

    Returns:
      The network.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> len(resnet34(10).layer_names)
      18

    Source: He et al. (2016), "Deep residual learning for image recognition".
    """
    return _resnet("resnet34", (3, 4, 6, 3), False, num_outputs, origin)


def resnet50(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """ResNet-50, with the stride in its 3x3 convolutions.

    Args:
      num_outputs: number of logits.
      origin: whose weights it is to have: timm, torchvision or hf.

    Returns:
      The network.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> len(resnet50(10).layer_names)
      18

    Source: He et al. (2016), "Deep residual learning for image recognition".
    """
    return _resnet("resnet50", (3, 4, 6, 3), True, num_outputs, origin)
