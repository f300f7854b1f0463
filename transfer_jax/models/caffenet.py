"""CaffeNet: the paper's network, eight layers, pooling before normalisation."""

import math

import flax.linen as nn
from jaxtyping import Array, Float

from transfer_jax.models.convnet import DenseLayer, check_dropout
from transfer_jax.models.convolution import convolve, in_groups
from transfer_jax.models.linen_layers import Layer, LayerStack
from transfer_jax.models.pooling import local_response_norm, max_pool
from transfer_jax.models.rectifier import relu

# Features, kernel, stride, padding, groups, whether it pools, whether it normalises, bias.
CONVOLUTIONS = (
    (96, 11, 4, 0, 1, True, True, 0.0),
    (256, 5, 1, 2, 2, True, True, 1.0),
    (384, 3, 1, 1, 1, False, False, 0.0),
    (384, 3, 1, 1, 2, False, False, 1.0),
    (256, 3, 1, 1, 2, True, False, 1.0),
)
LARGEST_GROUPS = 32


class CaffeConvLayer(nn.Module):
    """Convolution in groups, ReLU, maximum over overlapping windows, normalisation.

    The modern one has no groups, starts from He's deviation and bias 0, and normalises groups of
    channels before ReLU, in place of neighbours after pooling.
    """

    features: int
    kernel_size: int
    stride: int
    padding: int
    groups: int
    pool: bool
    norm: bool
    bias: float
    modern: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch out_height out_width features"]:
        """The layer's activation."""
        groups = 1 if self.modern else self.groups
        shape = (self.kernel_size, self.kernel_size, x.shape[-1] // groups, self.features)
        initialiser = nn.initializers.he_normal() if self.modern else nn.initializers.normal(0.01)
        bias = 0.0 if self.modern else self.bias
        kernel = self.param("kernel", initialiser, shape)
        biases = self.param("bias", nn.initializers.constant(bias), (self.features,))
        if self.modern:
            x = convolve(x, kernel, self.stride, padding=self.padding) + biases
            x = nn.GroupNorm(math.gcd(self.features, LARGEST_GROUPS), name="norm")(x)
            return relu(self.pooled(x))
        # Pooling first is the same, since adding a bias and ReLU keep the order, and cheaper; so is
        # pooling each group before these are put together.
        x = in_groups(self.convolved_and_pooled, x, kernel, groups)
        x = relu(x + biases)
        return local_response_norm(x) if self.norm else x

    def convolved_and_pooled(self, x: Array, kernel: Array) -> Array:
        """Some channels of the convolution, pooled if the layer pools."""
        return self.pooled(convolve(x, kernel, self.stride, padding=self.padding))

    def pooled(self, x: Array) -> Array:
        """The maximum over overlapping windows, if the layer pools."""
        return max_pool(x, 3, 2, ceil=True) if self.pool else x


class CaffeNet(LayerStack):
    """The paper's network: `conv1 ... conv5, fc6, fc7, fc8`, for images of 227x227.

    Args:
      num_outputs: number of logits; the authors' networks all have 1000.
      width: factor for the number of features of every layer but the last.
      dropout: share of fc6's and fc7's activations that is dropped in training.
      modern: no groups, He's initial deviation and biases of 0, and group normalisation before
        ReLU in place of local response normalisation.

    Raises:
      ValueError: the width leaves no whole number of features, or dropout is no share.

    Example:
      >>> CaffeNet(width=0.25).layer_names
      ('conv1', 'conv2', 'conv3', 'conv4', 'conv5', 'fc6', 'fc7', 'fc8')

    Source: the prototxt files of the authors' repository, yosinski/convnet_transfer at 9838c27.
    """

    def __init__(
        self,
        num_outputs: int = 1000,
        width: float = 1.0,
        dropout: float = 0.5,
        modern: bool = False,
    ) -> None:
        check_dropout(dropout)
        layers: dict[str, Layer] = {}
        for shape in CONVOLUTIONS:
            layer = CaffeConvLayer(_scaled(shape[0], width), *shape[1:], modern=modern)
            layers[f"conv{len(layers) + 1}"] = layer
        he, normal = nn.initializers.he_normal(), nn.initializers.normal
        for _ in range(2):
            layers[f"fc{len(layers) + 1}"] = DenseLayer(
                _scaled(4096, width),
                dropout,
                kernel_init=he if modern else normal(0.005),
                bias=0.0 if modern else 1.0,
            )
        layers["fc8"] = DenseLayer(num_outputs, last=True, kernel_init=normal(0.01))
        super().__init__(layers)


def _scaled(features: int, width: float) -> int:
    scaled = features * width
    if scaled < 2 or scaled % 2:
        raise ValueError(
            f"width {width} leaves {scaled:g} of {features} features; allowed: an even whole number"
        )
    return int(scaled)
