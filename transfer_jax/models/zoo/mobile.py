"""Networks of inverted residuals for small machines: EfficientNet-Lite0 and MobileNetV2."""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from transfer_jax.models.convolution import Padding
from transfer_jax.models.linen_layers import Layer
from transfer_jax.models.preprocessing import Preprocessing
from transfer_jax.models.zoo.fresh import ZooStack
from transfer_jax.models.zoo.modules import Conv, PooledLogits, batch_norm
from transfer_jax.models.zoo.origins import (
    HALVES,
    HUGGING_FACE,
    IMAGENET,
    LUKEMELAS,
    TIMM,
    TORCHVISION,
    of_origin,
    sees,
)


class Stage(NamedTuple):
    """Blocks alike but for the first one's stride."""

    blocks: int
    size: int
    stride: int
    expand: int
    features: int


class Kind(NamedTuple):
    """What the origin of weights decides: TensorFlow pads and divides in another way."""

    sees: Preprocessing
    padding: Padding = None
    epsilon: float = 1e-5


EFFICIENTNET_LITE0 = [
    Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(2, 5, 2, 6, 40), Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112), Stage(4, 5, 2, 6, 192), Stage(1, 3, 1, 6, 320),
]  # fmt: skip
MOBILENETV2 = [
    Stage(1, 3, 1, 1, 16), Stage(2, 3, 2, 6, 24), Stage(3, 3, 2, 6, 32), Stage(4, 3, 2, 6, 64),
    Stage(3, 3, 1, 6, 96), Stage(3, 3, 2, 6, 160), Stage(1, 3, 1, 6, 320),
]  # fmt: skip
OF_TENSORFLOW = Kind(sees(HALVES, 0.875), "same", 1e-3)
LITE_KINDS = {TIMM: Kind(sees(IMAGENET, 0.875)), LUKEMELAS: OF_TENSORFLOW}
TF_LITE_KINDS = {TIMM: OF_TENSORFLOW, LUKEMELAS: OF_TENSORFLOW}
MOBILENETV2_KINDS = {
    TIMM: Kind(sees(IMAGENET, 0.875)),
    TORCHVISION: Kind(sees(IMAGENET, 0.875, "bilinear")),
    HUGGING_FACE: Kind(sees(HALVES, 0.875, "bilinear"), "same", 1e-3),
}
STEM, HEAD = 32, 1280


def relu6(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """What is positive, up to 6.

    Example:
      >>> relu6(jnp.array([-1.0, 2.0, 8.0])).tolist()
      [0.0, 2.0, 6.0]
    """
    return jnp.minimum(nn.relu(x), 6)


class ConvNorm(nn.Module):
    """Convolution, normalisation, ReLU6: the stem, and the last layer before the logits.

    Attributes:
      conv, norm: what the two modules are called.
      shape: features, size and stride of the convolution.
    """

    conv: str
    norm: str
    shape: tuple[int, int, int]
    kind: Kind

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch out_height out_width features"]:
        """The layer's activation."""
        x = Conv(*self.shape, self.kind.padding, name=self.conv)(x)
        return relu6(batch_norm(train, self.norm, self.kind.epsilon)(x))


class InvertedResidual(nn.Module):
    """Wider, depthwise, narrower again; beside a connection that skips them where shapes agree.

    Attributes:
      features: channels that leave it.
      size: side of the depthwise kernel.
      stride: of the depthwise convolution.
      expand: how many times as wide it is within; 1 for no convolution before the depthwise one.
    """

    features: int
    size: int
    stride: int
    expand: int
    kind: Kind

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch out_height out_width features"]:
        """The layer's activation."""
        width, padding = self.expand * x.shape[-1], self.kind.padding
        wider = [Conv(width, 1, name="conv_pw")] if self.expand > 1 else []
        depthwise = Conv(width, self.size, self.stride, padding, depthwise=True, name="conv_dw")
        narrower = Conv(self.features, 1, name="conv_pwl" if wider else "conv_pw")
        y = x
        for number, convolution in enumerate([*wider, depthwise, narrower], 1):
            y = relu6(y) if number > 1 else y
            y = batch_norm(train, f"bn{number}", self.kind.epsilon)(convolution(y))
        return x + y if x.shape == y.shape else y


def _mobile(shape: list[Stage], kind: Kind, num_outputs: int) -> ZooStack:
    layers: dict[str, Layer] = {"stem": ConvNorm("conv_stem", "bn1", (STEM, 3, 2), kind)}
    stages = ["stem"]
    for index, stage in enumerate(shape):
        for number in range(stage.blocks):
            stride = stage.stride if number == 0 else 1
            block = InvertedResidual(stage.features, stage.size, stride, stage.expand, kind)
            layers[f"blocks.{index}.{number}"] = block
        stages.append(list(layers)[-1])
    layers["conv_head"] = ConvNorm("conv_head", "bn2", (HEAD, 1, 1), kind)
    layers["head"] = PooledLogits(num_outputs, "classifier")
    return ZooStack(layers, stages=[*stages, "conv_head"], preprocessing=kind.sees)


def efficientnet_lite0(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """EfficientNet-Lite0.

    Args:
      num_outputs: number of logits.
      origin: whose weights it is to have: timm, or lukemelas, whose are TensorFlow's.

    Returns:
      The network.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> efficientnet_lite0(10).layer_names[-3:]
      ('blocks.6.0', 'conv_head', 'head')
      >>> efficientnet_lite0(10, "lukemelas").preprocessing.mean
      (0.5, 0.5, 0.5)

    Source: Tan and Le (2019), "EfficientNet: rethinking model scaling", without what is slow on
      small machines.
    """
    kind = of_origin("efficientnet_lite0", LITE_KINDS, origin)
    return _mobile(EFFICIENTNET_LITE0, kind, num_outputs)


def tf_efficientnet_lite0(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """EfficientNet-Lite0 as TensorFlow has it, with the weights that its authors trained.

    Args:
      num_outputs: number of logits.
      origin: in whose names the weights are: timm or lukemelas.

    Returns:
      The network.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> tf_efficientnet_lite0(10).preprocessing.mean
      (0.5, 0.5, 0.5)

    Source: Tan and Le (2019), "EfficientNet: rethinking model scaling".
    """
    kind = of_origin("tf_efficientnet_lite0", TF_LITE_KINDS, origin)
    return _mobile(EFFICIENTNET_LITE0, kind, num_outputs)


def mobilenetv2_100(num_outputs: int, origin: str = TIMM) -> ZooStack:
    """MobileNetV2.

    Args:
      num_outputs: number of logits.
      origin: whose weights it is to have: timm, torchvision, or hf, whose are TensorFlow's.

    Returns:
      The network.

    Raises:
      ValueError: nobody of that name trained it.

    Example:
      >>> len(mobilenetv2_100(10).layer_names)
      20

    Source: Sandler et al. (2018), "MobileNetV2: inverted residuals and linear bottlenecks".
    """
    kind = of_origin("mobilenetv2_100", MOBILENETV2_KINDS, origin)
    return _mobile(MOBILENETV2, kind, num_outputs)
