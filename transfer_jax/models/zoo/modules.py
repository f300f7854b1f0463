"""What the networks of the zoo are built of: convolution, normalisation, pooling, logits."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from transfer_jax.models.convolution import Padding, convolve
from transfer_jax.models.product import in_one_row
from transfer_jax.models.zoo.fresh import SMALL, he

# PyTorch's momentum of 0.1; that of TensorFlow's networks, 0.99, does not move in a short run.
MOMENTUM = 0.9
# What transformers start from.
small = nn.initializers.constant(SMALL)


class Conv(nn.Module):
    """Convolution, lowered in the way that is fastest for its shape.

    Attributes:
      features: channels that leave it; the number that enters it where it is depthwise.
      size: side of the kernel.
      stride: step in both directions.
      padding: zeros on each side; None for half the kernel; "same" as TensorFlow has it.
      depthwise: whether each channel has a kernel of its own.
      use_bias: whether it adds a bias.
    """

    features: int
    size: int
    stride: int = 1
    padding: Padding = None
    depthwise: bool = False
    use_bias: bool = False
    kernel_init: nn.initializers.Initializer = he

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch out_height out_width features"]:
        """The convolved images."""
        groups = x.shape[-1] if self.depthwise else 1
        shape = (self.size, self.size, x.shape[-1] // groups, self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        x = convolve(x, kernel, self.stride, padding=self.padding, groups=groups)
        if not self.use_bias:
            return x
        return x + self.param("bias", nn.initializers.zeros, (self.features,))


def batch_norm(train: bool, name: str, epsilon: float = 1e-5) -> nn.BatchNorm:
    """Normalisation by the batch, or by what is known of all batches.

    Args:
      train: whether it normalises by the batch, and learns.
      name: its own.

    Returns:
      The module.

    Example:
      >>> batch_norm(False, "bn1").momentum
      0.9
    """
    # E[x^2] - E[x]^2, Flax's default, is faster and loses digits.
    return nn.BatchNorm(
        use_running_average=not train,
        momentum=MOMENTUM,
        epsilon=epsilon,
        use_fast_variance=False,
        name=name,
    )


def layer_norm(name: str, epsilon: float = 1e-6) -> nn.LayerNorm:
    """Normalisation of each vector of channels.

    Args:
      name: its own.

    Returns:
      The module.

    Example:
      >>> layer_norm("norm").epsilon
      1e-06
    """
    return nn.LayerNorm(epsilon, use_fast_variance=False, name=name)


def dense(features: int, name: str) -> nn.Dense:
    """The same dense layer of each vector.

    Args:
      features: length of the vectors that leave it.
      name: its own.

    Returns:
      The module.

    Example:
      >>> dense(10, "fc1").features
      10
    """
    return nn.Dense(features, kernel_init=small, dot_general=_as_flax_calls_it, name=name)


def _as_flax_calls_it(x: Array, kernel: Array, dimensions: Any, **options: Any) -> Array:
    """Of a dense layer the dimensions are always the last by the first."""
    del dimensions
    return in_one_row(x, kernel, **options)


class Perceptron(nn.Module):
    """Each vector by two dense layers, GELU between them, where it is four times as long."""

    @nn.compact
    def __call__(self, x: Float[Array, "... features"]) -> Float[Array, "... features"]:
        """The vectors."""
        features = x.shape[-1]
        x = dense(4 * features, "fc1")(x)
        x = nn.gelu(x, approximate=False)
        return dense(features, "fc2")(x)


def logits(features: int, name: str) -> nn.Dense:
    """The last layer: zeros, since random logits must be unlearned first.

    Args:
      features: number of logits.
      name: its own.

    Returns:
      The module.

    Example:
      >>> logits(10, "fc").features
      10
    """
    return nn.Dense(features, kernel_init=nn.initializers.zeros, name=name)


class PooledLogits(nn.Module):
    """The mean over all pixels, and logits from it.

    Attributes:
      features: number of logits.
      dense: what the dense layer is called.
    """

    features: int
    dense: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"]
    ) -> Float[Array, "batch features"]:
        """The logits."""
        return logits(self.features, self.dense)(jnp.mean(x, (1, 2)))
