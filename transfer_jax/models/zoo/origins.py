"""Who trained a network decides what it wants to see, and more that no file of weights tells."""

from collections.abc import Mapping
from typing import TypeVar

from transfer_jax.grid.registry import nearest
from transfer_jax.models.preprocessing import Preprocessing

TIMM, TORCHVISION, HUGGING_FACE, LUKEMELAS = "timm", "torchvision", "hf", "lukemelas"
# DeiT, DINO and MAE: ViTs under the names of others, that want ImageNet's mean and deviation.
DEIT = "deit"
# Mean and deviation of ImageNet's pixels; others see -1 ... 1.
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALVES = (0.5,) * 3, (0.5,) * 3

T = TypeVar("T")


def of_origin(network: str, known: Mapping[str, T], origin: str) -> T:
    """What is known of a network's weights, by who trained them.

    Args:
      network: its name, as an error tells it.
      known: origin to what is known.
      origin: whose weights.

    Returns:
      What is known.

    Raises:
      ValueError: nobody of that name trained this network.

    Example:
      >>> of_origin("vit", {"timm": 1}, "tim")
      Traceback (most recent call last):
      ...
      ValueError: origin of vit is 'tim'; allowed: timm; nearest: timm
    """
    if origin not in known:
        allowed = ", ".join(known)
        raise ValueError(
            f"origin of {network} is '{origin}'; allowed: {allowed}{nearest(origin, known)}"
        )
    return known[origin]


def sees(
    pixels: tuple[tuple[float, ...], tuple[float, ...]],
    crop_fraction: float,
    interpolation: str = "bicubic",
    any_size: bool = True,
    least_size: int = 32,
) -> Preprocessing:
    """What a network wants to see at 224 pixels a side.

    Args:
      pixels: mean and deviation of each channel.

    Returns:
      Its preprocessing.

    Example:
      >>> sees(HALVES, 0.875).prepared_size
      256
    """
    return Preprocessing(*pixels, 224, crop_fraction, interpolation, any_size, least_size)
