"""ConvNet: a plain convolutional network whose shape the config gives."""

from collections.abc import Sequence

import flax.linen as nn
from jaxtyping import Array, Float

from transfer_jax.models.convolution import convolve
from transfer_jax.models.linen_layers import Layer, LayerStack
from transfer_jax.models.pooling import max_pool
from transfer_jax.models.rectifier import relu


class ConvLayer(nn.Module):
    """Convolution, maximum over windows, ReLU."""

    features: int
    kernel_size: int
    stride: int = 1
    pool: int = 1

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch height width channels"], *, train: bool
    ) -> Float[Array, "batch out_height out_width features"]:
        """The layer's activation."""
        shape = (self.kernel_size, self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        # Pooling first is the same, since adding a bias and ReLU keep the order, and cheaper.
        return relu(max_pool(convolve(x, kernel, self.stride), self.pool) + bias)


class DenseLayer(nn.Module):
    """Flatten, matrix product and, unless it is the last layer, ReLU and dropout."""

    features: int
    dropout: float = 0.0
    last: bool = False
    kernel_init: nn.initializers.Initializer = nn.initializers.he_normal()
    bias: float = 0.0

    @nn.compact
    def __call__(
        self, x: Float[Array, "batch ..."], *, train: bool
    ) -> Float[Array, "batch features"]:
        """The layer's activation."""
        x = x.reshape(x.shape[0], -1)
        bias_init = nn.initializers.constant(self.bias)
        dense = nn.Dense(self.features, kernel_init=self.kernel_init, bias_init=bias_init)
        nn.share_scope(self, dense)
        x = dense(x)
        if self.last:
            return x
        return nn.Dropout(self.dropout, deterministic=not train)(relu(x))


class ConvNet(LayerStack):
    """Convolutional layers, then dense ones: `conv1 ... conv4, fc5, fc6` by default.

    Args:
      num_outputs: number of logits.
      widths: channels of the convolutional layers.
      kernel_sizes: side of each convolutional layer's kernel; odd.
      strides: stride of each convolutional layer.
      pools: side of each convolutional layer's pooling window; 1 for none.
      dense_widths: features of the dense layers below the logits.
      dropout: share of a dense layer's activations that is dropped in training.

    Raises:
      ValueError: the lists differ in length, or hold what is no size; or dropout is no share.

    Example:
      >>> ConvNet(num_outputs=5).layer_names
      ('conv1', 'conv2', 'conv3', 'conv4', 'fc5', 'fc6')
    """

    def __init__(
        self,
        num_outputs: int,
        widths: Sequence[int] = (8, 16, 24, 24),
        kernel_sizes: Sequence[int] = (5, 3, 3, 3),
        strides: Sequence[int] = (2, 1, 1, 1),
        pools: Sequence[int] = (2, 1, 1, 2),
        dense_widths: Sequence[int] = (64,),
        dropout: float = 0.0,
    ) -> None:
        lists = {"kernel_sizes": kernel_sizes, "strides": strides, "pools": pools}
        for name, values in {"widths": widths, "dense_widths": dense_widths, **lists}.items():
            _check_sizes(name, values)
        for name, values in lists.items():
            if len(values) != len(widths):
                raise ValueError(
                    f"{name} has {len(values)} values and widths {len(widths)}: "
                    "each convolutional layer needs one of both"
                )
        if even := [size for size in kernel_sizes if size % 2 == 0]:
            raise ValueError(f"kernel_sizes holds {even[0]}; allowed: odd numbers")
        check_dropout(dropout)
        layers: dict[str, Layer] = {}
        for shape in zip(widths, kernel_sizes, strides, pools, strict=True):
            layers[f"conv{len(layers) + 1}"] = ConvLayer(*shape)
        for width in dense_widths:
            layers[f"fc{len(layers) + 1}"] = DenseLayer(width, dropout)
        layers[f"fc{len(layers) + 1}"] = DenseLayer(
            num_outputs, last=True, kernel_init=nn.initializers.lecun_normal()
        )
        super().__init__(layers)


def _check_sizes(name: str, values: Sequence[int]) -> None:
    for value in values:
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} holds {value!r}; allowed: whole numbers from 1")


def check_dropout(dropout: float) -> None:
    """Check that dropout is a share.

    Args:
      dropout: share of activations that is dropped.

    Raises:
      ValueError: it is not in 0 ... 1, or is 1.
    """
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; allowed: 0 <= dropout < 1")
